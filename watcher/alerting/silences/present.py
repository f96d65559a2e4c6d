"""The silences and acks in force, in the memory of the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from watcher.model.alerts.silence import Ack, Silence


@dataclass
class Silences:
    """The silences and acks in force or about to be.

    Attributes:
        silences: those that have not ended, newest first.
        acks: those of open incidents, newest first.
        changes: the number of changes so far.
        tell: called after each change; must not block.
    """

    silences: tuple[Silence, ...] = ()
    acks: tuple[Ack, ...] = ()
    changes: int = 0
    tell: Callable[[], None] = lambda: None

    def replace(self, silences: Iterable[Silence], acks: Iterable[Ack]) -> None:
        """Replace the silences and acks; `tell` is not called if they are the same."""
        new = (
            tuple(sorted(silences, key=lambda one: (one.start, one.id), reverse=True)),
            tuple(sorted(acks, key=lambda one: (one.at, one.id), reverse=True)),
        )
        if new != (self.silences, self.acks):
            self.silences, self.acks = new
            self.changes += 1
            self.tell()

"""The silences and acks that hold now, as the daemon has them in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from watcher.model.alerts.silence import Ack, Silence


@dataclass
class Silences:
    """What operators have said and holds now, or is about to.

    Attributes:
        silences: those that have not ended, the newest first.
        acks: those of incidents that are open, the newest first.
        changes: how often they have changed.
        tell: called after each change; must not block.
    """

    silences: tuple[Silence, ...] = ()
    acks: tuple[Ack, ...] = ()
    changes: int = 0
    tell: Callable[[], None] = lambda: None

    def replace(self, silences: Iterable[Silence], acks: Iterable[Ack]) -> None:
        """Take what holds from now on; nobody is told where that is the same."""
        new = (
            tuple(sorted(silences, key=lambda one: (one.start, one.id), reverse=True)),
            tuple(sorted(acks, key=lambda one: (one.at, one.id), reverse=True)),
        )
        if new != (self.silences, self.acks):
            self.silences, self.acks = new
            self.changes += 1
            self.tell()

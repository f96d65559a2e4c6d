"""Records when targets last came back after being down or in maintenance. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_AWAY = frozenset({State.DOWN, State.MAINTENANCE})


class Returns:
    """The last return of each target."""

    def __init__(self) -> None:
        """Create it without targets."""
        self._away: set[str] = set()
        self._back_at: dict[str, datetime] = {}

    def take(self, target: str, state: State, moment: datetime) -> None:
        """Record the state of a target from a moment on; unknown is ignored."""
        if state in _AWAY:
            self._away.add(target)
        elif state is not State.UNKNOWN and target in self._away:
            self._away.remove(target)
            self._back_at[target] = moment

    def of(self, target: str) -> datetime | None:
        """Return when a target last came back; None if it never did, or this is unknown."""
        return self._back_at.get(target)

    def drop(self, targets: Iterable[str]) -> None:
        """Drop targets by name."""
        for name in targets:
            self._away.discard(name)
            self._back_at.pop(name, None)

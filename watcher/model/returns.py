"""When targets were last found to be back, after they were down or in maintenance; pure."""

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
        """Begin with none."""
        self._away: set[str] = set()
        self._back_at: dict[str, datetime] = {}

    def take(self, target: str, state: State, moment: datetime) -> None:
        """Take where a target stands from a moment on; unknown says nothing of where it is."""
        if state in _AWAY:
            self._away.add(target)
        elif state is not State.UNKNOWN and target in self._away:
            self._away.remove(target)
            self._back_at[target] = moment

    def of(self, target: str) -> datetime | None:
        """Return when a target came back last; None where it was never away, or nobody knows."""
        return self._back_at.get(target)

    def drop(self, targets: Iterable[str]) -> None:
        """Forget targets, by their names."""
        for name in targets:
            self._away.discard(name)
            self._back_at.pop(name, None)

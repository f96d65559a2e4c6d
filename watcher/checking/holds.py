"""Stores which targets are in maintenance now: checks go on, but conclude differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from watcher.model.conclusion import Hold
    from watcher.model.state import Standing
    from watcher.model.target import Target


class Holds:
    """The maintenance of targets; changes as windows open and close.

    Attributes:
        by_name: the present maintenance of each target, by its name.
        end_of: returns when the maintenance of a target that began at a given moment ended.
    """

    def __init__(self) -> None:
        """Start without maintenance."""
        self.by_name: dict[str, Hold] = {}
        self.end_of: Callable[[Target, datetime], datetime | None] = lambda _target, _since: None

    def of(self, target: Target, standing: Standing) -> tuple[Hold | None, datetime | None]:
        """Return the maintenance of a target; if it has just left one, when that ended, if known."""
        hold = self.by_name.get(target.name)
        if hold is not None or standing.state is not State.MAINTENANCE or standing.since is None:
            return hold, None
        return None, self.end_of(target, standing.since)

"""Which targets are in maintenance at this moment: checks go on, and conclude otherwise."""

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
    """What checks are told of maintenance; it changes as windows open and close.

    Attributes:
        by_name: the maintenance that each target is in, by its name.
        end_of: asked, of a target and the moment since when it was in maintenance, for the moment when that ended.
    """

    def __init__(self) -> None:
        """Begin with no maintenance."""
        self.by_name: dict[str, Hold] = {}
        self.end_of: Callable[[Target, datetime], datetime | None] = lambda _target, _since: None

    def of(self, target: Target, standing: Standing) -> tuple[Hold | None, datetime | None]:
        """Return the maintenance that a target is in; and where it was in one before, when that ended, if known."""
        hold = self.by_name.get(target.name)
        if hold is not None or standing.state is not State.MAINTENANCE or standing.since is None:
            return hold, None
        return None, self.end_of(target, standing.since)

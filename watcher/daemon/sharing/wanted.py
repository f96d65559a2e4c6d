"""Decides how long a replica waits for a target that another replica may still have. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from watcher.model.target import Target

# After this many beats without any release, a target is taken by force: its owner is alive, and does not act.
FORCE_BEATS = 3
# A target that the file has not changed is left to replicas with another file for this many beats, since a new file
# reaches one replica after the other.
LEFT_BEATS = 45


class Wanted(NamedTuple):
    """A target that this replica is to watch, and that another replica may still have.

    Attributes:
        target: to watch.
        since: since when it is wanted, on the sharer's clock.
        is_new: whether it is not known to have been watched before.
        is_left: whether replicas with another file may check it for a while, in the same way.
    """

    target: Target
    since: float
    is_new: bool
    is_left: bool

    def is_late(self, now: float, moved_at: float, beat_seconds: float) -> bool:
        """Return whether the wait is over, so that the target is taken by force.

        Args:
            now: on the sharer's clock.
            moved_at: when any wanted target was claimed last.
            beat_seconds: the time between two beats.
        """
        if self.is_left:
            return self.since <= now - LEFT_BEATS * beat_seconds
        return max(self.since, moved_at) <= now - FORCE_BEATS * beat_seconds

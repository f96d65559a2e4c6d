"""A target that is to be watched here and may be another's still, and for how long it is waited for: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from watcher.model.target import Target

# After so many beats in which nothing is released, it is taken by force: whoever holds it is alive, and does not act.
FORCE_BEATS = 3
# What replicas with another file check is left to them for so long: a new file comes to one after the other. A target
# that the file has changed is not.
LEFT_BEATS = 45


class Wanted(NamedTuple):
    """A target that is to be watched here and may be another's still.

    Attributes:
        target: that.
        since: when it began to be wanted, on the sharer's clock.
        is_new: whether nobody is known to have watched it before.
        is_left: whether replicas with another file may check it for a while, in the same way.
    """

    target: Target
    since: float
    is_new: bool
    is_left: bool

    def is_late(self, now: float, moved_at: float, beat_seconds: float) -> bool:
        """Whether it is waited for no longer, and taken whoever has it.

        Args:
            now: on the sharer's clock.
            moved_at: when anything that is wanted could be taken last.
            beat_seconds: the time between two beats.
        """
        if self.is_left:
            return self.since <= now - LEFT_BEATS * beat_seconds
        return max(self.since, moved_at) <= now - FORCE_BEATS * beat_seconds

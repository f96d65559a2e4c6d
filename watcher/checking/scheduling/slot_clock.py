"""The clock of schedules; detects slots that happen again after the clock was set back."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Above the corrections that NTP slews in, far below a suspend or a step of the clock.
CLOCK_TOLERANCE_SECONDS = 0.5


class SlotClock:
    """Wall time counted on the monotonic clock, which follows jumps of the wall clock.

    The wall clock jumps ahead after a suspend, which the monotonic clock does not count, or a step forward; it jumps
    back when it is set back. Then some slots happen again: the ids of their checks get another `part`.

    Attributes:
        set_back_seconds: how far the clock has been set back since the start, in total.
    """

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float], lived_until: float = 0.0) -> None:
        """Start the clock.

        Args:
            wall: returns seconds since 1970.
            monotonic: returns seconds of a clock that is never set.
            lived_until: the last slot of earlier starts, in seconds since 1970.
        """
        self._wall = wall
        self._monotonic = monotonic
        self._anchor = wall() - monotonic()
        self._lived_until = lived_until
        self._part = _new_part()
        self.set_back_seconds = 0.0

    def wall(self) -> float:
        """Return seconds since 1970 of the wall clock, for timestamps."""
        return self._wall()

    def now(self) -> float:
        """Return seconds since 1970, for schedules."""
        monotonic = self._monotonic()
        anchor = self._wall() - monotonic
        step = anchor - self._anchor
        if step < -CLOCK_TOLERANCE_SECONDS:
            self._lived_until = max(self._lived_until, self._anchor + monotonic)
            self._part = _new_part()
            self.set_back_seconds -= step
        if abs(step) > CLOCK_TOLERANCE_SECONDS:
            self._anchor = anchor
        return self._anchor + monotonic

    def part_of(self, due: float) -> int:
        """Return the part of a check's id besides its slot.

        Args:
            due: the slot of the check, in seconds since 1970.

        Returns:
            0 for a slot that happens for the first time, for which all replicas have one id; otherwise a number that
            changes with each start, and with each step back.
        """
        return self._part if due <= self._lived_until else 0


def _new_part() -> int:
    return secrets.randbits(62) | 1

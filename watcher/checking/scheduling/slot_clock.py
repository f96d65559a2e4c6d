"""The time that schedules run on, and the slots that it brings more than once."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Above what NTP slews away unnoticed, far below what a suspend or a stepped clock takes.
CLOCK_TOLERANCE_SECONDS = 0.5


class SlotClock:
    """Wall time that counts on the monotonic clock, and follows when the wall clock is somewhere else.

    That is ahead after a suspend, which the monotonic clock sleeps through, or a step forward; and behind when it was
    set back. Slots that have been lived come once more then: the ids of their checks take in another `part`.

    Attributes:
        set_back_seconds: how far the clock has been set back since the start, all steps together.
    """

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float], lived_until: float = 0.0) -> None:
        """Start the clock.

        Args:
            wall: returns seconds since 1970.
            monotonic: returns seconds of a clock that nobody sets.
            lived_until: the last slot of earlier starts, in seconds since 1970.
        """
        self._wall = wall
        self._monotonic = monotonic
        self._anchor = wall() - monotonic()
        self._lived_until = lived_until
        self._part = _new_part()
        self.set_back_seconds = 0.0

    def wall(self) -> float:
        """Return seconds since 1970 as the wall clock has them, for timestamps."""
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
        """Return what the id of a check takes in besides its slot.

        Args:
            due: the slot in which the check begins, in seconds since 1970.

        Returns:
            0 for a slot that is lived for the first time, for which replicas have one id; else a number that is
            another after each start, and after each step back.
        """
        return self._part if due <= self._lived_until else 0


def _new_part() -> int:
    return secrets.randbits(62) | 1

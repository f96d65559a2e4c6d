"""Whether the wall clock may be believed when it says that something is so old that it can go."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# What NTP, a summer time set by hand or a short stop explain is less. What a leap would drop can wait for a day, in
# which somebody may notice, or the clock be put right.
LEAP_SECONDS = 3600.0
DOUBT_SECONDS = 86_400.0


def steady_seconds() -> float:
    """Return seconds of a clock that nobody sets, and that goes on in a suspend where the system has such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ClockTrust:
    """Doubts the wall clock for a day after it leaps, and from the start until it is known what time it was before.

    Attributes:
        doubted_until: seconds since 1970 on the wall clock; until then nothing is dropped for its age.
    """

    def __init__(
        self, tell: Callable[[float], None] = lambda _seconds: None, steady: Callable[[], float] = steady_seconds
    ) -> None:
        """Begin in doubt.

        Args:
            tell: called with how many seconds the clock has leapt, once a leap.
            steady: returns seconds of a clock that nobody sets.
        """
        self.doubted_until = math.inf
        self._tell = tell
        self._steady = steady
        self._offset: float | None = None

    def begin(self, now: float, alive_at: object, doubted_until: object) -> None:
        """Take up what was noted before; a stop of more than an hour cannot be told from a leap.

        Args:
            now: seconds since 1970.
            alive_at: when the daemon was last known to run; whatever is no number is nothing that is known.
            doubted_until: as it was then.
        """
        self._offset = now - self._steady()
        if not isinstance(alive_at, float | int):
            self.doubted_until = now + DOUBT_SECONDS
        elif abs(now - alive_at) > LEAP_SECONDS:
            self._doubt(now, now - alive_at)
        else:
            former = doubted_until if isinstance(doubted_until, float | int) else now
            self.doubted_until = min(former, now + DOUBT_SECONDS)

    def trusts(self, now: float) -> bool:
        """Look at the clock, and tell whether it may be believed.

        Args:
            now: seconds since 1970 as the wall clock has them at this moment.
        """
        offset = now - self._steady()
        if self._offset is not None and abs(offset - self._offset) > LEAP_SECONDS:
            self._doubt(now, offset - self._offset)
        if self._offset is not None:
            self._offset = offset  # a clock that is slewed may go anywhere, in its time
        return now >= self.doubted_until

    def _doubt(self, now: float, leap_seconds: float) -> None:
        self.doubted_until = now + DOUBT_SECONDS
        self._tell(leap_seconds)

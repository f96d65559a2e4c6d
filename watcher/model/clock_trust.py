"""The daemon's wall clock, and whether it can be trusted with the deletion of old data."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

# NTP, a summer time set by hand, or a short stop shift the clock by less. After a larger leap, deletion waits for a
# day, in which an operator may notice, or the clock be put right.
LEAP_SECONDS = 3600.0
DOUBT_SECONDS = 86_400.0
# NTP keeps a clock within the first bound. A wrong clock is right again below the second: with one bound for both, a
# clock near it would be followed and left by turns.
WRONG_SECONDS = 2.0
RIGHT_SECONDS = 1.0
# A task skips a multiple that is nearer than this.
LEAST_NAP_SECONDS = 0.05


def steady_seconds() -> float:
    """Return seconds of a clock that is never set, and that counts a suspend where the system has such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def next_beat(now: float, seconds: float) -> float:
    """Return when a periodic task wakes next: at a multiple of its period, so that periodic tasks wake together.

    Args:
        now: seconds of a steady clock.
        seconds: the period, which is the longest that the task sleeps.
    """
    latest = now + seconds
    beat = latest // seconds * seconds if seconds > 0 else latest
    return beat if beat > now + LEAST_NAP_SECONDS else latest


class _Offsets(NamedTuple):
    """The bounds of the lead of a reference clock over the steady clock, in seconds."""

    least: float
    most: float

    @property
    def middle(self) -> float:
        return (self.least + self.most) / 2

    def narrowed_by(self, newer: _Offsets) -> _Offsets:
        """Return the overlap of both; the newer if there is none, since one of the clocks was set."""
        both = _Offsets(max(self.least, newer.least), min(self.most, newer.most))
        return both if both.least <= both.most else newer


class WallClock:
    """Follows the clock of this machine, or a reference clock while the machine's is far off.

    Between two looks at the reference, and while it does not answer, time is counted by the steady clock. So setting
    the machine's clock, rightly or wrongly, does not change moments recorded here.
    """

    def __init__(self, machine: Callable[[], float] = time.time, steady: Callable[[], float] = steady_seconds) -> None:
        """Follow the clock of the machine.

        Args:
            machine: returns seconds since 1970.
            steady: returns seconds of a clock that is never set.
        """
        self._machine = machine
        self._steady = steady
        self._offsets: _Offsets | None = None
        self._is_wrong = False

    def now(self) -> float:
        """Return seconds since 1970."""
        seconds, offsets = self._machine(), self._offsets
        if offsets is None:
            return seconds
        reference = offsets.middle + self._steady()
        return reference if self._is_wrong or _is_far(seconds - reference, offsets) else seconds

    @property
    def ahead_seconds(self) -> float | None:
        """The lead of this machine's clock over the reference; None while the machine's clock is followed."""
        if self._offsets is None or not self._is_wrong:
            return None
        return self._machine() - self._steady() - self._offsets.middle

    def refer(self, asked_at: float, answered_at: float, seconds: float) -> None:
        """Apply the time of the reference.

        Args:
            asked_at: when it was queried, on the steady clock.
            answered_at: when its answer came, on the steady clock.
            seconds: its answer, since 1970.
        """
        found = _Offsets(seconds - answered_at, seconds - asked_at)
        offsets = found if self._offsets is None else self._offsets.narrowed_by(found)
        ahead = self._machine() - self._steady() - offsets.middle
        # The offsets are set last, since other threads read both meanwhile.
        self._is_wrong = abs(ahead) > RIGHT_SECONDS if self._is_wrong else _is_far(ahead, offsets)
        self._offsets = offsets


def _is_far(seconds: float, offsets: _Offsets) -> bool:
    return abs(seconds) > WRONG_SECONDS + (offsets.most - offsets.least) / 2


# One for the whole process.
WALL_CLOCK = WallClock()
wall_seconds = WALL_CLOCK.now


def utc_now() -> datetime:
    """Return the present time in UTC, by the wall clock of this process."""
    return datetime.fromtimestamp(WALL_CLOCK.now(), UTC)


class ClockTrust:
    """Distrusts the wall clock for a day after a leap, and from the start until the time of the last run is known.

    Attributes:
        doubted_until: seconds since 1970 on the wall clock; until then nothing is deleted for its age.
    """

    def __init__(
        self, tell: Callable[[float], None] = lambda _seconds: None, steady: Callable[[], float] = steady_seconds
    ) -> None:
        """Start in doubt.

        Args:
            tell: called once a leap, with its size in seconds.
            steady: returns seconds of a clock that is never set.
        """
        self.doubted_until = math.inf
        self._tell = tell
        self._steady = steady
        self._offset: float | None = None

    def begin(self, now: float, alive_at: object, doubted_until: object) -> None:
        """Continue from the values stored by the last run; a stop of more than an hour looks like a leap.

        Args:
            now: seconds since 1970.
            alive_at: when the daemon was last known to run; a value that is not a number is ignored.
            doubted_until: its stored value.
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
        """Look at the clock; return whether it can be trusted.

        Args:
            now: seconds since 1970, on the wall clock at this moment.
        """
        offset = now - self._steady()
        if self._offset is not None and abs(offset - self._offset) > LEAP_SECONDS:
            self._doubt(now, offset - self._offset)
        if self._offset is not None:
            self._offset = offset  # a slewed clock may move any distance, slowly
        return now >= self.doubted_until

    def _doubt(self, now: float, leap_seconds: float) -> None:
        self.doubted_until = now + DOUBT_SECONDS
        self._tell(leap_seconds)

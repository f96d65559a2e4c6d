"""Computes when checks are due: a pure function of the target's name, its interval and the time."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import NamedTuple

# A user sees results within seconds; the first checks of very many targets start at a rate that one core can handle.
MIN_START_SPREAD_SECONDS = 2.0
MAX_STARTS_PER_SECOND = 500

# Moments this close are the same: the difference is the last digits of a float, of 0.24 µs each.
SAME_MOMENT_SECONDS = 0.001


class Slot(NamedTuple):
    """A moment at which a check is due.

    Attributes:
        due: in seconds since 1970.
        skipped: regular slots that were missed before it.
        regular: for a recheck, the regular slot or first check before it, in seconds since 1970; None if the slot is
            one itself.
    """

    due: float
    skipped: int = 0
    regular: float | None = None

    @property
    def anchor(self) -> float:
        """The moment from which the next regular slot is counted, in seconds since 1970."""
        return self.due if self.regular is None else self.regular


@dataclass(frozen=True, slots=True)
class Schedule:
    """The slots of one target: slot k is at `offset + k * interval` on the wall clock.

    The offset is a stable hash of the name. That spreads the load, and gives a target the same slots after a restart
    and on every replica. The idea is Prometheus' scrape offset.
    """

    interval_seconds: float
    offset_seconds: float

    @classmethod
    def of(cls, name: str, interval_seconds: float) -> Schedule:
        """Return the schedule of a target with this name and interval."""
        return cls(interval_seconds, fraction_of(name) * interval_seconds)

    def first(self, now: float, spread_seconds: float = MIN_START_SPREAD_SECONDS) -> Slot:
        """Return the first check: soon, but spread over some seconds, or in the first slot if that is as soon.

        Args:
            now: the time.
            spread_seconds: see `start_spread_seconds`.
        """
        if spread_seconds >= self.interval_seconds:
            # The slots are spread already; extra checks would double the load for a while.
            return Slot(self._due(self._index_after(now)))
        return Slot(now + self.offset_seconds / self.interval_seconds * spread_seconds)

    def resumed(self, last_due: float, now: float, recheck_seconds: float | None = None) -> Slot:
        """Return the slot in which another replica continues with a target: the one after the last that was checked.

        The newest slot that has passed since then is checked at once, late; earlier ones are skipped and counted.

        Args:
            last_due: the slot checked last, regular or not, in seconds since 1970.
            now: the time.
            recheck_seconds: see `next`.
        """
        expected = self._index_after(last_due + SAME_MOMENT_SECONDS)
        passed = self._index_after(now) - 1
        if passed >= expected and last_due <= now:
            return Slot(self._due(passed), passed - expected)
        due = self._due(expected) if last_due <= now else self._due(passed + 1)
        if recheck_seconds is not None:
            recheck = _recheck_due(min(last_due, now), now, recheck_seconds)
            if recheck < due - SAME_MOMENT_SECONDS:
                return Slot(recheck, regular=due - self.interval_seconds)
        return Slot(due)

    def next(self, last: Slot, now: float, recheck_seconds: float | None = None) -> Slot:
        """Return the slot to wait for.

        Args:
            last: the slot checked last.
            now: the time; slots before it are skipped and counted, never caught up in a burst.
            recheck_seconds: the time between two checks until further notice, above zero; regular slots stay where
                they are, and replace a recheck that is not sooner. None for regular slots only.
        """
        if last.due > now:  # the clock was set back: continue with its next slot
            last = Slot(now - self.interval_seconds / 2)
        # Half an interval, since the first check is not in a slot and may be just before one.
        expected = self._index_after(last.anchor + self.interval_seconds / 2)
        upcoming = max(expected, self._index_after(now))
        passed = upcoming - expected
        # The slot that passed during a recheck was not missed: the target was being checked.
        skipped = passed if last.regular is None else max(passed - 1, 0)
        due = self._due(upcoming)
        if recheck_seconds is not None:
            recheck = _recheck_due(last.due, now, recheck_seconds)
            if recheck < due - SAME_MOMENT_SECONDS:
                # Missed slots are counted here, so counting goes on from the coming slot.
                return Slot(recheck, skipped, regular=self._due(upcoming - 1) if passed else last.anchor)
        return Slot(due, skipped)

    def sooner(self, slot: Slot, now: float) -> Slot:
        """Return a slot at `now` for a check that does not wait for its own slot, which stays where it is."""
        if slot.due <= now:
            return slot
        return Slot(now, slot.skipped, slot.due - self.interval_seconds if slot.regular is None else slot.regular)

    def _index_after(self, time: float) -> int:
        return math.floor((time - self.offset_seconds) / self.interval_seconds) + 1

    def _due(self, index: int) -> float:
        return self.offset_seconds + index * self.interval_seconds


def _recheck_due(last_due: float, now: float, recheck_seconds: float) -> float:
    """Return the first moment from now on, and after the last check, that is a multiple of rechecks after it."""
    steps = max(math.ceil((now - last_due) / recheck_seconds), 1)
    return last_due + steps * recheck_seconds


def still_due(slot: Slot, now: float) -> Slot:
    """Return a due slot unchanged, or one at `now` if the clock was set back since."""
    return slot if slot.due <= now else Slot(now, slot.skipped)


def start_spread_seconds(targets: int) -> float:
    """Return the time over which the first checks of this many targets start."""
    return max(MIN_START_SPREAD_SECONDS, targets / MAX_STARTS_PER_SECOND)


def fraction_of(name: str) -> float:
    """Hash a name to a number in [0, 1), the same in every process."""
    digest = hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64

"""Computes the timeline and uptime of a window from flips: by time, not by counts of checks. Pure, without a clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from watcher.model.outcome import Fault
    from watcher.model.state import Flip

# Time in all other states is neither up nor down: it is left out of the ratio, and shown.
GOOD = frozenset({State.UP, State.DEGRADED})
KNOWN = GOOD | {State.DOWN}

_MICROSECOND = timedelta(microseconds=1)
_NO_TIME = timedelta()
_NO_LENGTHS = dict.fromkeys(State, _NO_TIME)


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time in one state.

    Attributes:
        begin, end: from `begin` up to, but not including, `end`.
        state: of the target.
        began_at: when the state started, which is before `begin` if the window cuts it off.
        cause: of the flip to this state.
    """

    begin: datetime
    end: datetime
    state: State
    began_at: datetime
    cause: Fault | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The states of a target over a whole window: intervals without gaps, no two neighbours of the same state."""

    since: datetime
    until: datetime
    intervals: tuple[Interval, ...]

    @classmethod
    def of(
        cls, flips: Iterable[Flip], *, since: datetime, until: datetime, alive_at: datetime | None = None
    ) -> Timeline:
        """Make a timeline from the flips of one target at one location.

        Args:
            flips: those within the window and the last one before it, in any order; later ones are ignored.
            since, until: the window, from `since` up to, but not including, `until`.
            alive_at: until when the location is known to have watched, None if it never did; the time after it is
                unknown.
        """
        known_until = since if alive_at is None else min(max(alive_at, since), until)
        intervals: list[Interval] = []
        for interval in _stretches(flips, since, known_until, until):
            last = intervals[-1] if intervals else None
            if last is not None and last.state is interval.state:
                intervals[-1] = replace(last, end=interval.end)
            else:
                intervals.append(interval)
        return cls(since, until, tuple(intervals))


@dataclass(frozen=True, slots=True)
class Uptime:
    """The time of a target in each state."""

    lengths: Mapping[State, timedelta]

    @classmethod
    def of(cls, timeline: Timeline) -> Uptime:
        """Add up the intervals; every state has a length."""
        lengths = _NO_LENGTHS.copy()  # a loop over all states would take most of the time
        for interval in timeline.intervals:
            lengths[interval.state] += interval.end - interval.begin
        return cls(lengths)

    @property
    def seconds(self) -> dict[State, float]:
        """The seconds in each state."""
        return {state: length.total_seconds() for state, length in self.lengths.items()}

    @property
    def known(self) -> timedelta:
        """The time for which it is known whether it was up or down."""
        return self._of(KNOWN)

    @property
    def known_seconds(self) -> float:
        """The seconds for which it is known whether it was up or down."""
        return self.known.total_seconds()

    @property
    def ratio(self) -> float | None:
        """The part of the known time in which it was up or degraded; None if nothing is known."""
        return self._of(GOOD) / self.known if self.known else None

    def percent(self, digits: int = 3) -> float | None:
        """Return the ratio as a percentage, rounded down, so that only a target that was never down has 100.

        Args:
            digits: the number of decimal places.
        """
        known = self.known
        if not known:
            return None
        # Integers, since floats are not exact enough to be rounded down.
        good = (known - self.lengths[State.DOWN]) // _MICROSECOND
        return float(good * 100 * 10**digits // (known // _MICROSECOND) / 10**digits)

    def _of(self, states: frozenset[State]) -> timedelta:
        return sum([self.lengths[state] for state in states], _NO_TIME)


def _stretches(flips: Iterable[Flip], since: datetime, known_until: datetime, until: datetime) -> Iterator[Interval]:
    # Of several at one moment, the last confirmed one counts.
    ordered = sorted(flips, key=lambda flip: (flip.at, flip.confirmed_at))
    first = min(ordered[0].at, known_until) if ordered else known_until
    if since < first:
        yield Interval(since, first, State.PENDING, since)
    for flip, end in zip(ordered, _ends(ordered, known_until), strict=True):
        begin = max(flip.at, since)
        if begin < end:
            yield Interval(begin, end, flip.state, flip.at, flip.cause)
    if known_until < until:
        yield Interval(known_until, until, State.UNKNOWN, known_until)


def _ends(ordered: Sequence[Flip], known_until: datetime) -> Iterator[datetime]:
    for following in ordered[1:]:
        yield min(following.at, known_until)
    if ordered:
        yield known_until

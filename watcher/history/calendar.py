"""Cuts a timeline into days, months or other parts. Pure, without a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from watcher.history.uptime import KNOWN, Interval, Timeline, Uptime
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.model.outcome import Fault

DAY = timedelta(days=1)

# A part is shown in the first of its states in this order, however short: a day with a minute down is not a good one.
_WORST_FIRST = (State.DOWN, State.DEGRADED, State.UP, State.MAINTENANCE, State.PAUSED, State.UNKNOWN, State.PENDING)


@dataclass(frozen=True, slots=True)
class Part:
    """The states of a target in one part of a timeline, such as a day.

    Attributes:
        start, end: from `start` up to, but not including, `end`.
        uptime: the time in each state.
        cause: of the longest time down; None without one, or if unknown.
    """

    start: datetime
    end: datetime
    uptime: Uptime
    cause: Fault | None = None

    @property
    def worst(self) -> State:
        """The state that the part is shown in; pending if the target was not watched."""
        lengths = self.uptime.lengths
        for state in _WORST_FIRST:  # a page of a hundred rows asks it nine thousand times
            if lengths[state]:
                return state
        return State.PENDING

    @property
    def is_known(self) -> bool:
        """Whether any of its states is known."""
        return any(self.uptime.lengths[state] for state in KNOWN)


def cut(timeline: Timeline, edges: Sequence[datetime]) -> list[Timeline]:
    """Cut a timeline into neighbouring parts.

    Args:
        timeline: of a target.
        edges: the starts of the parts and the end of the last one, in order; within the timeline.
    """
    parts = []
    first = 0
    for since, until in pairwise(edges):
        while first < len(timeline.intervals) and timeline.intervals[first].end <= since:
            first += 1
        intervals: list[Interval] = []
        for interval in timeline.intervals[first:]:
            if interval.begin >= until:
                break
            begin, end = max(interval.begin, since), min(interval.end, until)
            intervals.append(Interval(begin, end, interval.state, interval.began_at, interval.cause))
        parts.append(Timeline(since, until, tuple(intervals)))
    return parts


def parts(timeline: Timeline, edges: Sequence[datetime]) -> tuple[Part, ...]:
    """Return the part between each two edges; see `cut`."""
    return tuple(Part(part.since, part.until, Uptime.of(part), _cause(part)) for part in cut(timeline, edges))


def day_edges(now: datetime, days: int) -> list[datetime]:
    """Return the starts of the last days in UTC, including today, and now.

    Args:
        now: with a time zone, UTC.
        days: the number of parts between the edges.
    """
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [today - number * DAY for number in range(days - 1, -1, -1)]
    return [*starts, max(now, today + timedelta(microseconds=1))]


def month_edges(now: datetime, months: int) -> list[datetime]:
    """Return the starts of the last months in UTC, including this one, and now."""
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    edges = [max(now, start + timedelta(microseconds=1))]
    for _ in range(months):
        edges.append(start)
        start = (start - DAY).replace(day=1)
    return edges[::-1]


def _cause(part: Timeline) -> Fault | None:
    outages = [interval for interval in part.intervals if interval.state is State.DOWN and interval.cause is not None]
    return max(outages, key=lambda interval: interval.end - interval.begin).cause if outages else None

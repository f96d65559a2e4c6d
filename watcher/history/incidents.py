"""Incidents, and the flapping that would be many of them: read off a timeline; pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watcher.history.uptime import GOOD
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.history.uptime import Interval, Timeline
    from watcher.model.outcome import Fault

# A target flaps where it goes down or comes up more often than this within this time: more than three outages an hour
# are one trouble, not many.
FLAPPING_FLIPS = 6
FLAPPING_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Incident:
    """From the flip to down until the flip to up or degraded.

    A gap (unknown, paused, maintenance) after which the target is down as before does not end it. One after which the
    target is up does, at the start of the gap, as far as anybody knows.

    Attributes:
        start: the flip to down, which may be before the window.
        end: None while it goes on at the end of the window.
        last_known_at: until when it is known to have gone on: its end, where it has one.
        down_seconds: how long the target is known to have been down; gaps are left out.
        cause: why the flip to down came.
        end_is_exact: False where the end lies somewhere in a gap, of which `end` is the begin.
    """

    start: datetime
    end: datetime | None
    last_known_at: datetime
    down_seconds: float
    cause: Fault | None
    end_is_exact: bool = True

    @property
    def length_seconds(self) -> float:
        """From start to end, gaps included; of one that goes on, so far as is known."""
        return (self.last_known_at - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class Flapping:
    """A time in which a target went down and up too often to tell each.

    Attributes:
        start, end: its first and last flip.
        flips: how often it went down or came up.
        incidents: those that lie within.
    """

    start: datetime
    end: datetime
    flips: int
    incidents: tuple[Incident, ...] = ()

    @property
    def length_seconds(self) -> float:
        """From its first flip to its last."""
        return (self.end - self.start).total_seconds()

    @property
    def down_seconds(self) -> float:
        """How long the target is known to have been down meanwhile."""
        return sum(incident.down_seconds for incident in self.incidents)


@dataclass(slots=True)
class _Open:
    """An incident of which the end has not come yet."""

    start: datetime
    cause: Fault | None
    last_known_at: datetime
    down: timedelta = timedelta()
    was_paused: bool = False  # in the gap after last_known_at, if there is one

    def went_on(self, interval: Interval) -> None:
        self.down += interval.end - interval.began_at
        self.last_known_at, self.was_paused = interval.end, False

    def ended(self, *, exactly: bool) -> Incident:
        return Incident(
            self.start, self.last_known_at, self.last_known_at, self.down.total_seconds(), self.cause, exactly
        )

    def unended(self) -> Incident:
        return Incident(self.start, None, self.last_known_at, self.down.total_seconds(), self.cause)


def incidents(timeline: Timeline) -> list[Incident]:
    """Return all incidents of a window, oldest first.

    One that goes on at the end of the window has no end, even where the monitor was away in the end; but what was
    paused goes on no longer.
    """
    return list(_incidents(timeline.intervals))


def flapping(timeline: Timeline, *, flips: int = FLAPPING_FLIPS, window: timedelta = FLAPPING_WINDOW) -> list[Flapping]:
    """Return the times in which a target flapped, oldest first; their incidents are left to others.

    Args:
        timeline: of the target.
        flips: more than so many flips to down, or from down to up or degraded, are too many.
        window: within this time.
    """
    moments = list(_moments(timeline.intervals))
    found: list[list[datetime]] = []
    last = -1  # the index of the last moment that belongs to a time of flapping
    for first in range(len(moments) - flips):
        end = first + flips
        if moments[end] - moments[first] > window:
            continue
        if first > last:
            found.append([])
        found[-1] += moments[max(first, last + 1) : end + 1]
        last = end
    return [Flapping(run[0], run[-1], len(run)) for run in found]


def entries(timeline: Timeline) -> list[Incident | Flapping]:
    """Return what a report tells, oldest first: times of flapping, and the incidents that lie within none of them."""
    runs = flapping(timeline)
    starts = [run.start for run in runs]
    within: list[list[Incident]] = [[] for _ in runs]
    alone: list[Incident] = []
    for incident in incidents(timeline):
        index = bisect_right(starts, incident.start) - 1
        lies_within = index >= 0 and incident.end is not None and incident.end <= runs[index].end
        (within[index] if lies_within else alone).append(incident)
    told = [Flapping(run.start, run.end, run.flips, tuple(inside)) for run, inside in zip(runs, within, strict=True)]
    return sorted([*alone, *told], key=lambda entry: entry.start)


def _incidents(intervals: Sequence[Interval]) -> Iterator[Incident]:
    current: _Open | None = None
    for interval in intervals:
        if interval.state is State.DOWN:
            current = current or _Open(interval.began_at, interval.cause, interval.began_at)
            current.went_on(interval)
        elif current is None:
            continue
        elif interval.state in GOOD:
            yield current.ended(exactly=interval.begin == current.last_known_at)
            current = None
        elif interval.state is State.PAUSED:
            current.was_paused = True
    if current is not None:
        yield current.ended(exactly=False) if current.was_paused else current.unended()


def _moments(intervals: Sequence[Interval]) -> Iterator[datetime]:
    """Yield when a target went down or came up; a gap between is no change by itself."""
    was_down: bool | None = None
    for interval in intervals:
        if interval.state is not State.DOWN and interval.state not in GOOD:
            continue
        is_down = interval.state is State.DOWN
        if was_down is not None and is_down is not was_down:
            yield interval.begin
        was_down = is_down

"""Finds incidents in a timeline, and times of flapping that would be many incidents. Pure."""

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

# A target flaps if it goes down or comes up more often than this within this time: more than three outages an hour are
# one trouble, not many.
FLAPPING_FLIPS = 6
FLAPPING_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Incident:
    """The time from a flip to down until the flip to up or degraded.

    A gap (unknown, paused, maintenance) does not end it if the target is still down after it. If the target is up after
    the gap, the incident ends at the start of the gap, the last moment known.

    Attributes:
        start: the flip to down, which may be before the window.
        end: None if it lasts beyond the window.
        last_known_at: the last moment when it is known to have lasted; the end, if it has one.
        down_seconds: the time known to be down; gaps are left out.
        cause: of the flip to down.
        end_is_exact: False if the real end lies in a gap; `end` is the start of that gap.
    """

    start: datetime
    end: datetime | None
    last_known_at: datetime
    down_seconds: float
    cause: Fault | None
    end_is_exact: bool = True

    @property
    def length_seconds(self) -> float:
        """From start to end, including gaps; without an end, up to the last known moment."""
        return (self.last_known_at - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class Flapping:
    """A time with too many flips down and up to list each.

    Attributes:
        start, end: its first and last flip.
        flips: the number of flips down and up.
        incidents: those within it.
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
        """The time known to be down within it."""
        return sum(incident.down_seconds for incident in self.incidents)


@dataclass(slots=True)
class _Open:
    """An incident whose end has not come yet."""

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
    """Return all incidents in a window, oldest first.

    An incident that lasts beyond the window has no end, even if the monitor was away at that time. A pause ends an
    incident.
    """
    return list(_incidents(timeline.intervals))


def flapping(timeline: Timeline, *, flips: int = FLAPPING_FLIPS, window: timedelta = FLAPPING_WINDOW) -> list[Flapping]:
    """Return the times in which a target flapped, oldest first, without their incidents.

    Args:
        timeline: of the target.
        flips: a larger number of flips down and up is flapping.
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
    """Return the entries of a report, oldest first: times of flapping, and the incidents outside of them."""
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
    """Yield when a target went down or came up; a gap in between is not a change."""
    was_down: bool | None = None
    for interval in intervals:
        if interval.state is not State.DOWN and interval.state not in GOOD:
            continue
        is_down = interval.state is State.DOWN
        if was_down is not None and is_down is not was_down:
            yield interval.begin
        was_down = is_down

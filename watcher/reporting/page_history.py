"""Reads the past that the page shows: uptime, days, response times, incidents. The number of queries is constant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

from watcher.history.calendar import DAY, Part, cut, day_edges, month_edges, parts
from watcher.history.incidents import Flapping, Incident, entries, incidents
from watcher.history.uptime import Timeline, Uptime
from watcher.model.places import COMBINED
from watcher.model.state import State
from watcher.postgres.queries.rollups import means_by_bucket, rollups_between, rollups_by_part
from watcher.postgres.queries.states_and_flips import alive_at_by_location, flips_between

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from watcher.history.rollup import Rollup
    from watcher.postgres.db import Database

_NOT_COUNTED = frozenset({State.UNKNOWN, State.MAINTENANCE, State.PAUSED})
BAR_DAYS = 90
SPARK_PARTS = 24
MONTHS = 12
SHOWN_FAILURES = 50
WINDOWS = {"24 h": DAY, "7 d": 7 * DAY, "30 d": 30 * DAY, "90 d": 90 * DAY}
YEAR = 365 * DAY


class Range(NamedTuple):
    """The length of a chart and of its parts; a part holds whole minutes, hours or days."""

    length: timedelta
    parts: int


RANGES = {
    "1h": Range(timedelta(hours=1), 60),
    "24h": Range(DAY, 96),
    "7d": Range(7 * DAY, 84),
    "30d": Range(30 * DAY, 120),
    "1y": Range(YEAR, 73),
}


@dataclass(frozen=True, slots=True)
class RowHistory:
    """The past of a target in one row.

    Attributes:
        day, quarter: the uptime of the last 24 hours and of 90 days.
        days: the last 90 days in UTC, including today, oldest first.
        means_ms: the mean duration in equal parts of the last 24 hours; None in those without checks.
        down_since: see `down_since`.
    """

    day: Uptime
    quarter: Uptime
    days: tuple[Part, ...]
    means_ms: Sequence[float | None]
    down_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class TargetHistory:
    """The past of one target.

    Attributes:
        windows: the uptime of each of WINDOWS.
        days, months: the last 90 days and 12 months in UTC, oldest first.
        entries: incidents and times of flapping of a year, oldest first.
        since, until: the range of the chart.
        chart: the rollups of equal parts of the range; None in those without checks.
        rollup: of all checks in the range.
        outages: when the target was down within the range.
        gaps: the times in the range that do not count, such as those without a watching daemon, and their state.
        failures: the newest rows of `failures`, newest first.
    """

    windows: dict[str, Uptime]
    days: tuple[Part, ...]
    months: tuple[Part, ...]
    entries: Sequence[Incident | Flapping]
    since: datetime
    until: datetime
    chart: Sequence[Rollup | None]
    rollup: Rollup | None
    outages: Sequence[tuple[datetime, datetime]]
    gaps: Sequence[tuple[datetime, datetime, State]]
    failures: Sequence[dict[str, Any]]


def down_since(told: Sequence[Incident | Flapping]) -> datetime | None:
    """Return when the open incident started, across restarts of the monitor; None without one.

    Args:
        told: the entries of one target, oldest first.
    """
    newest = told[-1] if told else None
    return newest.start if isinstance(newest, Incident) and newest.end is None else None


async def read_row_histories(
    database: Database, targets: Sequence[str], location: str, now: datetime, combined: Collection[str] = ()
) -> dict[str, RowHistory]:
    """Read the past of the targets of one page.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        targets: their names.
        location: of the checks.
        now: in UTC.
        combined: those of the targets with a combined state of several places.
    """
    days = day_edges(now, BAR_DAYS)
    since = min(now - BAR_DAYS * DAY, days[0])
    alive_at = await alive_at_by_location(database)
    flips = await flips_between(database, since, now, targets)
    means_ms = await means_by_bucket(database, now - DAY, now, SPARK_PARTS, targets)
    histories = {}
    for target in targets:
        await trio.lowlevel.checkpoint()  # the days of a target take a millisecond
        told_at = COMBINED if target in combined else location
        of_one = flips.get((target, told_at), ())
        timeline = Timeline.of(of_one, since=since, until=now, alive_at=alive_at.get(told_at))
        histories[target] = RowHistory(
            _uptime(timeline, DAY),
            _uptime(timeline, BAR_DAYS * DAY),
            parts(timeline, days),
            means_ms.get((target, location), ()),
            down_since(entries(timeline)),
        )
    return histories


async def read_target_history(
    database: Database, target: str, location: str, now: datetime, chart_range: Range, *, flips_at: str | None = None
) -> TargetHistory:
    """Read the past of one target.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        target: its name.
        location: of the checks.
        now: in UTC.
        chart_range: one of RANGES.
        flips_at: the location of the flips, `location` by default. With `*`, the failures of all places are read.
    """
    since, names = now - chart_range.length, [target]
    earliest = min(now - YEAR, month_edges(now, MONTHS)[0])
    told_at = flips_at or location
    alive_at = (await alive_at_by_location(database)).get(told_at)
    flips = await flips_between(database, earliest, now, names)
    rollups = await rollups_between(database, since, now, names)
    chart = await rollups_by_part(database, since, now, chart_range.parts, target, location)
    failed_at = None if told_at == COMBINED else location
    failures = await database.failures(limit=SHOWN_FAILURES, target=target, location=failed_at)
    timeline = Timeline.of(flips.get((target, told_at), ()), since=earliest, until=now, alive_at=alive_at)
    shown = cut(timeline, [since, now])[0]
    return TargetHistory(
        windows={name: _uptime(timeline, window) for name, window in WINDOWS.items()},
        days=parts(timeline, day_edges(now, BAR_DAYS)),
        months=parts(timeline, month_edges(now, MONTHS)),
        entries=entries(timeline),
        since=since,
        until=now,
        chart=chart,
        rollup=rollups.get((target, location)),
        outages=[(one.start, one.end or now) for one in incidents(shown)],
        gaps=[(one.begin, one.end, one.state) for one in shown.intervals if one.state in _NOT_COUNTED],
        failures=failures,
    )


async def read_entries(
    database: Database,
    targets: Sequence[str],
    location: str,
    since: datetime,
    now: datetime,
    combined: Collection[str] = (),
) -> list[tuple[str, Incident | Flapping]]:
    """Read the incidents and times of flapping of many targets, with their targets, newest first.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        targets: their names.
        location: of the checks.
        since, now: the window, in UTC.
        combined: see `read_row_histories`.
    """
    alive_at = await alive_at_by_location(database)
    flips = await flips_between(database, since, now, targets)
    found = []
    for (target, place), of_one in flips.items():
        if place == (COMBINED if target in combined else location):
            await trio.lowlevel.checkpoint()
            timeline = Timeline.of(of_one, since=since, until=now, alive_at=alive_at.get(place))
            found += [(target, entry) for entry in entries(timeline)]
    return sorted(found, key=lambda pair: pair[1].start, reverse=True)


def _uptime(timeline: Timeline, length: timedelta) -> Uptime:
    """Return the uptime of the last part of a timeline."""
    return Uptime.of(cut(timeline, [timeline.until - length, timeline.until])[0])

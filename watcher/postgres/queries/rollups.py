"""Reads rollups for any window of time; the server adds them up, so that little is sent over the network."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from watcher.history.rollup import Rollup, TargetPlace
from watcher.model.outcome import EPOCH
from watcher.postgres.bridge import transaction
from watcher.postgres.tables.partitions import HOURS, MINUTES, partition_of
from watcher.postgres.tables.rollup_pieces import DAY, HOUR, MINUTE, Piece, pieces_of, split_units
from watcher.postgres.tables.rollups import COLUMNS, merging

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database

READ_SECONDS = 30.0
# A sparkline of a longer window is made of hours.
LONGEST_IN_MINUTES = timedelta(days=1)
SHORTEST_PART_IN_DAYS = timedelta(days=4)
_SECOND = timedelta(seconds=1)

_MARKED = """
SELECT period_seconds, began_at
FROM rollup_work
WHERE began_at < $2 AND began_at + period_seconds * interval '1 second' > $1
"""

# How many checks of a rollup were timed: see FAULTS_OF_THE_MONITOR. Most rollups only have checks that were up.
_TIMED = """
CASE WHEN results - 'up' = '{}' THEN (results ->> 'up')::bigint
     ELSE (SELECT sum(number::bigint) FROM jsonb_each_text(results) AS result (word, number)
           WHERE word NOT IN ('local', 'internal'))
END
"""

# If a partition was dropped, only rows that came too late can still be in the default one.
_GONE = """
SELECT period, begins_at
FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[], $4::text[]) AS unit (period, begins_at, ends_at, partition)
WHERE to_regclass(format('%I', partition)) IS NULL
      AND CASE period
          WHEN 3600 THEN NOT EXISTS (
              SELECT FROM rollups_minutes_default WHERE began_at >= begins_at AND began_at < ends_at
          )
          ELSE NOT EXISTS (SELECT FROM rollups_hours_default WHERE began_at >= begins_at AND began_at < ends_at)
          END
"""


async def rollups_between(
    database: Database,
    since: datetime,
    until: datetime,
    targets: Sequence[str] | None = None,
    *,
    limit_seconds: float = READ_SECONDS,
) -> dict[TargetPlace, Rollup]:
    """Add up the rollups of a window.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        since, until: any times, with a time zone; rounded outward to whole minutes, or to whole hours where the
            minutes are no longer kept.
        targets: their names; all by default.
        limit_seconds: the longest that it may take, in seconds.

    Returns:
        the rollup of each (target, location) that was checked in that time.
    """

    async def read(connection: Connection) -> dict[TargetPlace, Rollup]:
        # One snapshot of the rollups and the marks, or a merge in between could hide rows.
        async with transaction(connection, limit_seconds=None, isolation="REPEATABLE READ", readonly=True):
            pieces = await pieces_between(connection, since, until, DAY)
            return await merged_rollups(connection, pieces, targets, limit_seconds=limit_seconds)

    return await database.operate(read, limit_seconds)


async def merged_rollups(
    connection: Connection, pieces: list[Piece], targets: Sequence[str] | None, *, limit_seconds: float
) -> dict[TargetPlace, Rollup]:
    """Add up the rollups of pieces, all on the server. This is an asyncio-flavoured function.

    Args:
        connection: in the transaction in which the pieces were found.
        pieces: of a window.
        targets: their names, None for all.
        limit_seconds: the longest that it may take, in seconds.
    """
    if not pieces:
        return {}
    query = f"WITH {merging(_source(pieces), 'target, location')} SELECT * FROM merged"  # noqa: S608
    rows = await connection.fetch(query, targets, *bounds_of(pieces), timeout=limit_seconds)
    return {(row["target"], row["location"]): _rollup(row) for row in rows}


async def means_by_bucket(
    database: Database,
    since: datetime,
    until: datetime,
    buckets: int,
    targets: Sequence[str] | None = None,
    *,
    limit_seconds: float = READ_SECONDS,
) -> dict[TargetPlace, list[float | None]]:
    """Return the mean duration of checks in each part of a window, for a sparkline.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        since, until: any times, with a time zone.
        buckets: the number of equal parts of the window. It is read from rollups of minutes, of hours if it is longer
            than a day, or of days if a part has several; a rollup belongs to the part in which it starts.
        targets: their names; all by default.
        limit_seconds: the longest that it may take, in seconds.

    Returns:
        for each (target, location) the mean of whole checks in each part, in milliseconds, None without checks.
    """

    async def read(connection: Connection) -> list[Any]:
        async with transaction(connection, limit_seconds=None, isolation="REPEATABLE READ", readonly=True):
            pieces = await pieces_between(connection, since, until, _coarsest(until - since, buckets))
            if not pieces:
                return []
            query = _means_query(_source(pieces), first=2 + 2 * len(pieces))
            width_seconds = (until - since) / _SECOND / buckets
            arguments = (targets, *bounds_of(pieces), since, width_seconds, buckets)
            return await connection.fetch(query, *arguments, timeout=limit_seconds)

    means: defaultdict[TargetPlace, list[float | None]] = defaultdict(lambda: [None] * buckets)
    for row in await database.operate(read, limit_seconds):
        means[row["target"], row["location"]][row["place"]] = row["mean_ms"]
    return dict(means)


async def rollups_by_part(
    database: Database,
    since: datetime,
    until: datetime,
    parts: int,
    target: str,
    location: str,
    *,
    limit_seconds: float = READ_SECONDS,
) -> list[Rollup | None]:
    """Return the rollup of one target's checks in each part of a window, for a chart.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        since, until: any times, with a time zone.
        parts: the number of equal parts of the window; a rollup belongs to the part in which it starts.
        target, location: of the checks.
        limit_seconds: the longest that it may take, in seconds.

    Returns:
        the rollup of each part, None without checks.
    """

    async def read(connection: Connection) -> list[Any]:
        async with transaction(connection, limit_seconds=None, isolation="REPEATABLE READ", readonly=True):
            pieces = await pieces_between(connection, since, until, _coarsest(until - since, parts))
            if not pieces:
                return []
            first = 2 + 2 * len(pieces)
            placed = f"""
SELECT {_place(first)} AS place, {COLUMNS}
FROM ({_source(pieces)}) AS source_of_one
WHERE location = ${first + 3}
"""  # noqa: S608  # no part of it comes from outside
            query = f"WITH {merging(placed, 'place')} SELECT * FROM merged"  # noqa: S608
            width_seconds = (until - since) / _SECOND / parts
            arguments = ([target], *bounds_of(pieces), since, width_seconds, parts, location)
            return await connection.fetch(query, *arguments, timeout=limit_seconds)

    chart: list[Rollup | None] = [None] * parts
    for row in await database.operate(read, limit_seconds):
        chart[row["place"]] = _rollup(row)
    return chart


async def pieces_between(connection: Connection, since: datetime, until: datetime, coarsest: int) -> list[Piece]:
    """Choose the rollups that cover a window. This is an asyncio-flavoured function.

    Args:
        connection: in a transaction that lasts until they are read.
        since, until: any times, with a time zone; rounded outward to whole minutes.
        coarsest: the longest period to read.
    """
    begin = _seconds(since) // MINUTE * MINUTE
    end = -(-_seconds(until, round_up=True) // MINUTE) * MINUTE
    if begin >= end:
        return []
    marked = await connection.fetch(_MARKED, _moment(begin), _moment(end))
    units = split_units(begin, end, coarsest)
    periods = [period for period, _ in units]
    begins = [_moment(unit) for _, unit in units]
    ends = [_moment(unit + period) for period, unit in units]
    names = [partition_of(MINUTES if period == HOUR else HOURS, _moment(unit)).name for period, unit in units]
    gone = await connection.fetch(_GONE, periods, begins, ends, names)
    return pieces_of(
        begin,
        end,
        marked={(period, _seconds(began_at)) for period, began_at in marked},
        gone={(period, _seconds(begins_at)) for period, begins_at in gone},
        coarsest=coarsest,
    )


def _source(pieces: list[Piece]) -> str:
    """Write the query for the rollups of the pieces; $1 has the targets, followed by two bounds for each piece."""
    return " UNION ALL ".join(
        f"SELECT target, location, began_at, {COLUMNS} FROM rollups WHERE period_seconds = {piece.period}"  # noqa: S608
        f" AND began_at >= ${2 * number + 2} AND began_at < ${2 * number + 3}"
        " AND ($1::text[] IS NULL OR target = ANY($1))"
        for number, piece in enumerate(pieces)
    )


def bounds_of(pieces: list[Piece]) -> list[datetime]:
    """Return the start and end of each piece, as arguments of a query."""
    return [_moment(bound) for piece in pieces for bound in (piece.begin, piece.end)]


def _coarsest(length: timedelta, parts: int) -> int:
    """Choose the longest rollups that still distinguish the parts of a window."""
    if length >= parts * SHORTEST_PART_IN_DAYS:
        return DAY
    return MINUTE if length <= LONGEST_IN_MINUTES else HOUR


def _place(first: int) -> str:
    """Write SQL for the number of a part; from $first: the window's start, the seconds of a part, how many parts."""
    since, width_seconds, parts = (f"${number}" for number in range(first, first + 3))
    return f"""least({parts}::int - 1, greatest(0, floor(
        extract(epoch FROM began_at - {since}::timestamptz) / {width_seconds}::double precision
    )))::int"""


def _means_query(source: str, first: int) -> str:
    """Write the query for means; the arguments from $first on are those of `_place`."""
    return f"""
SELECT target, location, place, sum(sum_ms) / nullif(sum(timed), 0) AS mean_ms
FROM (
    SELECT target, location, sums_ms[1] AS sum_ms,
           {_TIMED} AS timed,
           {_place(first)} AS place
    FROM ({source}) AS source
) AS placed
GROUP BY target, location, place
"""  # noqa: S608  # no part of it comes from outside


def _rollup(row: Any) -> Rollup:
    return Rollup(
        results=json.loads(row["results"]),
        sums_ms=tuple(row["sums_ms"]),
        mins_ms=tuple(row["mins_ms"]),
        maxs_ms=tuple(row["maxs_ms"]),
        histogram=dict(zip(row["keys"], row["counts"], strict=True)),
    )


def _seconds(moment: datetime, *, round_up: bool = False) -> int:
    since_1970 = moment - EPOCH
    return -(-since_1970 // _SECOND) if round_up else since_1970 // _SECOND


def _moment(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)

"""Makes a year of history inside PostgreSQL, as a thousand targets would have left it, in the order of time."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from watcher.history.rollup import Measurement, Rollup, roll_up
from watcher.postgres.tables.partitions import FAILURES, HOURS, MINUTES, Table, partition_of
from watcher.postgres.tables.rollups import PACKED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database

FILL_SECONDS = 3600.0
LOCATION = "default"
SEED = 1
# The number of different rollups of a period, which are spread over the targets.
SHAPES = 50
CHECKS_A_MINUTE = 4
PERIODS_AT_ONCE = 100
PERIODS = {"minutes": 60, "hours": 3600, "days": 86_400}
# The typical duration of each phase, in seconds: a check from another continent.
PHASE_SECONDS = (0.003, 0.025, 0.05, 0.08, 0.01)

_TARGETS = """
CREATE TABLE shapes (period_seconds int, shape int, results jsonb, sums_ms double precision[],
                     mins_ms double precision[], maxs_ms double precision[], keys smallint[], counts int[],
                     packed numeric);
CREATE TABLE names (number int, name text);
"""
_FILL_TARGETS = """
INSERT INTO names SELECT number, format('site %s', lpad(number::text, 4, '0'))
FROM generate_series(0, $1::int - 1) AS number
"""
_FILL_SHAPES = f"""
INSERT INTO shapes
SELECT *, CASE WHEN period_seconds > 60 THEN {PACKED} END
FROM jsonb_to_recordset($1::jsonb) AS row (
    period_seconds int, shape int, results jsonb, sums_ms double precision[], mins_ms double precision[],
    maxs_ms double precision[], keys smallint[], counts int[])
"""  # noqa: S608  # no part of it comes from outside
_FILL_ROLLUPS = """
INSERT INTO rollups
SELECT $1::int, began_at, name, 'default', 0, results, sums_ms, mins_ms, maxs_ms, keys, counts, packed
FROM generate_series($2::timestamptz, $3::timestamptz - $1::int * interval '1 second', $1::int * interval '1 second')
     AS periods (began_at)
CROSS JOIN names
JOIN shapes ON shapes.period_seconds = $1::int
               AND shape = ((extract(epoch FROM began_at) / $1::int)::bigint + number) % $4::int
ORDER BY began_at
"""
# All targets fail equally often, all day: the failures of one target are not stored together.
_FILL_FAILURES = """
INSERT INTO failures (id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail,
                      status_code, phases_ms, excerpt, headers)
SELECT md5(place::text)::uuid, name, 'https://' || replace(name, ' ', '-') || '.example/health', 'default', at, at,
       180 + place % 400, (ARRAY['status', 'timeout', 'connect', 'tls'])[1 + place % 4], '503 Service Unavailable',
       503, '{"resolve": 3.1, "connect": 25.2, "tls": 49.5, "processing": 80.7, "transfer": 9.9}',
       repeat('<p>Service Unavailable</p>', 8), '{"retry-after": "120"}'
FROM generate_series(1, $3::bigint) AS place
CROSS JOIN LATERAL (SELECT $1::timestamptz + place * (($2::timestamptz - $1::timestamptz) / $3::bigint) AS at) AS slot
JOIN names ON number = place * 7919 % $4::int
ORDER BY place
"""
# Incidents of 5 to 64 minutes, spread over the time; two flips each.
_FILL_FLIPS = """
INSERT INTO flips (id, target, location, at, confirmed_at, state, before, reason, detail)
SELECT md5(format('%s %s %s', name, incident, state))::uuid, name, 'default', at, at + interval '45 seconds', state,
       CASE state WHEN 'down' THEN 'up' ELSE 'down' END,
       CASE state WHEN 'down' THEN 'status' END, CASE state WHEN 'down' THEN '503 Service Unavailable' END
FROM generate_series(0, $3::int - 1) AS incident
CROSS JOIN names
CROSS JOIN LATERAL (
    SELECT $1::timestamptz + (incident + number % 97 / 97.0) * (($2::timestamptz - $1::timestamptz) / $3::int) AS begins
) AS placed
CROSS JOIN LATERAL (
    VALUES ('down', begins), ('up', begins + (5 + (number + incident) % 60) * interval '1 minute')
) AS flip (state, at)
ORDER BY at
"""
_FILL_STATES = """
INSERT INTO states (target, location, address, group_name, state, since, reason, detail)
SELECT name, 'default', 'https://' || replace(name, ' ', '-') || '.example/health', 'group ' || names.number % 10,
       state, at, reason, detail
FROM names
CROSS JOIN LATERAL (SELECT * FROM flips WHERE target = name ORDER BY at DESC LIMIT 1) AS newest
"""
_FILL_REST = """
INSERT INTO replicas VALUES ('default', gen_random_uuid(), now() - interval '1 year', $1::timestamptz);
"""
_FILL_MARKS = """
INSERT INTO rollup_work VALUES (3600, date_trunc('hour', $1::timestamptz, 'UTC')),
                               (86400, date_trunc('day', $1::timestamptz, 'UTC'))
"""
_DROP = "DROP TABLE shapes, names"


@dataclass(frozen=True, slots=True)
class Extent:
    """The amount of history.

    Attributes:
        until: its end, which is now.
        targets: their number.
        failures: the number of all targets' failures.
        incidents: the number of each target's incidents; each is two flips.
        days, hour_days, minute_days: for how long there are rollups of days, hours and minutes; failures and flips go
            back as far as the days.
    """

    until: datetime
    targets: int = 1000
    failures: int = 1_000_000
    incidents: int = 25
    days: int = 365
    hour_days: int = 400
    minute_days: int = 1

    @property
    def since(self) -> datetime:
        """The start of the history."""
        return self.until - timedelta(days=self.days)

    def window(self, period: str) -> tuple[datetime, datetime]:
        """Return the window with rollups of a period: whole ones, the last of which is over."""
        days = {"minutes": self.minute_days, "hours": self.hour_days, "days": self.days}[period]
        end = floor(self.until, PERIODS[period])
        return floor(end - timedelta(days=days), PERIODS[period]), end


def floor(moment: datetime, seconds: int) -> datetime:
    """Return the start of a minute, an hour or a day in UTC."""
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


async def fill(database: Database, extent: Extent, say: Callable[[str], None]) -> None:
    """Create the history in empty tables, step by step.

    Args:
        database: after `init_db`.
        extent: the amount of history.
        say: called with the name of the next step.
    """
    for what, step in _steps(extent):
        say(what)
        await database.operate(step, FILL_SECONDS)


def _steps(extent: Extent) -> Iterator[tuple[str, Any]]:
    yield "partitions", _running(_partitions(extent))
    yield "names and shapes", _running([(_TARGETS, ()), (_FILL_TARGETS, (extent.targets,))])
    yield "shapes", _running([(_FILL_SHAPES, (json.dumps(list(shapes())),))])
    for period, seconds in PERIODS.items():
        begin, end = extent.window(period)
        count = extent.targets * int((end - begin) / timedelta(seconds=seconds))
        pieces = [(_FILL_ROLLUPS, (seconds, *piece, SHAPES)) for piece in _pieces(begin, end, seconds)]
        yield f"{count:,} rollups of {period}", _running(pieces)
    past = (extent.since, extent.until)
    yield f"{extent.failures:,} failures", _running([(_FILL_FAILURES, (*past, extent.failures, extent.targets))])
    yield f"{2 * extent.incidents * extent.targets:,} flips", _running([(_FILL_FLIPS, (*past, extent.incidents))])
    rest = [(_FILL_STATES, ()), (_FILL_REST, (extent.until,)), (_FILL_MARKS, (extent.until,)), (_DROP, ())]
    yield "states", _running(rest)
    yield "vacuum", _running([("VACUUM (ANALYZE)", ())])


def _pieces(begin: datetime, end: datetime, seconds: int) -> Iterator[tuple[datetime, datetime]]:
    """Split a window so that the server can about sort the rows of each piece in memory."""
    while begin < end:
        piece = min(begin + PERIODS_AT_ONCE * timedelta(seconds=seconds), end)
        yield begin, piece
        begin = piece


def _running(commands: list[tuple[str, tuple[Any, ...]]]) -> Any:
    async def run(connection: Connection) -> None:
        for command, arguments in commands:
            await connection.execute(command, *arguments, timeout=FILL_SECONDS)

    return run


def _partitions(extent: Extent) -> list[tuple[str, tuple[Any, ...]]]:
    ranges = {FAILURES: (extent.since, extent.until), HOURS: extent.window("hours"), MINUTES: extent.window("minutes")}
    return [
        (
            "SELECT watcher_make_partition($1, $2, $3, $4, $5)",
            (table.name, one.name, table.time_column, one.begins_at, one.ends_at),
        )
        for table, (begin, end) in ranges.items()
        for one in partitions_between(table, begin, end)
    ]


def partitions_between(table: Table, begin: datetime, end: datetime) -> list[Any]:
    """List the partitions of a window's rows."""
    partitions, moment = [], begin
    while moment <= end:
        partitions.append(partition_of(table, moment))
        moment = partitions[-1].ends_at
    return partitions


def shapes() -> Iterator[dict[str, Any]]:
    """Create the different rollups of each period, from realistic checks."""
    moments = random.Random(SEED)  # noqa: S311
    for seconds in PERIODS.values():
        for shape in range(SHAPES):
            rollup = a_rollup(moments, CHECKS_A_MINUTE * seconds // 60)
            yield {
                "period_seconds": seconds,
                "shape": shape,
                "results": rollup.results,
                "sums_ms": rollup.sums_ms,
                "mins_ms": rollup.mins_ms,
                "maxs_ms": rollup.maxs_ms,
                "keys": list(rollup.histogram),
                "counts": list(rollup.histogram.values()),
            }


def a_rollup(moments: random.Random, checks: int) -> Rollup:
    """Roll up checks of realistic durations."""
    measurements = []
    for _ in range(checks):
        phases = [round(seconds * moments.lognormvariate(0, 0.3) * 1_000_000) for seconds in PHASE_SECONDS]
        result = "up" if moments.random() > 0.002 else "status"
        measurements.append(Measurement("", LOCATION, result, (sum(phases), *phases)))
    return roll_up(measurements)["", LOCATION]

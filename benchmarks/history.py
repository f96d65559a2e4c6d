"""Makes a year of history inside PostgreSQL, as a thousand targets would have left it, in the order of time."""

import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.showing import say
from watcher.history.rollup import Measurement, roll_up
from watcher.postgres.db import Database
from watcher.postgres.tables.partitions import FAILURES, HOURS, MINUTES, Table, partition_of
from watcher.postgres.tables.rollups import PACKED

Commands = Sequence[tuple[str, tuple[Any, ...]]]

FILL_SECONDS = 3600.0
LOCATION = "default"
# The number of different rollups of a period, which are spread over the targets.
SHAPES = 50
CHECKS_A_MINUTE = 4
PERIODS_AT_ONCE = 100
PERIODS = {"minutes": 60, "hours": 3600, "days": 86_400}
# The typical duration of each phase, in seconds: a check from another continent.
PHASE_SECONDS = (0.003, 0.025, 0.05, 0.08, 0.01)

_NAMES = """
CREATE TABLE names AS SELECT number, format('site %s', lpad(number::text, 4, '0')) AS name
FROM generate_series(0, {}) AS number
"""
_ROLLUPS = f"""
WITH shapes AS MATERIALIZED (
    SELECT *, CASE WHEN $1::int > 60 THEN {PACKED} END AS packed
    FROM jsonb_to_recordset($5::jsonb) AS row (
        shape int, results jsonb, sums_ms double precision[], mins_ms double precision[], maxs_ms double precision[],
        keys smallint[], counts int[]))
INSERT INTO rollups
SELECT $1::int, began_at, name, 'default', 0, results, sums_ms, mins_ms, maxs_ms, keys, counts, packed
FROM generate_series($2::timestamptz, $3::timestamptz - $1::int * interval '1 second', $1::int * interval '1 second')
     AS periods (began_at)
CROSS JOIN names
JOIN shapes ON shape = ((extract(epoch FROM began_at) / $1::int)::bigint + number) % $4::int
ORDER BY began_at
"""  # noqa: S608  # no part of it comes from outside
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
_REPLICA = "INSERT INTO replicas VALUES ('default', gen_random_uuid(), now() - interval '1 year', $1::timestamptz)"
_MARKS = """
INSERT INTO rollup_work VALUES (3600, date_trunc('hour', $1::timestamptz, 'UTC')),
                               (86400, date_trunc('day', $1::timestamptz, 'UTC'))
"""


@dataclass(frozen=True, slots=True)
class Extent:
    """The amount of history; failures and flips go back as far as the rollups of days."""

    until: datetime  # its end, which is now
    targets: int = 1000
    failures: int = 1_000_000  # of all targets
    incidents: int = 25  # of each target; each is two flips
    days: int = 365  # of rollups of days
    hour_days: int = 400  # of rollups of hours
    minute_days: int = 1  # of rollups of minutes

    @property
    def since(self) -> datetime:
        """The start of the history."""
        return self.until - timedelta(days=self.days)

    def window(self, period: str) -> tuple[datetime, datetime]:
        """Return the window with rollups of a period: whole ones in UTC, the last of which is over."""
        days = {"minutes": self.minute_days, "hours": self.hour_days, "days": self.days}[period]
        ends = self.until.timestamp() - days * 86_400, self.until.timestamp()
        begin, end = (datetime.fromtimestamp(at // PERIODS[period] * PERIODS[period], UTC) for at in ends)
        return begin, end


async def fill(database: Database, extent: Extent) -> None:
    """Create the history in empty tables, after `init_db`, step by step."""
    for what, commands in _steps(extent):
        say(f"making {what}")

        async def run(connection: Any, commands: Commands = commands) -> None:
            for command, arguments in commands:
                await connection.execute(command, *arguments, timeout=FILL_SECONDS)

        await database.operate(run, FILL_SECONDS)


def _steps(extent: Extent) -> Iterator[tuple[str, Commands]]:
    past = (extent.since, extent.until)
    ranges = {FAILURES: past, HOURS: extent.window("hours"), MINUTES: extent.window("minutes")}
    for table, window in ranges.items():
        yield f"partitions of {table.name}", list(partitions_between(table, *window))
    yield "names", [(_NAMES.format(extent.targets - 1), ())]
    for period, seconds in PERIODS.items():
        begin, end = extent.window(period)
        count = extent.targets * int((end - begin) / timedelta(seconds=seconds))
        # In pieces whose rows the server can about sort in memory.
        step = PERIODS_AT_ONCE * timedelta(seconds=seconds)
        starts = [begin + number * step for number in range(math.ceil((end - begin) / step))]
        shapes = json.dumps([_shape(number, seconds) for number in range(SHAPES)])
        pieces = [(_ROLLUPS, (seconds, start, min(start + step, end), SHAPES, shapes)) for start in starts]
        yield f"{count:,} rollups of {period}", pieces
    yield f"{extent.failures:,} failures", [(_FILL_FAILURES, (*past, extent.failures, extent.targets))]
    yield f"{2 * extent.incidents * extent.targets:,} flips", [(_FILL_FLIPS, (*past, extent.incidents))]
    rest = [(_FILL_STATES, ()), (_REPLICA, (extent.until,)), (_MARKS, (extent.until,)), ("DROP TABLE names", ())]
    yield "states", rest
    yield "vacuum", [("VACUUM (ANALYZE)", ())]


def partitions_between(table: Table, begin: datetime, end: datetime) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the commands that make the partitions of a window's rows."""
    while begin <= end:
        one = partition_of(table, begin)
        arguments = (table.name, one.name, table.time_column, one.begins_at, one.ends_at)
        yield "SELECT watcher_make_partition($1, $2, $3, $4, $5)", arguments
        begin = one.ends_at


def _shape(number: int, seconds: int) -> dict[str, Any]:
    """Create one of the rollups of a period, from checks of realistic durations."""
    moments = random.Random(number)  # noqa: S311
    measurements = []
    for _ in range(CHECKS_A_MINUTE * seconds // 60):
        phases = [round(phase * moments.lognormvariate(0, 0.3) * 1_000_000) for phase in PHASE_SECONDS]
        result = "up" if moments.random() > 0.002 else "status"
        measurements.append(Measurement("", LOCATION, result, (sum(phases), *phases)))
    rollup = roll_up(measurements)["", LOCATION]
    columns = {name: getattr(rollup, name) for name in ("results", "sums_ms", "mins_ms", "maxs_ms")}
    return columns | {"shape": number, "keys": list(rollup.histogram), "counts": list(rollup.histogram.values())}

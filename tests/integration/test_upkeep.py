"""The upkeep of the tables, in a real database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import TYPE_CHECKING

import pytest
import trio
from structlog.testing import capture_logs

from tests.doubles import a_failure
from tests.integration.held import HELD_SECONDS, Held
from watcher.history.rollup import Measurement, roll_up, rollup_rows
from watcher.postgres import schema
from watcher.postgres.db import open_database
from watcher.postgres.errors import DatabaseUnavailableError
from watcher.postgres.queries.rollups import rollups_between
from watcher.postgres.tables.partitions import KEEP_FAILURES, needed_partitions
from watcher.postgres.tables.rollups import INSERT_ROLLUPS, UPKEEP_LOCK
from watcher.postgres.upkeep.upkeep import UpkeepReport, keep_up, upkeep

if TYPE_CHECKING:
    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database

pytestmark = pytest.mark.usefixtures("bridge")

NOW = datetime(2025, 11, 23, 15, 20, tzinfo=UTC)
MIDNIGHT = datetime(2025, 11, 23, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def kept(database: Database, now: datetime = NOW, keep_failures: timedelta = KEEP_FAILURES) -> UpkeepReport:
    report = await keep_up(database, keep_failures, now)
    assert report.failed == []
    return report


async def places(database: Database, table: str) -> dict[str, int]:
    """Count the rows of a table in each of its non-empty partitions."""
    query = f"SELECT tableoid::regclass::text AS place, count(*) AS rows FROM {table} GROUP BY 1"
    return {row["place"]: row["rows"] for row in await database.fetch(query)}


async def partitions(database: Database) -> set[str]:
    query = """
SELECT relname FROM pg_class JOIN pg_inherits ON pg_class.oid = inhrelid
WHERE relkind = 'r' AND relname ~ '[0-9]'
"""
    return {row["relname"] for row in await database.fetch(query)}


async def put_minute(database: Database, began_at: datetime, *, part: int = 1) -> None:
    measurement = Measurement("a", "here", "up", [1000] * 6)
    await database.fetch(INSERT_ROLLUPS, json.dumps(rollup_rows(roll_up([measurement]), began_at, part)))


async def marks(database: Database) -> list[tuple[int, datetime]]:
    rows = await database.fetch("SELECT period_seconds, began_at FROM rollup_work ORDER BY 1, 2")
    return [(row["period_seconds"], row["began_at"]) for row in rows]


@pytest.mark.smoke
async def test_partitions_are_made_ahead_and_once(test_db: Database) -> None:
    report = await kept(test_db)
    assert report.made == [partition.name for partition in needed_partitions(NOW, KEEP_FAILURES)]
    assert await partitions(test_db) == set(report.made)
    assert await kept(test_db) == UpkeepReport()


async def test_rows_older_than_their_partition_are_moved_there(test_db: Database) -> None:
    """The upkeep did not run at the end of the year: rows since then are in the default partitions."""
    await kept(test_db, datetime(2025, 10, 1, tzinfo=UTC))
    year = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [year - timedelta(microseconds=1), year, year + DAY]
    await test_db.log_failures([a_failure(at=moment) for moment in moments])
    for moment in moments:
        await put_minute(test_db, moment.replace(second=0, microsecond=0))
    assert await places(test_db, "failures") == {"failures_2025_12": 1, "failures_default": 2}
    assert await places(test_db, "rollups_minutes") == {"rollups_minutes_default": 3}
    await kept(test_db, year + MINUTE)
    assert await places(test_db, "failures") == {"failures_2025_12": 1, "failures_2026_01": 2}
    assert await places(test_db, "rollups_minutes") == {
        "rollups_minutes_default": 1,  # of the day before, which does not need one
        "rollups_minutes_2026_01_01": 1,
        "rollups_minutes_2026_01_02": 1,
    }
    assert len(await test_db.failures()) == 3
    await test_db.log_failures([a_failure(at=moment) for moment in moments])
    assert len(await test_db.failures()) == 3


async def test_retention_drops_just_the_right_ones(test_db: Database) -> None:
    for month in range(-14, 1):
        await kept(test_db, NOW + 30 * month * DAY)
    for day in range(-10, 0):
        await kept(test_db, NOW + day * DAY)
    before = await partitions(test_db)
    # Tables of others, even attached to ours, are left alone.
    await test_db.execute_query("CREATE TABLE failures_2020_01 (id int)")
    await test_db.execute_query("CREATE TABLE rollups_hours_2020_1 (LIKE rollups_hours)")
    bounds = "FROM ('2020-01-01') TO ('2020-02-01')"
    await test_db.execute_query(f"ALTER TABLE rollups_hours ATTACH PARTITION rollups_hours_2020_1 FOR VALUES {bounds}")
    for days in (399, 401):
        query = "INSERT INTO outboxes (outbox, stored_until, stored_at) VALUES (gen_random_uuid(), $1, $2)"
        await test_db.fetch(query, days, NOW - days * DAY)
    report = await kept(test_db, NOW, timedelta(days=100))
    assert await test_db.fetch("SELECT stored_until FROM outboxes") == [{"stored_until": 399}]
    assert await partitions(test_db) == before - set(report.dropped) | {"rollups_hours_2020_1"}
    assert await test_db.fetch("SELECT FROM failures_2020_01") == []
    assert [name for name in report.dropped if name.startswith("failures")][-1] == "failures_2025_07"
    kept_days = sorted(name for name in await partitions(test_db) if name.startswith("rollups_minutes"))
    assert kept_days[0] == "rollups_minutes_2025_11_16"
    assert await kept(test_db, NOW, timedelta(days=100)) == UpkeepReport()


@pytest.mark.parametrize(("ahead", "may_drop"), [(500 * DAY, True), (0 * DAY, False)])
async def test_a_clock_that_is_wrong_or_in_doubt_drops_nothing(
    test_db: Database, ahead: timedelta, may_drop: bool
) -> None:
    """The server's own clock is right, or unknown."""
    now = datetime.now(UTC)
    moments, keep = [now - 70 * DAY, now - DAY], timedelta(days=5)
    await kept(test_db, moments[0])
    await test_db.log_failures([a_failure(at=moment) for moment in moments])
    await put_minute(test_db, moments[1].replace(second=0, microsecond=0))
    await keep_up(test_db, KEEP_FAILURES if may_drop else keep, now + ahead, may_drop=may_drop)
    assert len(await test_db.failures()) == 2
    [row] = await test_db.fetch("SELECT count(*) AS minutes FROM rollups WHERE period_seconds = 60")
    assert row == {"minutes": 1}
    await kept(test_db, now, keep)
    assert [row["scheduled_at"] for row in await test_db.failures()] == moments[1:]


async def test_a_row_that_is_kept_is_in_no_partition_that_is_dropped(test_db: Database) -> None:
    await kept(test_db, datetime(2025, 9, 1, tzinfo=UTC))
    keep = timedelta(days=30)
    ages = [timedelta(hours=1), keep - HOUR, keep + HOUR, timedelta(days=60)]
    await test_db.log_failures([a_failure(f"{age}", at=NOW - age) for age in ages])
    report = await kept(test_db, NOW, keep)
    assert [name for name in report.dropped if name.startswith("failures")] == ["failures_2025_08", "failures_2025_09"]
    assert {row["target"] for row in await test_db.failures()} == {f"{age}" for age in ages[:3]}


async def test_notifications_and_orders_are_kept_as_long_as_failures(test_db: Database) -> None:
    tables = {
        "notifications": "(id, channel, kind, created_at) VALUES (gen_random_uuid(), 'ops', 'down', $1)",
        "silences": "(id, starts_at, ends_at, why) VALUES (gen_random_uuid(), $1, $1, 'why')",
        "acks": "(id, target, at) VALUES (gen_random_uuid(), 'shop', $1)",
    }
    for table, columns in tables.items():
        for moment in (NOW - KEEP_FAILURES - DAY, NOW - KEEP_FAILURES + DAY):
            await test_db.fetch(f"INSERT INTO {table} {columns}", moment)
    await kept(test_db)
    for table in tables:
        assert await test_db.fetch(f"SELECT count(*) AS rows FROM {table}") == [{"rows": 1}]


async def test_default_partitions_forget_as_the_others_do(test_db: Database) -> None:
    await test_db.log_failures([a_failure(at=NOW - age * DAY) for age in (1, 30, 370, 450, 800)])
    for age in (1, 8, 20):
        await put_minute(test_db, NOW - age * DAY)
    await kept(test_db)
    assert len(await test_db.failures()) == 3
    [row] = await test_db.fetch("SELECT count(*) AS rows FROM rollups WHERE period_seconds = 60")
    assert row == {"rows": 1}
    # The hours of those minutes that are no longer kept exist.
    assert [rollup.checks for rollup in (await rollups_between(test_db, NOW - 30 * DAY, NOW)).values()] == [3]


@pytest.mark.smoke
async def test_hours_and_days_are_merged_once_they_are_over(test_db: Database) -> None:
    await kept(test_db, MIDNIGHT)
    await put_minute(test_db, MIDNIGHT + 22 * HOUR)
    await put_minute(test_db, MIDNIGHT + 23 * HOUR)
    hours, day = [(3600, MIDNIGHT + number * HOUR) for number in (22, 23)], (86_400, MIDNIGHT)
    for now, left in [
        (MIDNIGHT + 23 * HOUR + timedelta(seconds=90), [*hours, day]),
        (MIDNIGHT + 23 * HOUR + timedelta(seconds=91), [hours[1], day]),
        (MIDNIGHT + 24 * HOUR + timedelta(seconds=91), [day]),
        (MIDNIGHT + 25 * HOUR, [day]),
        (MIDNIGHT + 25 * HOUR + timedelta(seconds=1), []),
    ]:
        await kept(test_db, now)
        assert await marks(test_db) == left
    rows = await test_db.fetch("SELECT period_seconds, part, results FROM rollups WHERE period_seconds > 60 ORDER BY 1")
    assert [(row["period_seconds"], row["part"], json.loads(row["results"])) for row in rows] == [
        (3600, 0, {"up": 1}),
        (3600, 0, {"up": 1}),
        (86_400, 0, {"up": 2}),
    ]


async def test_one_merge_that_fails_does_not_lose_the_others(test_db: Database) -> None:
    await kept(test_db, MIDNIGHT)
    for hour in (1, 2, 3):
        await put_minute(test_db, MIDNIGHT + hour * HOUR)
    await put_minute(test_db, MIDNIGHT + 2 * HOUR, part=2)
    poison = "UPDATE rollups SET counts = '{2147483647}', keys = '{7}' WHERE period_seconds = 60 AND began_at = $1"
    await test_db.fetch(poison, MIDNIGHT + 2 * HOUR)  # their sum is not an int
    report = await keep_up(test_db, KEEP_FAILURES, MIDNIGHT + 30 * HOUR)
    assert report.merged == 2
    [failed] = report.failed
    assert failed.startswith("hour 2025-11-23 02:00: ")
    assert await marks(test_db) == [(3600, MIDNIGHT + 2 * HOUR), (86_400, MIDNIGHT)]


async def test_minutes_that_are_still_to_be_merged_are_not_dropped(test_db: Database) -> None:
    await kept(test_db, MIDNIGHT)
    for part in (1, 2):
        await put_minute(test_db, MIDNIGHT, part=part)
    await test_db.execute_query("UPDATE rollups SET counts = '{2147483647}', keys = '{7}' WHERE period_seconds = 60")
    later = MIDNIGHT + 30 * DAY
    report = await keep_up(test_db, KEEP_FAILURES, later)
    assert "rollups_minutes_2025_11_23" not in report.dropped
    assert "rollups_minutes_2025_11_24" in report.dropped
    await test_db.execute_query("UPDATE rollups SET counts = '{2}', keys = '{7}' WHERE period_seconds = 60")
    assert (await kept(test_db, later)).dropped == ["rollups_minutes_2025_11_23"]
    [rollup] = (await rollups_between(test_db, MIDNIGHT, MIDNIGHT + DAY)).values()
    assert (rollup.checks, rollup.timed()) == (2, 4)


async def test_two_at_once_do_it_once(test_db: Database, db_config: str) -> None:
    await kept(test_db, MIDNIGHT - 30 * DAY)
    for hour in range(15):
        await put_minute(test_db, MIDNIGHT + hour * HOUR)
    reports: list[UpkeepReport] = []

    async def keep() -> None:
        async with open_database(db_config) as database:
            reports.append(await kept(database))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(keep)
    made = [name for report in reports for name in report.made]
    dropped = [name for report in reports for name in report.dropped]
    assert len(made) == len(set(made))
    assert {"rollups_minutes_2025_11_23", "failures_2026_01"} <= set(made) <= await partitions(test_db)
    assert sorted(dropped) == [f"rollups_minutes_2025_10_{day}" for day in (24, 25, 26, 27)]
    assert sum(report.merged for report in reports) == 15
    assert await kept(test_db) == UpkeepReport()


async def test_while_another_replica_has_the_lock_nothing_is_done(test_db: Database) -> None:
    async with trio.open_nursery() as nursery:
        other = Held(test_db, "SELECT pg_advisory_xact_lock($1)", UPKEEP_LOCK)
        await nursery.start(other.run)
        assert await kept(test_db) == UpkeepReport()
        other.end()
    assert await partitions(test_db) == set()
    assert (await kept(test_db)).made != []


async def test_a_table_that_is_in_use_is_waited_for_only_shortly(test_db: Database) -> None:
    await kept(test_db, NOW - 20 * DAY)
    async with trio.open_nursery() as nursery:
        reading = Held(test_db, "SELECT FROM rollups_minutes_2025_11_04")
        await nursery.start(reading.run)
        with trio.fail_after(HELD_SECONDS / 2):
            report = await keep_up(test_db, KEEP_FAILURES, NOW)
        reading.end()
    assert report.dropped == [f"rollups_minutes_2025_11_{day:02}" for day in (3, 5, 6)]
    [failed] = report.failed
    assert failed.startswith("rollups_minutes_2025_11_04: ")
    assert (await kept(test_db)).dropped == ["rollups_minutes_2025_11_04"]


async def test_rows_that_come_while_others_are_moved_are_moved_as_well(test_db: Database) -> None:
    """Rows arrive in the default partition all the time, as when many checks fail."""
    await test_db.log_failures([a_failure("before", at=NOW - 30 * DAY)])  # in the partition that is created first
    slot = "('2025-10-24 15:20Z', gen_random_uuid(), 'meanwhile', '', '', now(), 1, 'status', '', '{}')"
    columns = "scheduled_at, id, target, address, location, started_at, duration_ms, reason, detail, phases_ms"
    waits = "SELECT FROM pg_locks WHERE relation = 'failures_default'::regclass AND NOT granted"
    async with trio.open_nursery() as nursery:
        writing = Held(test_db, f"INSERT INTO failures ({columns}) VALUES {slot}")
        await nursery.start(writing.run)

        async def end_the_writing() -> None:
            with trio.fail_after(HELD_SECONDS / 2):
                while not await test_db.fetch(waits):
                    await trio.lowlevel.checkpoint()
            writing.end()

        nursery.start_soon(end_the_writing)
        await kept(test_db)
    assert await places(test_db, "failures") == {"failures_2025_10": 2}


async def test_a_reader_of_the_default_partition_makes_no_move_futile(test_db: Database) -> None:
    await kept(test_db, NOW - 31 * DAY)
    await test_db.log_failures([a_failure(f"{number}", at=NOW + 60 * DAY) for number in range(20)])
    async with trio.open_nursery() as nursery:
        reading = Held(test_db, "SELECT FROM failures_default")
        await nursery.start(reading.run)
        report = await keep_up(test_db, KEEP_FAILURES, NOW)
        [failed] = report.failed
        assert failed.startswith("failures_2026_01: ")
        # A deleted row that is there again bears the number of the deleting transaction.
        assert await test_db.fetch("SELECT count(*) AS moved FROM failures_default WHERE xmax <> '0'") == [{"moved": 0}]
        reading.end()
    await kept(test_db)
    assert await places(test_db, "failures") == {"failures_2026_01": 20}


async def test_dropped_partitions_are_created_again(test_db: Database) -> None:
    await kept(test_db)
    await test_db.execute_query("DROP TABLE failures_2025_11")
    await test_db.log_failures([a_failure("month", at=NOW)])
    await test_db.execute_query("DROP TABLE failures_default")
    with pytest.raises(DatabaseUnavailableError, match="no partition"):
        await test_db.log_failures([a_failure("none", at=NOW)])
    report = await kept(test_db)
    assert report.made == ["failures_default", "failures_2025_11"]
    await test_db.log_failures([a_failure("again", at=NOW)])
    assert await places(test_db, "failures") == {"failures_2025_11": 1}


async def test_an_upgrade_gives_each_month_its_partition(test_db: Database) -> None:
    files = sorted(resources.files(schema).iterdir(), key=lambda file: file.name)
    [first] = [file for file in files if file.name.startswith("0001")]
    await test_db.execute_query("DROP SCHEMA public CASCADE")
    await test_db.execute_query("CREATE SCHEMA public")
    moments = [NOW - number * 10 * DAY for number in range(30)]

    async def make_old(connection: Connection) -> None:
        await connection.execute(first.read_text())
        await connection.execute(
            "CREATE TABLE watcher_schema (version int PRIMARY KEY, applied_at timestamptz DEFAULT now())"
        )
        await connection.execute("INSERT INTO watcher_schema (version) VALUES (1)")
        for moment in moments:
            failure = a_failure(at=moment)
            await connection.execute(
                "INSERT INTO failures VALUES ($1, 'Checkout', '', 'default', $2, $2, 1, 'status', '', 503, '{}')",
                failure.check_id,
                moment,
            )

    await test_db.operate(make_old)
    await test_db.init_db()
    assert {row["scheduled_at"] for row in await test_db.failures()} == set(moments)
    found = await places(test_db, "failures")
    assert found.keys() == {f"failures_{moment:%Y_%m}" for moment in moments}
    assert sum(found.values()) == 30
    report = await kept(test_db)
    assert report.dropped == []
    assert "failures_2025_11" not in report.made
    assert "failures_2025_12" in report.made
    assert len(await test_db.failures()) == 30


async def test_an_unavailable_database_is_reported(bridge: None) -> None:
    async with open_database("postgresql://user:password@127.0.0.1:1/database") as database:
        with pytest.raises(DatabaseUnavailableError):
            await keep_up(database, KEEP_FAILURES, NOW)


async def test_the_loop_logs_dropped_partitions(test_db: Database) -> None:
    await kept(test_db, NOW - 20 * DAY)
    up = trio.Event()
    times = iter([NOW])

    def clock() -> datetime:
        return next(times)

    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: upkeep(test_db, KEEP_FAILURES, up=up, clock=clock))
            up.set()
            with trio.fail_after(60):
                while not logs:
                    await test_db.ping()
            nursery.cancel_scope.cancel()
    [entry] = logs
    assert entry["log_level"] == "info"
    assert entry["partitions"] == ", ".join(f"rollups_minutes_2025_11_{day:02}" for day in (3, 4, 5, 6))

"""Rollups in a real database: the answer for any window is the same as from the checks themselves."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.integration.held import Held
from watcher.history.rollup import Measurement, Rollup, TargetPlace, roll_up, rollup_rows
from watcher.postgres.db import Database
from watcher.postgres.queries.rollups import means_by_bucket, rollups_between
from watcher.postgres.queries.whole_rollups import WholeRollups, whole_rollups
from watcher.postgres.tables.partitions import KEEP_FAILURES
from watcher.postgres.tables.rollups import INSERT_ROLLUPS, rename_rollups
from watcher.postgres.upkeep.upkeep import keep_up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from watcher.postgres.bridge import Connection

pytestmark = pytest.mark.usefixtures("bridge")

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEGIN = datetime(2025, 11, 20, tzinfo=UTC)
# The last day is going on, and the last hour with it.
END = BEGIN + 3 * DAY + 5 * HOUR + 34 * MINUTE
QUANTILES = (0.5, 0.9, 0.95, 0.99)

Checks = dict[datetime, list[Measurement]]


def some_checks(seed: int, targets: Iterable[str] = ("a", "b")) -> Checks:
    """Invent the checks of each minute; some fail, some minutes have none."""
    chance = random.Random(seed)
    checks: Checks = {}
    for target in targets:
        scale = chance.uniform(9, 13)
        moment = BEGIN
        while moment < END:
            moment += timedelta(seconds=chance.choice([37, 60, 90, 4000 if chance.random() < 0.02 else 60]))
            result = chance.choices(["up", "degraded", "timeout", "local"], [90, 5, 4, 1])[0]
            microseconds = [int(chance.lognormvariate(scale, 1.2)) for _ in range(6)]
            if chance.random() < 0.3:
                microseconds[1:4] = [None, None, None]  # type: ignore[list-item]  # a kept connection
            checks.setdefault(moment.replace(second=0), []).append(Measurement(target, "here", result, microseconds))
    return checks


def rows_of(checks: Checks, part: int = 1) -> str:
    """Write the minutes of checks as INSERT_ROLLUPS takes them."""
    return json.dumps([row for began_at, kept in checks.items() for row in rollup_rows(roll_up(kept), began_at, part)])


async def insert(database: Database, checks: Checks, part: int = 1) -> None:
    await database.fetch(INSERT_ROLLUPS, rows_of(checks, part), limit_seconds=30)


async def merge(database: Database, now: datetime = END) -> int:
    report = await keep_up(database, KEEP_FAILURES, now)
    assert report.failed == []
    return report.merged


def minute_of(moment: datetime, *, up: bool = False) -> datetime:
    minute = moment.replace(second=0, microsecond=0)
    return minute + MINUTE if up and minute != moment else minute


def within(checks: Checks, since: datetime, until: datetime) -> dict[TargetPlace, list[Measurement]]:
    found: dict[TargetPlace, list[Measurement]] = {}
    for began_at, measurements in checks.items():
        if minute_of(since) <= began_at < minute_of(until, up=True):
            for measurement in measurements:
                found.setdefault((measurement.target, measurement.location), []).append(measurement)
    return found


def durations(measurements: list[Measurement], series: int) -> list[int]:
    timed = [measurement for measurement in measurements if measurement.result != "local"]
    return sorted(value for measurement in timed if (value := measurement.microseconds[series]) is not None)


def assert_true_of(rollup: Rollup, measurements: list[Measurement]) -> None:
    """Compare a rollup with the checks themselves."""
    assert rollup.results == Counter(measurement.result for measurement in measurements)
    for series in range(6):
        values = durations(measurements, series)
        assert rollup.timed(series) == len(values)
        if values:
            assert rollup.mean_ms(series) == pytest.approx(sum(values) / len(values) / 1000)
            assert (rollup.mins_ms[series], rollup.maxs_ms[series]) == (values[0] / 1000, values[-1] / 1000)
            for quantile, estimate in zip(QUANTILES, rollup.percentiles_ms(QUANTILES, series), strict=True):
                exact = values[max(1, math.ceil(quantile * len(values) - 1e-9)) - 1] / 1000
                assert estimate == pytest.approx(exact, rel=0.05)


async def assert_answers(database: Database, checks: Checks, since: datetime, until: datetime) -> None:
    """Compare the answer for a window with its checks."""
    answers = await rollups_between(database, since, until)
    expected = within(checks, since, until)
    assert answers.keys() == expected.keys()
    for key, rollup in answers.items():
        assert_true_of(rollup, expected[key])
    assert_same(await whole_rollups(database, since, until), answers)


def assert_same(whole: WholeRollups, answers: dict[TargetPlace, Rollup]) -> None:
    """Compare a reading of whole checks alone with everything known."""
    assert whole.rollups.keys() == answers.keys()
    for key, rollup in answers.items():
        found, expected = whole.rollups[key], rollup.whole()
        assert replace(found, sums_ms=expected.sums_ms) == expected
        assert found.sums_ms == pytest.approx(expected.sums_ms)


async def periods(database: Database, target: str | None = None) -> dict[int, int]:
    query = "SELECT period_seconds, count(*) AS rows FROM rollups WHERE $1::text IS NULL OR target = $1 GROUP BY 1"
    return {row["period_seconds"]: row["rows"] for row in await database.fetch(query, target)}


async def test_percentiles_of_any_window_are_within_five_percent(test_db: Database) -> None:
    checks = some_checks(1)
    await insert(test_db, checks)
    assert await merge(test_db) == 3 * 24 + 5 + 3
    chance = random.Random(2)
    for _ in range(40):
        since = BEGIN + timedelta(seconds=chance.uniform(-3600, 3 * 86_400))
        await assert_answers(test_db, checks, since, since + chance.choice([HOUR, DAY, 4 * DAY]) * chance.random())
    await assert_answers(test_db, checks, BEGIN - DAY, END + DAY)
    await assert_answers(test_db, checks, BEGIN, BEGIN + 3 * DAY)


async def test_days_are_read_from_daily_rollups_and_not_from_their_hours(test_db: Database) -> None:
    checks = some_checks(3, ["a"])
    await insert(test_db, checks)
    await merge(test_db)
    await test_db.execute_query("DELETE FROM rollups WHERE period_seconds < 86400 AND began_at < $1", BEGIN + 3 * DAY)
    await assert_answers(test_db, checks, BEGIN, END)


async def test_before_anything_is_merged_the_minutes_answer(test_db: Database) -> None:
    checks = some_checks(4, ["a"])
    await insert(test_db, checks)
    await assert_answers(test_db, checks, BEGIN, END)
    await assert_answers(test_db, checks, BEGIN + 30 * MINUTE, BEGIN + DAY + 17 * MINUTE)


async def test_writing_minutes_again_changes_nothing(test_db: Database) -> None:
    checks = some_checks(5, ["a"])
    await insert(test_db, checks)
    await merge(test_db)
    marks = await test_db.fetch("SELECT count(*) FROM rollup_work")
    await insert(test_db, checks)
    assert await test_db.fetch("SELECT count(*) FROM rollup_work") == marks
    assert await merge(test_db) == 0
    await assert_answers(test_db, checks, BEGIN, END)


async def test_several_batches_of_minutes_are_written_at_once(test_db: Database) -> None:
    """A transaction that wrote them one after the other could wait for a replica that waits for it."""
    checks = some_checks(14, ["a"])
    moments = sorted(checks)
    batches = [rows_of({moment: checks[moment]}) for moment in moments[:5]]
    await test_db.fetch(INSERT_ROLLUPS, f"[{','.join(batches)}]")
    await assert_answers(test_db, {moment: checks[moment] for moment in moments[:5]}, BEGIN, END)
    await test_db.fetch(INSERT_ROLLUPS, "[[], []]")


async def test_minutes_that_come_late_are_counted_before_and_after_they_are_merged(test_db: Database) -> None:
    early, late = some_checks(6, ["a"]), some_checks(7, ["a", "c"])
    late = {moment: late[moment] for moment in random.Random(8).sample(sorted(late), 50)}
    await insert(test_db, early)
    await merge(test_db)
    await insert(test_db, late, part=2)
    both = {moment: [*early.get(moment, []), *late.get(moment, [])] for moment in early.keys() | late.keys()}
    await assert_answers(test_db, both, BEGIN, END)
    assert await merge(test_db) > 0
    assert await merge(test_db) == 0
    await assert_answers(test_db, both, BEGIN, END)
    await assert_answers(test_db, both, BEGIN, BEGIN + 3 * DAY)


async def test_hours_that_a_former_version_has_merged_are_read_as_well(test_db: Database) -> None:
    """Their buckets are in random order, so that those of whole checks are not obvious among the others."""
    checks = some_checks(15, ["a", "b", "c"])
    await insert(test_db, checks)
    await merge(test_db)
    assert await test_db.fetch("SELECT FROM rollups WHERE period_seconds > 60 AND packed IS NULL") == []
    await test_db.execute_query("UPDATE rollups SET packed = NULL WHERE target = 'b'")
    shuffled = """
UPDATE rollups SET packed = NULL, (keys, counts) = (
    SELECT array_agg(key ORDER BY md5(key::text)), array_agg(count ORDER BY md5(key::text))
    FROM unnest(keys, counts) AS bucket (key, count)
)
WHERE period_seconds > 60 AND target = 'a'
"""
    await test_db.execute_query(shuffled)
    await assert_answers(test_db, checks, BEGIN + 30 * MINUTE, END)


class ParallelDatabase(Database):
    """A database whose server splits any query over parallel workers."""

    async def operate(self, operation: Callable[[Connection], Awaitable[Any]], *arguments: Any) -> Any:
        async def shared(connection: Connection) -> Any:
            await connection.execute(
                "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0"
            )
            return await operation(connection)

        return await super().operate(shared, *arguments)


async def test_several_processes_of_a_server_add_up_the_same(test_db: Database, db_config: str) -> None:
    checks = some_checks(16, ["a", "b", "c"])
    await insert(test_db, checks)
    await merge(test_db)
    await test_db.execute_query("UPDATE rollups SET packed = NULL WHERE target = 'b'")
    database = ParallelDatabase(db_config)
    await database.connect()
    sums = "watcher_joined(results::text), watcher_joined(keys), watcher_joined(counts), watcher_added(packed)"
    plan = f"EXPLAIN SELECT target, {sums} FROM rollups GROUP BY target"
    assert "Partial" in str(await database.operate(lambda connection: connection.fetch(plan)))
    found = await whole_rollups(database, BEGIN + 30 * MINUTE, END)
    await database.close()
    assert_same(found, await rollups_between(test_db, BEGIN + 30 * MINUTE, END))


async def test_only_some_targets_can_be_asked_for(test_db: Database) -> None:
    await insert(test_db, some_checks(9, ["a", "b", "c"]))
    assert {target for target, _ in await rollups_between(test_db, BEGIN, END, ["c", "a", "no such"])} == {"a", "c"}
    assert await rollups_between(test_db, BEGIN, END, []) == {}
    assert await rollups_between(test_db, END, BEGIN) == {}


def one_check(began_at: datetime, microseconds: int) -> Checks:
    return {began_at: [Measurement("a", "here", "up", [microseconds] * 6)]}


async def test_minutes_whose_transaction_is_open_are_not_missed(test_db: Database) -> None:
    early, late = one_check(BEGIN, 1000), one_check(BEGIN + MINUTE, 3000)
    await merge(test_db)  # only partitions, so far
    await insert(test_db, early)
    async with trio.open_nursery() as nursery:
        writing = Held(test_db, INSERT_ROLLUPS, rows_of(late))
        await nursery.start(writing.run)
        assert await merge(test_db) == 1  # the hour; it is still marked, since its day waits
        writing.end()
    await assert_answers(test_db, early | late, BEGIN, BEGIN + HOUR)
    assert await merge(test_db) == 2
    assert await test_db.fetch("SELECT FROM rollup_work") == []
    await assert_answers(test_db, early | late, BEGIN, BEGIN + HOUR)
    await assert_answers(test_db, early | late, BEGIN, BEGIN + DAY)


async def test_minutes_that_come_while_their_hour_is_merged_are_not_missed(test_db: Database) -> None:
    early, late = one_check(BEGIN, 1000), one_check(BEGIN + MINUTE, 3000)
    await merge(test_db)  # only partitions, so far
    await insert(test_db, early)
    async with trio.open_nursery() as nursery:
        # The merge has read its minutes when it reaches this table.
        locking = Held(test_db, "LOCK TABLE rollups_hours_2025_11 IN SHARE MODE")
        await nursery.start(locking.run)
        nursery.start_soon(merge, test_db)
        with trio.fail_after(30):
            while await test_db.fetch("SELECT FROM pg_locks WHERE NOT granted") == []:
                pass
        await insert(test_db, late)
        locking.end()
    assert [row["period_seconds"] for row in await test_db.fetch("SELECT * FROM rollup_work ORDER BY 1")] == [
        3600,
        86_400,
    ]
    assert await periods(test_db) == {60: 2, 3600: 1}
    await assert_answers(test_db, early | late, BEGIN, BEGIN + HOUR)
    assert await merge(test_db) == 2
    await assert_answers(test_db, early | late, BEGIN, BEGIN + DAY)


async def test_a_target_takes_the_name_of_another(test_db: Database) -> None:
    checks = some_checks(10, ["old", "new", "other"])
    await insert(test_db, checks)
    await merge(test_db)
    await _rename(test_db, "old", "new")
    await _rename(test_db, "no such", "new")
    await _rename(test_db, "other", "other")
    renamed = {
        moment: [check._replace(target="new") if check.target == "old" else check for check in kept]
        for moment, kept in checks.items()
    }
    assert await periods(test_db, "old") == {}
    await assert_answers(test_db, renamed, BEGIN, END)
    await assert_answers(test_db, renamed, BEGIN + 30 * MINUTE, BEGIN + 2 * DAY + 17 * MINUTE)
    before = await periods(test_db)
    await merge(test_db)
    assert await periods(test_db) == before


async def _rename(database: Database, old: str, new: str) -> None:
    async def rename(connection: Connection) -> None:
        async with connection.transaction():
            await rename_rollups(connection, old, new)

    await database.operate(rename)


async def test_an_hour_whose_minutes_are_dropped_is_read_whole(test_db: Database) -> None:
    checks = some_checks(11, ["a"])
    await insert(test_db, checks)
    await merge(test_db)
    later = BEGIN + 9 * DAY + HOUR  # the first day's minutes are dropped
    await keep_up(test_db, KEEP_FAILURES, BEGIN)  # its partition, as it would have been made
    await merge(test_db, later)
    names = {row["relname"] for row in await test_db.fetch("SELECT relname FROM pg_class")}
    assert "rollups_minutes_2025_11_20" not in names
    assert (await test_db.fetch("SELECT min(began_at) FROM rollups WHERE period_seconds = 60"))[0]["min"] >= BEGIN + DAY
    since, until = BEGIN + 90 * MINUTE, BEGIN + 5 * HOUR + MINUTE
    answers = await rollups_between(test_db, since, until)
    [expected] = within(checks, BEGIN + HOUR, BEGIN + 6 * HOUR).values()
    assert_true_of(answers["a", "here"], expected)
    [means] = (await means_by_bucket(test_db, BEGIN, BEGIN + 6 * HOUR, 3)).values()
    assert None not in means


async def test_late_minutes_of_a_dropped_hour_are_added_once(test_db: Database) -> None:
    checks = some_checks(12, ["a"])
    await insert(test_db, checks)
    await keep_up(test_db, KEEP_FAILURES, BEGIN)
    later = BEGIN + 9 * DAY + HOUR
    await merge(test_db, later)
    late = {BEGIN + 7 * HOUR + 3 * MINUTE: [Measurement("a", "here", "status", [5000] * 6)]}
    await insert(test_db, late, part=9)
    assert await merge(test_db, later) == 2
    assert await merge(test_db, later) == 0
    moment = next(iter(late))
    both = {**checks, moment: [*checks.get(moment, []), *late[moment]]}
    await assert_answers(test_db, both, BEGIN + 7 * HOUR, BEGIN + 8 * HOUR)
    await assert_answers(test_db, both, BEGIN, BEGIN + DAY)


@pytest.mark.parametrize(("window", "buckets"), [(DAY, 24), (3 * HOUR, 7), (3 * DAY, 6)])
async def test_means_follow_a_window(test_db: Database, window: timedelta, buckets: int) -> None:
    checks = some_checks(13)
    await insert(test_db, checks)
    await merge(test_db)
    since = BEGIN + 2 * HOUR if window <= DAY else BEGIN
    means = await means_by_bucket(test_db, since, since + window, buckets)
    assert means.keys() == {("a", "here"), ("b", "here")}
    exact: dict[TargetPlace, list[list[int]]] = {key: [[] for _ in range(buckets)] for key in means}
    for began_at in checks:
        if since <= began_at < since + window:
            place = int((began_at - since) * buckets / window)
            for check in checks[began_at]:
                exact[check.target, check.location][place] += durations([check], 0)
    for key, line in means.items():
        assert line == [pytest.approx(sum(part) / len(part) / 1000) if part else None for part in exact[key]]


async def test_means_of_other_targets_and_of_nothing(test_db: Database) -> None:
    first, last = (Measurement("a", "here", result, [2000] * 6) for result in ("up", "local"))
    await insert(test_db, {BEGIN: [first], BEGIN + 50 * MINUTE: [last]})
    assert await means_by_bucket(test_db, BEGIN, BEGIN + HOUR, 3) == {("a", "here"): [2, None, None]}
    assert await means_by_bucket(test_db, BEGIN, BEGIN + HOUR, 3, ["b"]) == {}
    assert await means_by_bucket(test_db, BEGIN + DAY, BEGIN + 2 * DAY, 3) == {}
    assert await means_by_bucket(test_db, BEGIN, BEGIN, 3) == {}

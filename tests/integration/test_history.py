"""The history as it is read, streamed and renamed, from a real PostgreSQL."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.doubles import MOMENT, a_failure, a_target
from tests.integration.history_rows import put_alive, put_failures, put_flips, put_rollup, put_state
from tests.pipeline import a_registration
from tests.rounds import rounds
from watcher.model.state import State
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import Database, open_database
from watcher.postgres.errors import DatabaseUnavailableError, StorageError
from watcher.postgres.queries.rename_target import KEEP_RENAMES, Renamed, RenameRefusedError, rename_target
from watcher.postgres.queries.states_and_flips import (
    alive_at_by_location,
    flips_between,
    present_states,
)
from watcher.postgres.queries.streaming import BATCH_ROWS, stream_history
from watcher.postgres.tables.failures import failures_query
from watcher.postgres.tables.partitions import KEEP_FAILURES
from watcher.postgres.upkeep.upkeep import keep_up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from watcher.history.rollup import TargetPlace
    from watcher.model.state import Flip

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OUTBOX = uuid.UUID(int=1)
TARGETS = 1000
QUERY_SECONDS = 0.05
# Three times what `_COUNT` takes on one core of 2026; a slower machine has proportionally more for the others.
COUNTING_SECONDS = 0.02
_COUNT = "SELECT sum(number) FROM generate_series(1, 50000) AS number"

_A_YEAR = """
INSERT INTO flips (id, target, location, at, confirmed_at, state, before)
SELECT gen_random_uuid(), 'site ' || target, 'default', at, at, 'up', 'down'
FROM generate_series(1, $1) AS target,
     generate_series($2::timestamptz - interval '365 days', $2, interval '365 days' / $3::int) AS at
"""
FLIPS_OF_A_TARGET = rounds(73, many=365)


def letters_of(flips: list[Flip]) -> str:
    """Return the first letters of the states."""
    return "".join(str(flip.state)[0] for flip in flips)


async def test_states_come_by_name_and_without_those_that_are_watched_no_more(test_db: Database) -> None:
    await put_state(test_db, "b", "down", since=MOMENT, why=("status", "503"))
    await put_state(test_db, "a", location="eu")
    await put_state(test_db, "gone", "paused", watched=False)
    first, second = await present_states(test_db)
    assert (first.target, first.location, first.state, first.since) == ("a", "eu", State.UP, None)
    assert (second.target, second.state, second.since) == ("b", State.DOWN, MOMENT)
    assert (second.reason, second.detail, second.group) == ("status", "503", "shop")
    assert [one.target for one in await present_states(test_db, with_unwatched=True)] == ["a", "b", "gone"]
    assert [one.target for one in await present_states(test_db, ["b", "gone"])] == ["b"]
    await put_alive(test_db, MOMENT, location="eu")
    assert await alive_at_by_location(test_db) == {"eu": MOMENT}


async def test_the_flips_of_a_window_and_the_last_one_before_it(test_db: Database) -> None:
    for target in ("a", "b"):
        await put_state(test_db, target, watched=target == "a")
        await put_flips(test_db, target, "UDU?DUp", MOMENT, step=HOUR)
    await put_state(test_db, "a", location="eu")
    await put_flips(test_db, "a", "UD", MOMENT, location="eu", step=HOUR)
    await put_state(test_db, "new")
    since, until = MOMENT + 2.5 * HOUR, MOMENT + 5 * HOUR
    flips = await flips_between(test_db, since, until)
    assert {key: letters_of(found) for key, found in flips.items()} == {
        ("a", "default"): "uud",
        ("b", "default"): "uud",
        ("a", "eu"): "d",
    }
    [first, *_] = flips["a", "default"]
    assert first.at == MOMENT + 2 * HOUR
    assert flips["a", "eu"][0].cause is not None
    assert set(await flips_between(test_db, since, until, ["b"])) == {("b", "default")}
    at_the_flip = await flips_between(test_db, MOMENT + HOUR, MOMENT + 2 * HOUR, ["b"])
    assert letters_of(at_the_flip["b", "default"]) == "d"


async def test_a_year_of_a_thousand_targets_is_read_at_once(test_db: Database) -> None:
    """With a flip of each target every five days, or with `THOROUGH=1` in the environment every day."""
    await test_db.fetch(_A_YEAR, TARGETS, MOMENT, FLIPS_OF_A_TARGET, limit_seconds=600)
    await test_db.fetch(
        "INSERT INTO states (target, location) SELECT 'site ' || n, 'default' FROM generate_series(1, $1) AS n", TARGETS
    )
    await put_alive(test_db, MOMENT)
    await test_db.fetch("ANALYZE", limit_seconds=60)
    slowness = max(1.0, await _seconds(lambda: test_db.fetch(_COUNT)) / COUNTING_SECONDS)
    assert await _seconds(lambda: present_states(test_db)) < slowness * QUERY_SECONDS
    assert await _seconds(lambda: alive_at_by_location(test_db)) < slowness * QUERY_SECONDS
    assert await _seconds(lambda: flips_between(test_db, MOMENT - HOUR, MOMENT, ["site 7"])) < slowness * QUERY_SECONDS
    found: dict[TargetPlace, list[Flip]] = {}

    async def read() -> None:
        found.update(await flips_between(test_db, MOMENT - DAY, MOMENT))

    # A thousand flips become a thousand objects; on the server it takes a fifth of the time.
    assert await _seconds(read) < 2 * slowness * QUERY_SECONDS
    assert len(found) == TARGETS


async def test_failures_are_filtered(test_db: Database) -> None:
    await put_failures(test_db, "a", 3, MOMENT)
    await put_failures(test_db, "a", 2, MOMENT + HOUR, reason="timeout")
    await put_failures(test_db, "b", 1, MOMENT, location="eu", reason="timeout")

    async def count(**filters: Any) -> int:
        return len(await test_db.failures(limit=100, **filters))

    assert await count() == 6
    assert await count(target="a") == 5
    assert await count(reason="timeout") == 3
    assert await count(reason="timeout", target="a", until=MOMENT + HOUR + timedelta(seconds=1)) == 1
    assert await count(location="eu") == 1
    assert await count(since=MOMENT + HOUR) == 2
    assert await count(since=MOMENT, until=MOMENT) == 0
    for filters in ({"target": "a"}, {}):
        pages, before = list[list[dict[str, Any]]](), None
        while not pages or pages[-1]:
            pages.append(await test_db.failures(limit=2, before=before, **filters))
            before = (pages[-1][-1]["scheduled_at"], pages[-1][-1]["id"]) if pages[-1] else None
        assert [row for page in pages for row in page] == await test_db.failures(limit=100, **filters)
    assert await count(targets=["b", "c"]) == 1
    [row] = await test_db.failures(limit=1, location="eu")
    assert row["headers"] == {"server": "nginx"}
    assert row["phases_ms"]["connect"] == 12.0


async def test_the_newest_failures_are_read_in_the_order_of_the_primary_key(test_db: Database) -> None:
    make = "SELECT watcher_make_partition('failures', $1, 'scheduled_at', $2, $3)"
    for number in range(3):
        begin = MOMENT + number * DAY
        await test_db.fetch(make, f"failures_{number}", begin, begin + DAY)
        await put_failures(test_db, "a", 5000, begin)
    await test_db.fetch("ANALYZE failures", limit_seconds=60)
    for filters in ({}, {"reason": "status"}, {"since": MOMENT + DAY}):
        query, *arguments = failures_query(limit=10, **filters)
        plan = [row["QUERY PLAN"] for row in await test_db.fetch(f"EXPLAIN {query}", *arguments)]
        assert not [line for line in plan if "Sort  " in line], plan
        assert [line for line in plan if "Index Scan Backward" in line], plan


@pytest.mark.smoke
async def test_the_history_is_streamed_in_batches(test_db: Database) -> None:
    await put_flips(test_db, "a", "UDUD", MOMENT, step=HOUR)
    await put_failures(test_db, "a", BATCH_ROWS + 7, MOMENT)
    taken: list[tuple[str, list[dict[str, Any]]]] = []
    expected: list[int] = []
    await stream_history(
        test_db, MOMENT, MOMENT + 3 * HOUR, lambda kind, rows: taken.append((kind, [*rows])), expect=expected.append
    )
    assert expected == [3 + BATCH_ROWS + 7]
    assert [(kind, len(rows)) for kind, rows in taken] == [("flip", 3), ("failure", BATCH_ROWS), ("failure", 7)]
    assert [row["at"] - MOMENT for row in taken[0][1]] == [0 * HOUR, HOUR, 2 * HOUR]
    times = [row["scheduled_at"] for _, rows in taken[1:] for row in rows]
    assert times == sorted(times)
    assert taken[1][1][0]["headers"] == {"server": "nginx"}


async def test_an_exception_of_the_taker_ends_the_streaming(test_db: Database) -> None:
    await put_failures(test_db, "a", 3 * BATCH_ROWS, MOMENT)
    batches = 0

    def take(_kind: str, _rows: list[dict[str, Any]]) -> None:
        nonlocal batches
        batches += 1
        if batches == 2:
            raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        await stream_history(test_db, MOMENT, MOMENT + DAY, take)
    assert batches == 2
    await test_db.ping()
    assert test_db.statistics()["idle"] == test_db.statistics()["connections"]


async def test_a_database_that_goes_away_in_the_middle_is_not_read_again(test_db: Database) -> None:
    """A reader that got some rows must not get them twice."""
    await put_failures(test_db, "a", 20 * BATCH_ROWS, MOMENT)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%scheduled_at, id%' AND pid <> $1"

    async def end_it() -> None:
        [row] = await test_db.fetch("SELECT pg_backend_pid() AS pid")
        await test_db.fetch(end, row["pid"])

    with pytest.raises(StorageError, match="in the middle") as caught:
        await stream_history(test_db, MOMENT, MOMENT + DAY, lambda *_: trio.from_thread.run(end_it))
    assert not isinstance(caught.value, DatabaseUnavailableError)


async def test_a_database_that_was_never_there_may_be_read_again(db_config: str) -> None:
    async with open_bridge(), open_database("postgresql://user:password@127.0.0.1:1/database") as database:
        with pytest.raises(DatabaseUnavailableError):
            await stream_history(database, MOMENT, MOMENT + DAY, lambda *_: None)


async def test_streaming_can_be_cancelled_without_a_taker(test_db: Database) -> None:
    await put_failures(test_db, "a", 3 * BATCH_ROWS, MOMENT)
    stuck, release = trio.Event(), trio.Event()

    def take(*_: object) -> None:
        trio.from_thread.run_sync(stuck.set)
        with suppress(trio.Cancelled):
            trio.from_thread.run(release.wait)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream_history, test_db, MOMENT, MOMENT + DAY, take)
            await stuck.wait()
            nursery.cancel_scope.cancel()
        await test_db.ping()


@pytest.mark.smoke
async def test_renaming_joins_everything_of_a_name(test_db: Database) -> None:
    await put_state(test_db, "old", "paused", watched=False)
    await put_flips(test_db, "old", "UDUp", MOMENT, step=HOUR)
    await put_failures(test_db, "old", 7, MOMENT)
    await put_rollup(test_db, "old", MOMENT.replace(second=0, microsecond=0), {"up": 3})
    await put_state(test_db, "new", "up")
    await put_flips(test_db, "new", "U", MOMENT + 4 * HOUR)
    await put_failures(test_db, "other", 1, MOMENT)
    ids = {row["id"] for row in await test_db.failures(target="old")}
    renamed = await rename_target(test_db, "old", "new")
    assert renamed == Renamed(failures=7, flips=4, states=0, rollups=1, flips_left_out=0, states_left_out=1)
    assert {row["id"] for row in await test_db.failures(target="new")} == ids
    assert [(one.target, one.state) for one in await present_states(test_db, with_unwatched=True)] == [
        ("new", State.UP)
    ]
    flips = await flips_between(test_db, MOMENT, MOMENT + DAY)
    assert {key: letters_of(found) for key, found in flips.items()} == {("new", "default"): "udupu"}
    assert await test_db.fetch("SELECT target FROM rollups") == [{"target": "new"}]
    with pytest.raises(RenameRefusedError, match="old has no history"):
        await rename_target(test_db, "old", "new")


async def test_a_name_without_a_state_takes_the_old_one(test_db: Database) -> None:
    await put_state(test_db, "old", "paused", watched=False)
    await put_state(test_db, "old", "down", location="eu", watched=False)
    await put_state(test_db, "new", "up")
    renamed = await rename_target(test_db, "old", "new")
    assert (renamed.states, renamed.states_left_out) == (1, 1)
    assert {(one.target, one.location, one.state) for one in await present_states(test_db, with_unwatched=True)} == {
        ("new", "default", State.UP),
        ("new", "eu", State.DOWN),
    }


async def test_where_both_names_were_watched_the_flips_of_the_new_one_hold(test_db: Database) -> None:
    """Joined, the last flip of the old name would pause the new one for ever."""
    await put_state(test_db, "old", "paused", watched=False)
    await put_flips(test_db, "old", "UDUUp", MOMENT, step=HOUR)
    await put_state(test_db, "new", "up")
    await put_flips(test_db, "new", "U", MOMENT + 1.5 * HOUR)
    renamed = await rename_target(test_db, "old", "new")
    assert (renamed.flips, renamed.flips_left_out) == (2, 2)
    flips = await flips_between(test_db, MOMENT, MOMENT + DAY)
    assert letters_of(flips["new", "default"]) == "udu"


async def test_names_that_followed_each_other_are_joined_without_a_loss(test_db: Database) -> None:
    for name, hours in (("first", 0), ("second", 4), ("third", 8)):
        await put_state(test_db, name, "paused", watched=False)
        await put_flips(test_db, name, "Up", MOMENT + hours * HOUR, step=HOUR)
    for old in ("first", "second"):
        assert (await rename_target(test_db, old, "third")).flips_left_out == 0
    flips = await flips_between(test_db, MOMENT, MOMENT + DAY)
    assert letters_of(flips["third", "default"]) == "upupup"


async def test_a_watched_target_is_not_renamed(test_db: Database) -> None:
    await put_state(test_db, "old", "paused", watched=False)
    await put_state(test_db, "old", location="eu")
    await put_failures(test_db, "old", 1, MOMENT)
    with pytest.raises(RenameRefusedError, match="still watched; give it its new name in the config file first"):
        await rename_target(test_db, "old", "new")
    assert len(await test_db.failures(target="old")) == 1


async def test_a_renaming_that_fails_changes_nothing(test_db: Database) -> None:
    await test_db.log_failure(a_failure("old"))
    await put_flips(test_db, "old", "UD", MOMENT)
    await test_db.fetch("ALTER TABLE flips ADD CONSTRAINT no_new CHECK (target <> 'new')")
    with pytest.raises(StorageError):
        await rename_target(test_db, "old", "new")
    assert len(await test_db.failures(target="old")) == 1


async def put_late(database: Database, target: str) -> None:
    """Insert what an outbox has of a target from before it was renamed, in the order in which it arrives."""
    await put_failures(database, target, 2, MOMENT - HOUR)
    await put_flips(database, target, "UDp", MOMENT - HOUR)
    await put_state(database, target, "paused", watched=False)
    await put_rollup(database, target, (MOMENT - HOUR).replace(second=0, microsecond=0), {"up": 3})


async def targets_with_a_history(database: Database) -> set[str]:
    names: set[str] = set()
    for table in ("failures", "flips", "states", "rollups"):
        names |= {row["target"] for row in await database.fetch(f"SELECT target FROM {table}")}
    return names


async def test_late_rows_follow_the_renamed_target(test_db: Database) -> None:
    await register(test_db, "old")
    await register(test_db, "new")
    await rename_target(test_db, "old", "new")
    await put_late(test_db, "old")
    await put_flips(test_db, "new", "U", MOMENT)
    await put_late(test_db, "another that nobody watches")
    await keep_up(test_db, KEEP_FAILURES, MOMENT)
    assert await targets_with_a_history(test_db) == {"new", "another that nobody watches"}
    assert len(await test_db.failures(target="new")) == 2
    flips = await flips_between(test_db, MOMENT - DAY, MOMENT + DAY, ["new"])
    assert letters_of(flips["new", "default"]) == "udpu"
    assert [one.state for one in await present_states(test_db, ["new"])] == [State.PENDING]
    await put_failures(test_db, "old", 1, MOMENT)
    await keep_up(test_db, KEEP_FAILURES, MOMENT)
    assert len(await test_db.failures(target="new")) == 3


async def test_late_rows_follow_two_renames_to_the_last_name(test_db: Database) -> None:
    for target in ("first", "second", "third"):
        await register(test_db, target)
    await rename_target(test_db, "first", "second")
    await rename_target(test_db, "second", "third")
    for target in ("first", "second"):
        await put_failures(test_db, target, 1, MOMENT)
    await keep_up(test_db, KEEP_FAILURES, MOMENT)
    assert await targets_with_a_history(test_db) == {"third"}


async def test_a_target_that_was_renamed_back_stays_there(test_db: Database) -> None:
    for target in ("first", "second", "third"):
        await register(test_db, target)
    await rename_target(test_db, "first", "second")
    await rename_target(test_db, "second", "first")
    await put_failures(test_db, "second", 1, MOMENT)
    await keep_up(test_db, KEEP_FAILURES, MOMENT)
    assert await targets_with_a_history(test_db) == {"first", "third"}
    assert len(await test_db.failures(target="first")) == 1


async def test_a_reused_old_name_keeps_its_new_rows(test_db: Database) -> None:
    await register(test_db, "old")
    await register(test_db, "new")
    await rename_target(test_db, "old", "new")
    await register(test_db, "old", "new")
    await put_failures(test_db, "old", 1, MOMENT)
    await keep_up(test_db, KEEP_FAILURES, MOMENT)
    await register(test_db, "new")
    await keep_up(test_db, KEEP_FAILURES, MOMENT)
    assert len(await test_db.failures(target="old")) == 1


async def test_a_renaming_is_forgotten_in_time(test_db: Database) -> None:
    await register(test_db, "old")
    await register(test_db, "new")
    await rename_target(test_db, "old", "new")
    await test_db.fetch("UPDATE renames SET renamed_at = now() - $1::interval", KEEP_RENAMES)
    await keep_up(test_db, KEEP_FAILURES, datetime.now(UTC))
    assert await test_db.fetch("SELECT FROM renames") == []


async def register(database: Database, *names: str) -> None:
    """Register the watched targets in the database, as after a reload."""
    await database.operate(a_registration(*map(a_target, names), outbox=OUTBOX).register)


async def _seconds(read: Callable[[], Awaitable[object]]) -> float:
    """Return the best time that it takes: the machine is busy with other things."""
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        await read()
        best = min(best, time.perf_counter() - begin)
    return best

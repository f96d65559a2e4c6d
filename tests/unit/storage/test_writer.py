"""Failures on their way to the database, on a mock clock and a store in memory."""

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from tests.doubles import Store, a_failure
from watcher.model.outcome import Outcome
from watcher.storage.errors import DatabaseUnavailableError, SchemaTooNewError
from watcher.storage.writer import MAX_BATCH_ROWS, MAX_WAITING_FAILURES, PING_SECONDS, FailureWriter

AWAY = DatabaseUnavailableError("Connection refused")


class Told:
    """Notes of which failures the writer told, and whether they were stored."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.given_up: list[str] = []

    def __call__(self, outcome: Outcome, stored: bool) -> None:
        (self.stored if stored else self.given_up).append(outcome.target)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def writer(store: Store, told: Told) -> FailureWriter:
    return FailureWriter(store, told)


async def test_failures_are_stored_in_their_order_and_told_then(
    writer: FailureWriter, store: Store, told: Told
) -> None:
    names = [f"site {number}" for number in range(MAX_BATCH_ROWS + 5)]
    for name in names:
        writer.put(a_failure(name))
    writer.close()
    await writer.run()
    assert [outcome.target for outcome in store.rows.values()] == names
    assert told.stored == names
    assert store.batches == [MAX_BATCH_ROWS, 5]


async def test_a_database_that_is_away_costs_nothing_but_time(
    writer: FailureWriter, store: Store, told: Told, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    store.error = AWAY
    with capture_logs() as logs:
        nursery.start_soon(writer.run)
        writer.put(a_failure("first"))
        await trio.sleep(3600)
        writer.put(a_failure("second"))
        assert told.stored == []
        store.error = None
        came_back = trio.current_time()
        writer.close()
        while len(told.stored) < 2:
            await trio.testing.wait_all_tasks_blocked()
            await trio.sleep(0.1)
    assert trio.current_time() - came_back < 2
    assert told.stored == ["first", "second"]
    # One line for each change of state, whatever the number of tries.
    assert [entry["event"] for entry in logs] == ["database unavailable, failures wait", "database connected"]


async def test_an_idle_database_is_asked_whether_it_is_there(
    writer: FailureWriter, store: Store, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    with capture_logs() as logs:
        nursery.start_soon(writer.run)
        await trio.sleep(10 * PING_SECONDS)
        assert store.pings >= 9
        store.error = AWAY
        await trio.sleep(2 * PING_SECONDS)
        nursery.cancel_scope.cancel()
    assert [entry["event"] for entry in logs] == ["database connected", "database unavailable, failures wait"]


async def test_the_tables_are_made_again_after_each_outage(
    writer: FailureWriter, store: Store, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(writer.run)
    await trio.sleep(1)
    store.error = AWAY
    await trio.sleep(20)
    store.error = None
    await trio.sleep(20)
    assert store.initialised == 2
    nursery.cancel_scope.cancel()


async def test_past_the_bound_the_oldest_failures_are_given_up_and_told(writer: FailureWriter, told: Told) -> None:
    for number in range(MAX_WAITING_FAILURES + 2):
        writer.put(a_failure(f"site {number}"))
    assert told.given_up == ["site 0", "site 1"]


async def test_one_row_that_is_refused_does_not_hold_up_the_others(
    writer: FailureWriter, store: Store, told: Told
) -> None:
    store.refused = {"poison"}
    for name in ("before", "poison", "after"):
        writer.put(a_failure(name))
    writer.close()
    await writer.run()
    assert told.stored == ["before", "after"]
    assert told.given_up == ["poison"]
    assert [outcome.target for outcome in store.rows.values()] == ["before", "after"]


async def test_after_a_cancellation_everything_not_stored_still_waits(store: Store, told: Told) -> None:
    class Hanging(Store):
        async def log_failures(self, outcomes: object) -> None:
            await trio.sleep_forever()

    writer = FailureWriter(Hanging(), told)
    names = [f"site {number}" for number in range(5)]
    async with trio.open_nursery() as nursery:
        for name in names:
            writer.put(a_failure(name))
        nursery.start_soon(writer.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert told.stored == []
    assert writer.give_up() == 5
    assert told.given_up == names
    assert writer.give_up() == 0


async def test_a_newer_schema_ends_the_writer(writer: FailureWriter, store: Store) -> None:
    store.error = SchemaTooNewError("the database has schema 9")
    with pytest.raises(SchemaTooNewError):
        await writer.run()

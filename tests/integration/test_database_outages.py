"""The database goes away in every way a network knows, and comes back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import trio
import trio_asyncio
from structlog.testing import capture_logs

from tests.doubles import a_failure
from tests.integration.proxy import Proxy, open_proxy
from watcher.storage.bridge import CLOSE_SECONDS, COMMAND_SECONDS, CONNECT_SECONDS
from watcher.storage.db import Database, open_database
from watcher.storage.errors import DatabaseUnavailableError
from watcher.storage.writer import FailureWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.model.outcome import Outcome

pytestmark = pytest.mark.usefixtures("bridge")

RECOVERY_SECONDS = 5.0


@pytest.fixture
async def proxy(test_db: Database, db_config: str) -> AsyncIterator[Proxy]:
    async with open_proxy(db_config) as proxy:
        yield proxy


@pytest.fixture
async def database(proxy: Proxy) -> AsyncIterator[Database]:
    async with open_database(proxy.url()) as database:
        await database.ping()
        yield database


async def test_in_a_black_hole_an_operation_ends_at_its_deadline(proxy: Proxy, database: Database) -> None:
    proxy.freeze()
    started = trio.current_time()
    with pytest.raises(DatabaseUnavailableError, match="does not answer in time"):
        await database.log_failure(a_failure())
    assert trio.current_time() - started < COMMAND_SECONDS + 1


async def test_in_a_black_hole_a_connection_attempt_ends_at_its_deadline(proxy: Proxy) -> None:
    proxy.freeze()
    started = trio.current_time()
    async with open_database(proxy.url()) as database:
        with pytest.raises(DatabaseUnavailableError, match="does not answer in time"):
            await database.ping()
    assert trio.current_time() - started < CONNECT_SECONDS + 1


async def test_in_a_black_hole_a_cancellation_is_obeyed_at_once(proxy: Proxy, database: Database) -> None:
    proxy.freeze()
    started = trio.current_time()
    with trio.move_on_after(0.2) as scope:
        await database.execute_query("SELECT 1")
    assert scope.cancelled_caught
    assert trio.current_time() - started < 1
    statistics = database.statistics()
    assert statistics["connections"] == statistics["idle"]


async def test_in_a_black_hole_the_pool_closes_at_its_deadline(proxy: Proxy) -> None:
    async with trio.open_nursery() as nursery:
        async with open_database(proxy.url()) as database:
            await database.ping()
            proxy.freeze()
            nursery.start_soon(_ping, database)
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
            started = trio.current_time()
        assert trio.current_time() - started < CLOSE_SECONDS + 2


async def test_a_name_whose_lookup_hangs_holds_up_no_cancellation(bridge: None) -> None:
    """getaddrinfo runs in the loop's executor, where it cannot be cancelled, only left behind."""
    hung = threading.Event()
    loop = trio_asyncio.current_loop.get()

    async def look_up() -> None:
        await loop.run_in_executor(None, hung.wait)

    try:
        started = trio.current_time()
        with trio.move_on_after(0.1):
            await trio_asyncio.aio_as_trio(look_up)()
        assert trio.current_time() - started < 1
    finally:
        hung.set()


@pytest.mark.parametrize("outage", ["refused", "black hole"])
async def test_failures_of_an_outage_are_stored_within_seconds_of_its_end(
    proxy: Proxy, database: Database, test_db: Database, outage: str
) -> None:
    told: list[Outcome] = []
    writer = FailureWriter(database, lambda outcome, stored: told.append(outcome) if stored else None)
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            writer.put(a_failure("before"))
            await _until(lambda: len(told) == 1)
            await _go_away(proxy, outage)
            writer.put(a_failure("meanwhile"))
            await _until(lambda: len(logs) == 2)
            await _come_back(proxy, outage)
            came_back = trio.current_time()
            await _until(lambda: len(told) == 2)
            assert trio.current_time() - came_back < RECOVERY_SECONDS
            nursery.cancel_scope.cancel()
    assert [entry["event"] for entry in logs] == [
        "database connected",
        "database unavailable, failures wait",
        "database connected",
    ]
    assert {row["target"] for row in await test_db.failures()} == {"before", "meanwhile"}


async def _go_away(proxy: Proxy, outage: str) -> None:
    if outage == "refused":
        await proxy.shut()
    else:
        proxy.freeze()


async def _come_back(proxy: Proxy, outage: str) -> None:
    if outage == "refused":
        await proxy.open()
    else:
        proxy.thaw()


async def _ping(database: Database) -> None:
    await database.ping()


async def _until(condition: object) -> None:
    assert callable(condition)
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110  # the other side is a real server, which sets no event
            await trio.sleep(0.01)

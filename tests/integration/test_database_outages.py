"""The database fails in every way that a network can, and comes back."""

from __future__ import annotations

import secrets
import threading
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pytest
import trio
import trio.testing
import trio_asyncio
from structlog.testing import capture_logs

from tests.doubles import MOMENT, a_failure
from tests.hostile.harness import watching_for_stalls
from tests.integration.held import HELD_SECONDS, Held
from tests.pipeline import open_pipeline
from watcher.postgres.bridge import CLOSE_SECONDS, COMMAND_SECONDS, CONNECT_SECONDS
from watcher.postgres.db import Database, open_database
from watcher.postgres.errors import DatabaseUnavailableError
from watcher.postgres.schema import SCHEMA_LOCK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.proxy import Proxy

pytestmark = pytest.mark.usefixtures("bridge")

RECOVERY_SECONDS = 5.0
UNAVAILABLE, CONNECTED = "database unavailable, the outbox keeps new entries", "database connected"


@pytest.fixture
async def database(proxy: Proxy) -> AsyncIterator[Database]:
    async with open_database(proxy.url()) as database:
        await database.ping()
        yield database


async def test_in_a_black_hole_an_operation_ends_at_its_deadline(proxy: Proxy, database: Database) -> None:
    proxy.freeze()
    async with _taking_at_most(COMMAND_SECONDS + 1):
        with pytest.raises(DatabaseUnavailableError, match="does not answer in time"):
            await database.log_failure(a_failure())


async def test_a_stuck_creation_of_tables_does_not_delay_daemons_with_tables(
    test_db: Database, nursery: trio.Nursery
) -> None:
    """A lock outlives a lost network by hours; a drain looks at the tables whenever it restarts."""
    held = Held(test_db, "SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK)
    await nursery.start(held.run)
    with trio.fail_after(HELD_SECONDS / 2):
        await test_db.init_db()
    held.end()


async def test_in_a_black_hole_a_connection_attempt_ends_at_its_deadline(proxy: Proxy) -> None:
    proxy.freeze()
    async with _taking_at_most(CONNECT_SECONDS + 1), open_database(proxy.url()) as database:
        with pytest.raises(DatabaseUnavailableError, match="does not answer in time"):
            await database.ping()


@pytest.mark.smoke
async def test_in_a_black_hole_a_cancellation_is_obeyed_at_once(proxy: Proxy, database: Database) -> None:
    proxy.freeze()
    async with _taking_at_most(1):
        with trio.move_on_after(0.2) as scope:
            await database.execute_query("SELECT 1")
    assert scope.cancelled_caught
    statistics = database.statistics()
    assert statistics["connections"] == statistics["idle"]


async def test_in_a_black_hole_the_pool_closes_at_its_deadline(proxy: Proxy) -> None:
    async with watching_for_stalls() as stalls, trio.open_nursery() as nursery:
        async with open_database(proxy.url()) as database:
            await database.ping()
            proxy.freeze()
            nursery.start_soon(_ping, database)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            started = trio.current_time()
        taken = trio.current_time() - started
    assert taken < CLOSE_SECONDS + 2 + stalls.longest_seconds


async def test_a_hanging_lookup_does_not_delay_a_cancellation(bridge: None) -> None:
    """getaddrinfo runs in the loop's executor, where it cannot be cancelled, only abandoned."""
    hung = threading.Event()
    loop = trio_asyncio.current_loop.get()

    async def look_up() -> None:
        await loop.run_in_executor(None, hung.wait)

    try:
        async with _taking_at_most(1):
            with trio.move_on_after(0.1):
                await trio_asyncio.aio_as_trio(look_up)()
    finally:
        hung.set()


@pytest.mark.smoke
@pytest.mark.parametrize("outage", ["refused", "black hole"])
async def test_failures_of_an_outage_are_stored_within_seconds_of_its_end(
    proxy: Proxy, database: Database, test_db: Database, tmp_path: Path, outage: str
) -> None:
    with open_pipeline(tmp_path, database) as pipeline, capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.drain.run, pipeline.ready)
            await pipeline.put([a_failure("before")])
            await _until(lambda: pipeline.drain.is_up and pipeline.outbox.rows == 0)
            await _go_away(proxy, outage)
            await pipeline.put([a_failure("meanwhile")])
            await _until(lambda: len(logs) == 2)
            assert pipeline.outbox.rows == 1
            await _come_back(proxy, outage)
            async with _taking_at_most(RECOVERY_SECONDS):
                await _until(lambda: pipeline.outbox.rows == 0)
            await _until(lambda: len(logs) == 3)
            nursery.cancel_scope.cancel()
    assert [entry["event"] for entry in logs] == [CONNECTED, UNAVAILABLE, CONNECTED]
    assert {row["target"] for row in await test_db.failures()} == {"before", "meanwhile"}


@pytest.fixture
async def role(test_db: Database) -> AsyncIterator[str]:
    """A role of the server with the password `old`, which other tests do not use.

    It may do what the tests' own role may, but is not a superuser: those have no limit of connections.
    """
    name = f"watcher_{secrets.token_hex(4)}"
    [owner] = await test_db.execute_query("SELECT current_user AS name")
    await test_db.execute_query(f"CREATE ROLE {name} LOGIN PASSWORD 'old' IN ROLE {owner['name']}")
    yield name
    await _end_connections(test_db, name)
    await test_db.execute_query(f"DROP ROLE {name}")


@pytest.fixture
async def database_of_role(proxy: Proxy, role: str) -> AsyncIterator[Database]:
    parts = urlsplit(proxy.url())
    url = urlunsplit(parts._replace(netloc=f"{role}:old@127.0.0.1:{proxy.port}"))
    async with open_database(url) as database:
        yield database


@pytest.mark.parametrize(
    ("spoil", "mend", "complaint"),
    [
        ("PASSWORD 'new'", "PASSWORD 'old'", "password authentication failed"),
        ("SET default_transaction_read_only = on", "RESET default_transaction_read_only", "read-only transaction"),
        ("NOLOGIN", "LOGIN", "not permitted to log in"),
        ("CONNECTION LIMIT 0", "CONNECTION LIMIT -1", "too many connections"),
    ],
)
async def test_reverted_changes_of_an_administrator_lose_nothing(
    database_of_role: Database, test_db: Database, role: str, tmp_path: Path, spoil: str, mend: str, complaint: str
) -> None:
    with open_pipeline(tmp_path, database_of_role) as pipeline, capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.drain.run, pipeline.ready)
            await pipeline.put([a_failure("before")])
            await _until(lambda: pipeline.drain.is_up and pipeline.outbox.rows == 0)
            nursery.cancel_scope.cancel()
        # With an idle drain, it meets the new settings, and not the end of a connection.
        await test_db.execute_query(f"ALTER ROLE {role} {spoil}")
        await _end_connections(test_db, role)
        await _until(lambda: database_of_role.statistics()["connections"] == 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.drain.run, pipeline.ready)
            await pipeline.put([a_failure("meanwhile")])
            await _until(lambda: len(logs) == 2)
            assert complaint in str(logs[1]["error"])
            assert pipeline.outbox.rows == 1
            await test_db.execute_query(f"ALTER ROLE {role} {mend}")
            await _until(lambda: pipeline.outbox.rows == 0)
            await _until(lambda: len(logs) == 3)
            nursery.cancel_scope.cancel()
    assert [entry["event"] for entry in logs] == [CONNECTED, UNAVAILABLE, CONNECTED]
    assert {row["target"] for row in await test_db.failures()} == {"before", "meanwhile"}


async def test_connections_that_are_ended_again_and_again_lose_nothing_and_double_nothing(
    database_of_role: Database, test_db: Database, role: str, tmp_path: Path
) -> None:
    rows = 3000
    ended = 0
    with open_pipeline(tmp_path, database_of_role) as pipeline, capture_logs():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.drain.run, pipeline.ready)
            await _until(lambda: pipeline.drain.is_up)  # there is a connection to end
            for first in range(0, rows, 100):
                await pipeline.put(
                    a_failure(at=MOMENT + timedelta(seconds=number)) for number in range(first, first + 100)
                )
                ended += await _end_connections(test_db, role)
            await _until(lambda: pipeline.outbox.rows == 0)
            nursery.cancel_scope.cancel()
    assert ended > 0
    [count] = await test_db.execute_query("SELECT count(*) AS rows FROM failures")
    assert count == {"rows": rows}


async def _end_connections(database: Database, role: str) -> int:
    """End the connections of a role, and return their number."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1"
    return len(await database.execute_query(query, role))


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


@asynccontextmanager
async def _taking_at_most(seconds: float) -> AsyncIterator[None]:
    """Expect a block to end in time, except for one pause of the machine, in which this process stood still."""
    async with watching_for_stalls() as stalls:
        started = trio.current_time()
        yield
        taken = trio.current_time() - started
    assert taken < seconds + stalls.longest_seconds


async def _until(condition: object) -> None:
    assert callable(condition)
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110  # the other side is a real server, which sets no event
            await trio.sleep(0.01)

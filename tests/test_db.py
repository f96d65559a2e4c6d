"""The real database: in a container if Docker is available, else the embedded one."""

from __future__ import annotations

import random
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio_asyncio
from structlog.testing import capture_logs

from tests.doubles import MOMENT, a_failure
from tests.integration.sites import serving
from watcher.model.outcome import Fault, Phases, Reason
from watcher.outbox.encoding import encode_failure, joined
from watcher.postgres.bridge import Pool, transaction
from watcher.postgres.db import Database, open_database, open_reading_database
from watcher.postgres.errors import DatabaseRefusedError, DatabaseUnavailableError, SchemaTooNewError
from watcher.postgres.tables.failures import INSERT_FAILURES

if TYPE_CHECKING:
    from watcher.model.outcome import Outcome
    from watcher.postgres.bridge import Connection

pytestmark = pytest.mark.usefixtures("bridge")

CANCELLATIONS = 600
HANG_SECONDS = 60


async def test_log_failure(test_db: Database) -> None:
    fault = Fault(Reason.DNS, "the name cannot be resolved: Name or service not known")
    failure = a_failure(
        "https://unexistedwebsite.com", address="https://unexistedwebsite.com", fault=fault, status_code=None
    )
    await test_db.log_failure(failure)
    [row] = await test_db.execute_query("SELECT * FROM failures")
    assert row.pop("phases_ms").startswith("{")
    assert row == {
        "id": failure.check_id,
        "target": "https://unexistedwebsite.com",
        "address": "https://unexistedwebsite.com",
        "location": "default",
        "scheduled_at": MOMENT,
        "started_at": MOMENT,
        "duration_ms": pytest.approx(143.2),
        "reason": "dns",
        "detail": "the name cannot be resolved: Name or service not known",
        "status_code": None,
        "excerpt": None,
        "headers": None,
        "notes": None,
    }


async def test_notes_are_stored_with_a_failure(test_db: Database) -> None:
    _, entry = encode_failure(a_failure())
    former = entry.removesuffix(', "notes": null}') + "}"  # as the outbox of a version without notes has it
    assert former != entry + "}"
    await test_db.fetch(INSERT_FAILURES, joined([former]))
    notes = ("the response has its Content-Length twice", 'NUL \0, lone surrogate \ud800, "quoted", {braces}')
    await test_db.log_failure(a_failure(at=MOMENT + timedelta(seconds=1), notes=notes))
    with_notes, without = await test_db.failures()
    assert with_notes["notes"] == [notes[0], r'NUL \x00, lone surrogate \ud800, "quoted", {braces}']
    assert without["notes"] == []


async def test_storing_a_failure_again_is_harmless(test_db: Database) -> None:
    failures = [a_failure(at=MOMENT + timedelta(seconds=number)) for number in range(10)]
    await test_db.log_failures(failures[:6])
    await test_db.log_failures(failures)
    assert len(await test_db.failures()) == 10


async def test_failures_come_newest_first_and_filtered(test_db: Database) -> None:
    await test_db.log_failures(
        [a_failure(name, at=MOMENT + timedelta(hours=hour)) for hour in range(3) for name in ("a", "b")]
    )
    newest = await test_db.failures(limit=2)
    assert {row["started_at"] for row in newest} == {MOMENT + timedelta(hours=2)}
    of_b = await test_db.failures(target="b", since=MOMENT + timedelta(hours=1))
    assert [row["started_at"] - MOMENT for row in of_b] == [timedelta(hours=2), timedelta(hours=1)]
    assert of_b[0]["phases_ms"] == Phases(0.0031, 0.012, 0.0402, 0.0801, 0.0078).as_milliseconds()


async def test_poison_text_is_stored_as_it_can_be(test_db: Database) -> None:
    poison = "NUL \0, lone surrogate \ud800, ESC \x1b, " + "x" * 1_000_000
    await test_db.log_failure(a_failure(fault=Fault(Reason.STATUS, poison)))
    [row] = await test_db.failures()
    assert row["detail"].startswith(r"NUL \x00, lone surrogate \ud800, ESC \x1b, xxx")
    assert len(row["detail"]) <= 500


async def test_unstorable_values_are_refused(test_db: Database) -> None:
    with pytest.raises(DatabaseRefusedError):
        await test_db.log_failure(a_failure(status_code=2**40))
    assert await test_db.failures() == []


async def test_execute_query_logs_errors_and_raises(test_db: Database) -> None:
    with capture_logs() as logs, pytest.raises(DatabaseUnavailableError, match="no_such_table"):
        await test_db.execute_query("SELECT *\nFROM no_such_table")
    [entry] = logs
    assert entry["log_level"] == "warning"
    assert entry["query"] == "SELECT * FROM no_such_table"
    assert await test_db.execute_query("SELECT $1::int AS number", 7) == [{"number": 7}]


async def test_replicas_that_start_at_once_make_the_tables_once(test_db: Database, db_config: str) -> None:
    await test_db.execute_query("DROP TABLE failures, watcher_schema")
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(_initialise, db_config)
    versions = [row["version"] for row in await test_db.execute_query("SELECT version FROM watcher_schema")]
    assert versions == list(range(1, 14))


async def test_the_tables_keep_their_rows_over_a_restart(test_db: Database) -> None:
    await test_db.log_failure(a_failure())
    await test_db.init_db()
    assert len(await test_db.failures()) == 1


async def test_a_table_that_was_dropped_is_made_anew(test_db: Database) -> None:
    await test_db.execute_query("DROP TABLE failures")
    await test_db.init_db()
    assert await test_db.failures() == []


@pytest.mark.parametrize(
    "table", ["flips", "states", "replicas", "rollups", "rollup_work", "renames", "outboxes", "notifications"]
)
async def test_any_other_table_that_was_dropped_is_made_anew_and_failures_stay(test_db: Database, table: str) -> None:
    await test_db.log_failure(a_failure())
    await test_db.execute_query(f"DROP TABLE {table}")
    await test_db.init_db()
    assert await test_db.execute_query(f"SELECT * FROM {table}") == []
    assert len(await test_db.failures()) == 1


async def test_flips_of_a_version_that_did_not_number_them_stay_as_they_are(test_db: Database) -> None:
    await test_db.execute_query("ALTER TABLE flips DROP COLUMN number")
    await test_db.execute_query("ALTER TABLE states DROP COLUMN flips")
    await test_db.execute_query("DELETE FROM watcher_schema WHERE version >= 6")
    flip = (uuid.UUID(int=7), "Checkout", "default", MOMENT, "up", "pending")
    columns = "id, target, location, at, state, before"
    await test_db.execute_query(
        f"INSERT INTO flips ({columns}, confirmed_at) VALUES ($1, $2, $3, $4, $5, $6, $4)", *flip
    )
    await test_db.init_db()
    [row] = await test_db.execute_query(f"SELECT {columns}, number FROM flips")
    assert tuple(row.values()) == (*flip, None)


async def test_connections_that_the_server_ends_at_bad_moments_are_only_unavailable(
    test_db: Database, db_config: str
) -> None:
    """The end of a connection can confuse asyncpg's state machine: InternalClientError."""
    ended = 0

    async def end_connections() -> None:
        nonlocal ended
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'watcher' AND pid <> $1"
        )
        async with open_database(db_config) as other:
            while True:
                with suppress(DatabaseUnavailableError):
                    [row] = await other.execute_query("SELECT pg_backend_pid() AS pid")
                    ended += len(await other.execute_query(query, row["pid"]))

    at_least_until = trio.current_time() + 4
    with capture_logs(), trio.fail_after(HANG_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(end_connections)
            while ended <= 10 or trio.current_time() < at_least_until:
                with suppress(DatabaseUnavailableError):
                    await test_db.log_failures([a_failure(f"site {n}", at=datetime.now(UTC)) for n in range(50)])
                with suppress(DatabaseUnavailableError):
                    await test_db.ping()
            nursery.cancel_scope.cancel()
    with trio.fail_after(HANG_SECONDS):
        while True:
            with suppress(DatabaseUnavailableError):
                await test_db.ping()
                break


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"E\x00\x00\x00\x05\x00",
        b"R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05IE\x00\x00\x00\x06\x00\x00",
        b"R\x00\x00\x00\x17\x00\x00\x00\nSCRAM-SHA-256\x00\x00R\x00\x00\x00\x0b\x00\x00\x00\x0bbad",
    ],
)
async def test_a_server_other_than_postgresql_is_only_unavailable(bridge: None, answer: bytes) -> None:
    async def talk(stream: trio.abc.Stream) -> None:
        while await stream.receive_some():
            await stream.send_all(answer or b"N")

    async with serving(talk) as port:
        url = f"postgresql://user:password@127.0.0.1:{port}/database?sslmode=disable"
        async with open_database(url, command_seconds=1) as database:
            with pytest.raises(DatabaseUnavailableError):
                await database.ping()


class BrokenConnections:
    """A pool of asyncpg whose server disconnects while it says goodbye, in a way that asyncpg does not expect."""

    async def close(self) -> None:
        raise BrokenPipeError


class PoolOfBroken(Pool):
    async def _open_pool(self) -> Any:
        return BrokenConnections()


async def test_a_server_that_goes_during_the_goodbye_breaks_nothing(bridge: None) -> None:
    pool = PoolOfBroken("postgresql://nobody@127.0.0.1:1/none")
    await pool.connect()
    await pool.close()


async def test_an_older_program_on_a_newer_schema_says_so(test_db: Database) -> None:
    await test_db.execute_query("INSERT INTO watcher_schema (version) VALUES (99)")
    with pytest.raises(SchemaTooNewError, match="schema 99"):
        await test_db.init_db()


async def test_a_program_goes_on_with_a_newer_schema_that_only_adds(test_db: Database) -> None:
    """As in a rolling upgrade: the first replica of the next version upgrades the tables."""
    newest = "SELECT version, usable_from FROM watcher_schema ORDER BY version DESC LIMIT 1"
    [row] = await test_db.execute_query(newest)
    known = row["version"]
    assert row["usable_from"] <= known
    [row] = await test_db.execute_query("SELECT usable_from FROM watcher_schema WHERE version = 11")
    assert row == {"usable_from": 10}, "as the file says"

    async def upgrade(usable_from: int | None) -> None:
        await test_db.execute_query("DELETE FROM watcher_schema WHERE version > $1", known)
        await test_db.execute_query("INSERT INTO watcher_schema VALUES ($1, now(), $2)", known + 1, usable_from)

    await test_db.execute_query("ALTER TABLE states ADD COLUMN of_the_next text NOT NULL DEFAULT ''")
    await upgrade(known)
    await test_db.init_db()
    await test_db.log_failure(a_failure())
    await test_db.execute_query("DROP TABLE renames")
    await test_db.init_db()
    assert await test_db.execute_query("SELECT * FROM renames") == []
    for usable_from in (known + 1, None):
        await upgrade(usable_from)
        with pytest.raises(SchemaTooNewError, match=f"schema {known + 1}"):
            await test_db.init_db()


async def test_random_cancellations_leave_the_pool_whole(test_db: Database) -> None:
    chance = random.Random(600)
    stored: list[Outcome] = []
    patience_seconds = 0.2

    async def operate(number: int) -> None:
        failure = a_failure(f"site {number}", at=datetime.now(UTC))
        with trio.move_on_after(chance.random() ** 2 * patience_seconds):
            if number % 3 == 0:
                await test_db.execute_query("SELECT pg_sleep(0.005)")
            elif number % 3 == 1:
                await test_db.init_db()  # a transaction
            else:
                await test_db.log_failure(failure)
                stored.append(failure)

    for batch in range(0, CANCELLATIONS, 12):
        stored_before = len(stored)
        async with trio.open_nursery() as nursery:
            for number in range(batch, batch + 12):
                nursery.start_soon(operate, number)
        # So that on any machine some are cancelled, and some not.
        patience_seconds *= 1.5 if len(stored) == stored_before else 0.9

    with trio.fail_after(HANG_SECONDS):  # a cancelled release finishes by itself
        while test_db.statistics()["connections"] != test_db.statistics()["idle"]:
            await test_db.ping()
    with trio.fail_after(HANG_SECONDS):  # every connection of the pool still works
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(test_db.ping)
    with trio.fail_after(HANG_SECONDS):  # the server notices the end of a connection with a delay
        while await _sessions(test_db, "idle in transaction%"):  # noqa: ASYNC110
            await trio.sleep(0.01)
    # A write that was not cancelled is stored; a cancelled one may be, which is why writing again is harmless.
    ids = {row["id"] for row in await test_db.failures(limit=CANCELLATIONS)}
    assert {failure.check_id for failure in stored} <= ids
    assert 0 < len(stored) < CANCELLATIONS / 3, "some were meant to be cut off, and some not"


async def test_an_error_inside_the_driver_ends_nothing(test_db: Database) -> None:
    """asyncio reports an error that no task waits for to the loop; trio-asyncio would raise it in the daemon."""
    loop = trio_asyncio.current_loop.get()
    with capture_logs() as logs:
        loop.call_soon(lambda: 1 / 0)
        await test_db.ping()
    assert [entry["event"] for entry in logs] == ["background error in the database driver"]


async def _initialise(url: str) -> None:
    async with open_database(url) as database:
        await database.init_db()


async def _sessions(database: Database, state: str) -> int:
    query = "SELECT count(*) AS sessions FROM pg_stat_activity WHERE state LIKE $1 AND application_name = 'watcher'"
    [row] = await database.execute_query(query, state)
    return int(row["sessions"])


async def test_the_server_itself_cancels_waits_for_a_lock(test_db: Database, db_config: str) -> None:
    """However often the client gives up and returns, no backend is left behind."""
    waiting = "SELECT count(*) AS backends FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    async with open_database(db_config, command_seconds=0.3) as impatient:

        async def try_again(connection: Connection) -> None:
            async with transaction(connection, limit_seconds=0.1):
                await connection.execute("LOCK TABLE failures IN ACCESS EXCLUSIVE MODE")
                with pytest.raises(DatabaseUnavailableError, match="timeout"):
                    await trio_asyncio.trio_as_aio(impatient.log_failure)(a_failure())

        await test_db.operate(try_again)
    [row] = await test_db.fetch(waiting)
    assert row == {"backends": 0}


async def test_readers_delay_no_writer_and_the_server_stops_them(test_db: Database, db_config: str) -> None:
    """However many ask, and for however long: they have their own connections, and none once they are closed."""
    sleep = "SELECT pg_sleep(3600)"
    asleep = "SELECT count(*) AS number FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
    told = []

    async def read(database: Database) -> None:
        async def operation(connection: Connection) -> None:
            async with transaction(connection, limit_seconds=None, readonly=True):
                await connection.execute(sleep, timeout=HANG_SECONDS)

        with pytest.raises(DatabaseUnavailableError) as raised:
            await database.operate(operation, HANG_SECONDS)
        told.append(str(raised.value))

    async with open_reading_database(db_config, connections=2, most_seconds=1.0) as database:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(read, database)
            with trio.fail_after(HANG_SECONDS):
                while (await test_db.fetch(asleep, sleep)) != [{"number": 2}]:
                    pass
            await test_db.log_failure(a_failure())  # the daemon's own are free
        assert "statement timeout" in " ".join(told)
        assert database.statistics() == {"connections": 2, "idle": 2}
    assert database.statistics() == {"connections": 0, "idle": 0}


async def test_a_connection_that_is_cut_has_the_server_cancel(test_db: Database) -> None:
    query = "SELECT pg_sleep(3600)"
    with trio.move_on_after(0.3):
        await test_db.fetch(query, limit_seconds=3600)
    with trio.fail_after(HANG_SECONDS):
        while await test_db.fetch("SELECT FROM pg_stat_activity WHERE query = $1 AND state = 'active'", query):
            pass


async def test_commits_are_on_disk_whatever_the_settings_of_the_server(test_db: Database) -> None:
    async def setting_within(connection: Connection) -> str:
        await connection.execute("SET synchronous_commit = off")
        async with transaction(connection):
            return str(await connection.fetchval("SHOW synchronous_commit"))

    assert await test_db.operate(setting_within) == "on"

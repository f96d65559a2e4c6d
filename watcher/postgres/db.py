"""The PostgreSQL database as the rest of watcher uses it; `bridge.py` has the connections."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import structlog

from watcher.outbox.encoding import encode_failure, joined
from watcher.postgres.bridge import COMMAND_SECONDS, Pool, transaction
from watcher.postgres.errors import DatabaseRefusedError, DatabaseUnavailableError
from watcher.postgres.schema import SCHEMA_SECONDS, apply_schema
from watcher.postgres.tables.failures import INSERT_FAILURES, decode_failure, failures_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from watcher.model.outcome import Outcome
    from watcher.postgres.bridge import Connection

Result = TypeVar("Result")

log = structlog.get_logger()


@asynccontextmanager
async def open_database(
    url: str, *, command_seconds: float = COMMAND_SECONDS, **bounds: Any
) -> AsyncIterator[Database]:
    """Open a database for a block; the server need not be reachable yet.

    This is a trio-flavoured function. Its arguments are those of `Database`.
    """
    database = Database(url, command_seconds=command_seconds, **bounds)
    await database.connect()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_reading_database(url: str, *, connections: int, most_seconds: float) -> AsyncIterator[Database]:
    """Open a database for reading only, for a block; at its end the connections are cut at once.

    This is a trio-flavoured function.

    Args:
        url: as that of `Database`.
        connections: the most connections.
        most_seconds: the longest that any operation, and any statement on the server, may take.
    """
    bounds = {"command_seconds": most_seconds, "most_seconds": most_seconds}
    database = Database(url, connections=connections, reads=True, **bounds)
    await database.connect()
    try:
        yield database
    finally:
        await database.cut()


class Database:
    """A PostgreSQL server: a pool of connections, opened when first needed and reopened when lost.

    All methods are trio-flavoured and need `open_bridge` around them. Those that talk to the server raise
    DatabaseUnavailableError or DatabaseRefusedError; a cancellation leaves the pool usable.
    """

    def __init__(self, url: str, *, command_seconds: float = COMMAND_SECONDS, **bounds: Any) -> None:
        """Describe the server.

        Args:
            url: `postgresql://user:password@host:port/database?sslmode=...`, as libpq takes it.
            command_seconds: the longest that one command may take.
            bounds: further arguments of `Pool`.
        """
        self._pool = Pool(url, command_seconds=command_seconds, **bounds)

    async def connect(self) -> None:
        """Create the pool; the server need not be reachable yet."""
        await self._pool.connect()

    async def init_db(self) -> None:
        """Create or upgrade the tables, under a lock so that one replica does it.

        Raises:
            SchemaTooNewError: a newer version of watcher has upgraded them.
        """
        await self._pool.operate(apply_schema, SCHEMA_SECONDS)

    async def operate(
        self, operation: Callable[[Connection], Awaitable[Result]], limit_seconds: float | None = None
    ) -> Result:
        """Run one operation on a connection; see `Pool.operate`."""
        return await self._pool.operate(operation, limit_seconds)

    async def fetch(self, query: str, *arguments: object, limit_seconds: float | None = None) -> list[dict[str, Any]]:
        """Run one query.

        Args:
            query: SQL with `$1`, `$2` ... for the arguments.
            arguments: values of the types that asyncpg takes.
            limit_seconds: the longest that it may take; by default that of the database's commands.

        Returns:
            the rows.
        """

        async def run(connection: Connection) -> list[dict[str, Any]]:
            # A query takes several messages, and a pooler switches connections only between transactions.
            async with transaction(connection, limit_seconds=limit_seconds or self._pool.command_seconds):
                return [dict(row) for row in await connection.fetch(query, *arguments, timeout=limit_seconds)]

        return await self._pool.operate(run, limit_seconds)

    async def listen(self, channel: str, heard: Callable[[str], object]) -> NoReturn:
        """Receive the notifications of a channel; see `Pool.listen`."""
        await self._pool.listen(channel, heard)

    async def execute_query(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Run one query and log its error; see `fetch`."""
        try:
            return await self.fetch(query, *arguments)
        except (DatabaseUnavailableError, DatabaseRefusedError) as error:
            log.warning("query failed", error=error, query=" ".join(query.split()))
            raise

    async def log_failure(self, outcome: Outcome) -> None:
        """Store the failure of one check; storing it again is harmless."""
        await self.log_failures([outcome])

    async def log_failures(self, outcomes: Sequence[Outcome]) -> None:
        """Store failures, all or none; storing one again is harmless."""
        await self.fetch(INSERT_FAILURES, joined(encode_failure(outcome)[1] for outcome in outcomes))

    async def failures(self, *, limit: int = 100, **filters: Any) -> list[dict[str, Any]]:
        """Read the table `failures`.

        Args:
            limit: the most rows to return.
            filters: those of `failures_query`.

        Returns:
            the rows, newest first; `phases_ms` and `headers` are dictionaries, `notes` a list.
        """
        rows = await self.fetch(*failures_query(limit=limit, **filters))
        return [decode_failure(row) for row in rows]

    async def ping(self) -> None:
        """Check that the server answers."""
        await self.fetch("SELECT 1")

    async def close(self) -> None:
        """Close the pool; cut its connections after a deadline or when cancelled."""
        await self._pool.close()

    async def cut(self) -> None:
        """Close the pool and cut its connections at once."""
        await self._pool.cut()

    def statistics(self) -> dict[str, int]:
        """Count the pool's connections and those that are idle."""
        return self._pool.statistics()

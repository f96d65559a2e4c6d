"""Opens the database for a command that only reads, whether the daemon runs or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import trio

from watcher.embedded_postgres.binaries import EmbeddedError
from watcher.embedded_postgres.server import EmbeddedPostgres
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import open_database
from watcher.postgres.errors import DatabaseSilentError, DatabaseUnavailableError, sentence_for
from watcher.postgres.url import external_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from watcher.config.env.settings import Settings
    from watcher.postgres.db import Database

Result = TypeVar("Result")

READ_SECONDS = 30.0
# Connection, TLS, login and one answer together: a command reports a missing database within 5 s, its own start
# included. The reads that follow may take longer.
ANSWER_SECONDS = 3.5
SHARING_SECONDS = 30.0
STOP_FAST_SECONDS = 10.0  # a reader can wait
RETRY_SECONDS = 0.2

NOTHING_STORED = "nothing has been stored in {} yet; start the daemon first"


async def read_from(settings: Settings, read: Callable[[Database], Awaitable[Result]]) -> Result:
    """Read from the database of the settings; starts the embedded server meanwhile if no daemon runs it.

    Args:
        settings: they name the database.
        read: the reads; may be called again, if another process stops the embedded server meanwhile.

    Raises:
        DatabaseUnavailableError: the database cannot be reached, or does not answer within a few seconds.
        EmbeddedError: the embedded database was never created, or cannot be started.
    """
    if settings.postgres_host is not None:
        return await _read(external_url(settings), read)
    if not settings.data_dir.is_dir():
        raise EmbeddedError(NOTHING_STORED.format(settings.data_dir))
    server = EmbeddedPostgres(settings.data_dir.resolve())
    deadline = trio.current_time() + SHARING_SECONDS
    while True:
        try:
            if server.try_hold():
                return await _read_holding(server, read)
            return await _read(server.url(), read)
        except DatabaseSilentError:
            raise
        except DatabaseUnavailableError:
            # The holder of the lock is about to start the server, or has just stopped it.
            if trio.current_time() > deadline:
                raise
            await trio.sleep(RETRY_SECONDS)


async def _read_holding(server: EmbeddedPostgres, read: Callable[[Database], Awaitable[Result]]) -> Result:
    try:
        if not server.exists:
            raise EmbeddedError(NOTHING_STORED.format(server.folder))
        await server.start()
        return await _read(server.url(), read)
    finally:
        with trio.move_on_after(2 * STOP_FAST_SECONDS, shield=True):
            await server.stop(STOP_FAST_SECONDS)


async def _read(url: str, read: Callable[[Database], Awaitable[Result]]) -> Result:
    async with open_bridge(), open_database(url, command_seconds=READ_SECONDS, reads=True) as database:
        try:
            await _reach(database)
            return await read(database)
        except DatabaseUnavailableError as error:
            unavailable = error
    # Raised inside, the loop's nurseries would wrap it in nested exception groups.
    raise unavailable


async def _reach(database: Database) -> None:
    """Check that the server answers: a pooler accepts a connection even if the server behind it hangs."""
    try:
        with trio.fail_after(ANSWER_SECONDS):
            await database.ping()
    except trio.TooSlowError:
        raise DatabaseSilentError(sentence_for(TimeoutError())) from None

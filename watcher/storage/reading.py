"""The database for a command that only reads, whether the daemon runs or not."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from watcher.storage.binaries import EmbeddedError
from watcher.storage.db import open_bridge, open_database
from watcher.storage.embedded import EmbeddedPostgres
from watcher.storage.errors import DatabaseUnavailableError
from watcher.storage.url import external_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.config.settings import Settings
    from watcher.storage.db import Database

READ_SECONDS = 30.0
START_SECONDS = 10.0
RETRY_SECONDS = 0.2

NOTHING_STORED = "nothing has been stored in {} yet; start the daemon first"


@asynccontextmanager
async def open_for_reading(settings: Settings) -> AsyncIterator[Database]:
    """Connect to the database of the settings; the embedded one is started meanwhile where no daemon runs it."""
    if settings.postgres_host is not None:
        async with _connected(external_url(settings)) as database:
            yield database
        return
    if not settings.data_dir.is_dir():
        raise EmbeddedError(NOTHING_STORED.format(settings.data_dir))
    server = EmbeddedPostgres(settings.data_dir.resolve())
    holding = await _start_or_find(server)
    try:
        async with _connected(server.url()) as database:
            if not holding:
                await _wait_until_up(database)
            yield database
    finally:
        if holding:
            with trio.CancelScope(shield=True):  # bounded by stop() itself
                await server.stop()


async def _start_or_find(server: EmbeddedPostgres) -> bool:
    """Start the server and return True, or return False where another process has it."""
    if not server.try_hold():
        return False
    if not server.exists:
        server.release()
        raise EmbeddedError(NOTHING_STORED.format(server.folder))
    try:
        await server.start()
    except BaseException:
        server.release()
        raise
    return True


async def _wait_until_up(database: Database) -> None:
    """Wait for a server that another process is about to start."""
    with trio.move_on_after(START_SECONDS):
        while True:
            try:
                return await database.ping()
            except DatabaseUnavailableError:
                await trio.sleep(RETRY_SECONDS)
    raise DatabaseUnavailableError("another process has the embedded database, and it does not answer")


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Database]:
    async with open_bridge(), open_database(url, command_seconds=READ_SECONDS) as database:
        yield database

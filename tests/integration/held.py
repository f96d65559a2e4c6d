"""A transaction that stays open, for tests of what others do meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database

HELD_SECONDS = 60


class Held:
    """A transaction that does one thing, and then stays open until it is told to end."""

    def __init__(self, database: Database, query: str, *arguments: object) -> None:
        self._database = database
        self._query, self._arguments = query, arguments
        self._end = asyncio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start, report it, and wait for the end."""

        async def hold(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute(self._query, *self._arguments)
                task_status.started()
                await self._end.wait()

        await self._database.operate(hold, HELD_SECONDS)

    def end(self) -> None:
        """Commit the transaction."""
        self._end.set()

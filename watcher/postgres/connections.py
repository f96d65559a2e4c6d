"""Connections of asyncpg to one server, or to the one of several that will do. All functions are asyncio-flavoured."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from watcher.model.clock_trust import next_beat
from watcher.postgres.errors import DatabaseUnavailableError, sentence_for
from watcher.postgres.servers import Servers, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    OwnConnection = asyncpg.Connection[asyncpg.Record]

# Of several servers, those that would be preferred have so long to answer before another is taken.
ASK_SECONDS = 1.0
# A connection on which nothing is heard is tried so often: packets may be lost on the way.
LISTENING_PING_SECONDS = 10.0


async def connect_to(servers: Servers, _dsn: None = None, **options: Any) -> OwnConnection:
    """Connect to the server, or to the one of several that will do.

    Args:
        servers: where the database may be.
        options: those of `asyncpg.connect`.

    Raises:
        DatabaseUnavailableError: none of several is what is wanted; it says what each has said.
    """
    *preferred, last = servers.wanted
    if len(servers.urls) == 1:
        return await _ask(servers.urls[0], last, **options)
    for wanted in preferred:
        with suppress(DatabaseUnavailableError, TimeoutError):
            async with asyncio.timeout(ASK_SECONDS):
                return await _first_of(servers.urls, wanted, **options)
    return await _first_of(servers.urls, last, **options)


async def listen_on(connection: OwnConnection, channel: str, heard: Callable[[str], object]) -> None:
    """Hear what is notified on a channel until the connection is closed, and close it.

    Args:
        connection: that nobody else uses.
        channel: its name.
        heard: called with what is told along; and with an empty text when listening begins.
    """
    closed = asyncio.Event()

    def hear(_connection: object, _pid: int, _channel: str, told: object) -> None:
        heard(str(told))

    try:
        connection.add_termination_listener(lambda _connection: closed.set())
        async with connection.transaction():  # of several messages, which a pooler must not spread
            await connection.add_listener(channel, hear)
        heard("")
        while not closed.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_beat(asyncio.get_running_loop().time(), LISTENING_PING_SECONDS)):
                    await closed.wait()
                    return
            await connection.execute("SELECT 1")
    finally:
        connection.terminate()


async def _first_of(urls: Sequence[str], wanted: str, **options: Any) -> OwnConnection:
    """Connect to the first of some servers that is what is wanted.

    asyncpg asks one after the other, and one that is frozen hides those behind it: here all are asked at once.

    Args:
        urls: of the servers.
        wanted: what it must be, as libpq's `target_session_attrs` has it.
        options: those of `asyncpg.connect`.

    Raises:
        DatabaseUnavailableError: none of them is; it says what each has said.
    """
    asked = {asyncio.create_task(_ask(url, wanted, **options)): place_of(url) for url in urls}
    said, waiting, found = [], set(asked), None
    try:
        while waiting and found is None:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None and found is None:
                    found = task
                elif isinstance(error, asyncpg.TargetServerAttributeNotMatched):
                    said.append(f"{asked[task]} is not {wanted}")
                elif isinstance(error, Exception):
                    said.append(f"{asked[task]}: {sentence_for(error)}")
    finally:
        await _close_all(task for task in asked if task is not found)
    if found is None:
        raise DatabaseUnavailableError("; ".join(sorted(said)))
    return found.result()


async def _ask(url: str, wanted: str, **options: Any) -> OwnConnection:
    """Connect to one server, if it is what is wanted."""
    found: OwnConnection = await asyncpg.connect(url, target_session_attrs=SessionAttribute(wanted), **options)
    return found


async def _close_all(asked: Iterable[asyncio.Task[OwnConnection]]) -> None:
    """End all tries to connect, and cut what they have brought."""
    ending = list(asked)
    for task in ending:
        task.cancel()
    for connection in await asyncio.gather(*ending, return_exceptions=True):
        if isinstance(connection, asyncpg.Connection):
            connection.terminate()

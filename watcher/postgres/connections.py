"""Opens asyncpg connections to one server, or to the suitable one of several. All functions are asyncio-flavoured."""

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

# The preferred servers get this long to answer before another is chosen.
ASK_SECONDS = 1.0
# An idle listening connection is pinged this often, since packets may be lost on the way.
LISTENING_PING_SECONDS = 10.0


async def connect_to(servers: Servers, _dsn: None = None, **options: Any) -> OwnConnection:
    """Connect to the server, or to the suitable one of several.

    Args:
        servers: where the database may be.
        options: those of `asyncpg.connect`.

    Raises:
        DatabaseUnavailableError: no server is suitable; the message has the answer of each.
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
    """Receive the notifications of a channel until the connection is closed, and close it.

    Args:
        connection: used by nothing else.
        channel: its name.
        heard: called with the payload of each notification, and with an empty text when listening starts.
    """
    closed = asyncio.Event()

    def hear(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        heard(str(payload))

    try:
        connection.add_termination_listener(lambda _connection: closed.set())
        async with connection.transaction():  # keeps a pooler from spreading the messages over connections
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
    """Connect to the first server that has the wanted role.

    asyncpg asks one server after the other, so a frozen one hides the servers behind it. Here all are asked at once.

    Args:
        urls: of the servers.
        wanted: the role, as in libpq's `target_session_attrs`.
        options: those of `asyncpg.connect`.

    Raises:
        DatabaseUnavailableError: no server has it; the message has the answer of each.
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
    """Connect to one server if it has the wanted role."""
    found: OwnConnection = await asyncpg.connect(url, target_session_attrs=SessionAttribute(wanted), **options)
    return found


async def _close_all(asked: Iterable[asyncio.Task[OwnConnection]]) -> None:
    """Cancel all attempts to connect, and cut the connections that they made."""
    ending = list(asked)
    for task in ending:
        task.cancel()
    for connection in await asyncio.gather(*ending, return_exceptions=True):
        if isinstance(connection, asyncpg.Connection):
            connection.terminate()

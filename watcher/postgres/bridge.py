"""The bridge between trio and asyncio, and a pool of asyncpg over it: the only importer of trio_asyncio.

Every operation crosses the bridge once: one asyncio coroutine does all from acquire to release. Split over several
crossings (`async with aio_as_trio(pool.acquire())`), a trio cancellation leaks the connection for ever: the asyncio
task of `__aexit__` is cancelled before its first step.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import asyncpg
import structlog
import trio
from asyncpg import connect_utils

from watcher.postgres import callbacks_at_once, python314
from watcher.postgres.connections import connect_to, listen_on
from watcher.postgres.errors import (
    DatabaseRefusedError,
    DatabaseSilentError,
    DatabaseUnavailableError,
    StatementFailedError,
    StorageError,
    sentence_for,
)
from watcher.postgres.servers import servers_of

with python314.names_for_the_import():
    import trio_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

python314.show_the_running_loop(trio_asyncio.BaseTrioEventLoop)
callbacks_at_once.run_all_that_wait(trio_asyncio.BaseTrioEventLoop)

Result = TypeVar("Result")

log = structlog.get_logger()

# The bound on connections of a pool. In the daemon's own: one for the writer, the rest for the upkeep.
MAX_CONNECTIONS = 4
CONNECT_SECONDS = 3.0
# With packets lost on the way, asyncpg waits for ever without this. Short, so that a server that is back after
# such a time is used within 5 s; cutting off a slow command is harmless, since every write may be repeated.
COMMAND_SECONDS = 3.0
RELEASE_SECONDS = 1.0
# The server stops by itself a little before the client gives up: else what waits for a lock would hold its backend.
_SERVER_SHARE = 0.9
CANCEL_SECONDS = 1.0
MAX_CANCELS = 4  # on their way at once; more connections than that are not cut at once
CLOSE_SECONDS = 0.3  # a rung of the stop, see watcher/daemon/stop_ladder.py
# Lookups of the database's name: some that hang, none that wait.
RESOLVER_THREADS = 8

_REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,  # as of a value that no index takes
    asyncpg.exceptions._base.DataError,
)
# Classes of SQLSTATE that a single row may bring, as by a trigger of somebody's, or by a fault of the server.
_PERHAPS_OF_A_ROW = ("0A", "21", "2F", "38", "39", "42", "44", "54", "P0", "XX")


class _AbandoningExecutor(trio_asyncio.TrioExecutor):  # type: ignore[misc]  # trio_asyncio has no types
    """Runs the loop's blocking calls, above all getaddrinfo, in threads that a cancellation leaves behind.

    trio-asyncio's own waits for the thread, so that a hung lookup of the database's name would hold up the stop.
    """

    async def submit(self, func: Callable[..., Any], *args: Any) -> Any:
        """Run a function in a thread. This is a trio-flavoured function."""
        return await trio.to_thread.run_sync(func, *args, limiter=self._limiter, abandon_on_cancel=True)


@asynccontextmanager
async def open_bridge() -> AsyncIterator[None]:
    """Open the asyncio loop that a `Database` needs; once, around all that uses one.

    This is a trio-flavoured function.
    """
    async with trio_asyncio.open_loop() as loop:
        loop.set_exception_handler(_log_background_error)
        loop.set_default_executor(_AbandoningExecutor(limiter=trio.CapacityLimiter(RESOLVER_THREADS)))
        yield


@asynccontextmanager
async def transaction(
    connection: Connection,
    *,
    limit_seconds: float | None = COMMAND_SECONDS,
    isolation: Literal["", "READ COMMITTED", "REPEATABLE READ"] = "",
    readonly: bool = False,
) -> AsyncIterator[None]:
    """Do all of a block or nothing, as asyncpg's own `connection.transaction()`, but never wait for what cannot come.

    What is committed is on the server's disk, even where that is set to tell of it sooner.

    When the block is cut off, asyncpg would ask the server to roll back, and wait for the answer, for as long as a
    command may take when packets are lost: here the connection is cut, and the server rolls back by itself. This is
    an asyncio-flavoured function.

    Args:
        connection: that is in no transaction.
        limit_seconds: about the longest that the server is to spend on a statement, or on waiting for a lock; None
            for what only reads, and is bounded by the client alone. A bound of the pool holds as well.
        isolation: another level than the server's default.
        readonly: whether nothing is written.
    """
    mode = f" ISOLATION LEVEL {isolation}" if isolation else ""
    try:
        # In one message: each is a wait for the server.
        await connection.execute(f"BEGIN{mode}{' READ ONLY' if readonly else ''}; {_local_settings(limit_seconds)}")
        yield
    except (asyncpg.PostgresError, StorageError):
        await connection.execute("ROLLBACK")
        raise
    except BaseException:
        _cut(connection)
        raise
    else:
        await connection.execute("COMMIT")


def _local_settings(limit_seconds: float | None) -> str:
    """Write the settings of a transaction: of that alone, since behind a pooler the connection is others' as well."""
    durable = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
    if (most_seconds := _most_seconds.get()) is not None:
        limit_seconds = most_seconds if limit_seconds is None else min(limit_seconds, most_seconds)
    if limit_seconds is None:
        return durable
    milliseconds = max(int(limit_seconds * _SERVER_SHARE * 1000), 1)
    limits = "; ".join(f"SET LOCAL {name} = {milliseconds}" for name in ("lock_timeout", "statement_timeout"))
    return f"{limits}; {durable}"


class Pool:
    """Connections to a server that are made when first needed, and made anew when lost.

    All methods are trio-flavoured and need `open_bridge` around them; a cancellation leaves the pool whole.
    """

    def __init__(
        self,
        url: str,
        *,
        command_seconds: float = COMMAND_SECONDS,
        connections: int = MAX_CONNECTIONS,
        most_seconds: float | None = None,
        reads: bool = False,
    ) -> None:
        """Describe the server.

        Args:
            url: `postgresql://user:password@host:port/database?sslmode=...`, as libpq takes it; of one host or several.
            command_seconds: the longest that one command may take.
            connections: how many there may be.
            most_seconds: the bound of each operation, and of each of its statements on the server, whatever else is
                said of it; None for no other.
            reads: whether it is only read from, so that a standby will do where nothing takes writes.
        """
        self._servers = servers_of(url, reads=reads)
        self.command_seconds = command_seconds
        self._connections = connections
        self._most_seconds = most_seconds
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def connect(self) -> None:
        """Make the pool; the server need not be there yet."""
        self._pool = await trio_asyncio.aio_as_trio(self._open_pool)()

    async def operate(
        self, operation: Callable[[Connection], Awaitable[Result]], limit_seconds: float | None = None
    ) -> Result:
        """Do one operation on a connection, in one crossing of the bridge.

        Args:
            operation: an asyncio-flavoured function; its commands take the limit as their `timeout`, where it is longer
                than that of the pool.
            limit_seconds: the longest that the whole may take, that of one command by default.

        Returns:
            what the operation returns.

        Raises:
            DatabaseUnavailableError, DatabaseRefusedError: see there.
        """
        with _mapped_errors():
            result: Result = await trio_asyncio.aio_as_trio(self._operate)(operation, limit_seconds)
        return result

    async def listen(self, channel: str, heard: Callable[[str], object]) -> NoReturn:
        """Hear what is notified on a channel, over a connection of its own beside the pool, until that breaks.

        Through a pooler there may be nothing to hear, without a word: it can only hurry what would come anyway.

        Args:
            channel: its name.
            heard: called with what is told along; and with an empty text when listening begins, for what was missed.

        Raises:
            DatabaseUnavailableError: the connection cannot be made, or has broken.
        """
        with _mapped_errors():
            await trio_asyncio.aio_as_trio(self._listen)(channel, heard)
        raise DatabaseUnavailableError("the connection on which it was listened is closed")

    async def close(self) -> None:
        """Close the pool; after a deadline, or when cancelled, its connections are cut."""
        if self._pool is not None:
            # asyncpg terminates the connections itself when close() is cancelled.
            # A server that goes at this moment breaks the goodbye, and the connections are gone, as was wanted.
            with trio.move_on_after(CLOSE_SECONDS, shield=True), suppress(OSError):
                await trio_asyncio.aio_as_trio(self._pool.close)()

    async def cut(self) -> None:
        """Close the pool, and cut its connections at once."""
        if self._pool is not None:
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await trio_asyncio.aio_as_trio(self._cut_all)()

    def statistics(self) -> dict[str, int]:
        """Count the pool's connections: how many there are, and how many of them nobody uses."""
        assert self._pool is not None
        return {"connections": self._pool.get_size(), "idle": self._pool.get_idle_size()}

    async def _cut_all(self) -> None:
        """Cut all connections. This is an asyncio-flavoured function."""
        assert self._pool is not None
        self._pool.terminate()

    async def _open_pool(self) -> asyncpg.Pool[asyncpg.Record]:
        """Make the pool. This is an asyncio-flavoured function."""
        connect: Any = partial(connect_to, self._servers)  # asyncpg's protocol names all that is passed on here
        return await asyncpg.create_pool(
            connect=connect,
            min_size=0,  # with more, making the pool fails when the server is away
            max_size=self._connections,
            reset=_leave_as_it_is,
            **self._options(),
        )

    async def _listen(self, channel: str, heard: Callable[[str], object]) -> None:
        """Listen until the connection is closed. This is an asyncio-flavoured function."""
        await listen_on(await connect_to(self._servers, **self._options()), channel, heard)

    def _options(self) -> dict[str, Any]:
        """Return what asyncpg is told of each connection."""
        return {
            "timeout": CONNECT_SECONDS,
            "command_timeout": self.command_seconds,
            # A prepared statement stays with one connection of the server, which a pooler such as PgBouncer changes
            # behind this one after each transaction.
            "statement_cache_size": 0,
            "server_settings": {"application_name": "watcher"},
        }

    async def _operate(
        self, operation: Callable[[Connection], Awaitable[Result]], limit_seconds: float | None = None
    ) -> Result:
        """Do one operation on a connection of the pool. This is an asyncio-flavoured function."""
        if self._pool is None:
            raise RuntimeError("Database.connect() comes first")
        seconds = limit_seconds or self.command_seconds
        if self._most_seconds is not None:
            _most_seconds.set(self._most_seconds)  # this is a task of its own
            seconds = min(seconds, self._most_seconds)
        async with asyncio.timeout(CONNECT_SECONDS + seconds):
            # One that is idle is there at once: a timer and a task more would be a part of what a query costs.
            connection = await self._pool.acquire(timeout=None if self._pool.get_idle_size() else CONNECT_SECONDS)
            try:
                return await operation(connection)
            except asyncpg.ReadOnlySQLTransactionError:
                _cut(connection)  # what has become of the server since, only a new connection finds out
                await self._pool.expire_connections()
                raise
            except asyncpg.PostgresError:
                raise
            except TimeoutError:
                _cut(connection)
                if len(self._servers.urls) > 1:  # it may be frozen, and another takes writes
                    await self._pool.expire_connections()
                raise
            except BaseException:
                # Cancelled, too late, or broken in a way of its own. Asking the server to cancel, as asyncpg would,
                # hangs when packets are lost: cut the connection.
                _cut(connection)
                raise
            finally:
                await self._pool.release(connection, timeout=RELEASE_SECONDS)


async def _leave_as_it_is(_connection: object) -> None:
    """Reset nothing when a connection is given back: whatever is set or locked here, is so in a transaction only."""


# In an operation: the longest that the server may spend on any statement of it, see `Pool`.
_most_seconds: ContextVar[float | None] = ContextVar("most_seconds", default=None)

_cancels: set[asyncio.Task[None]] = set()


def _cut(connection: Connection) -> None:
    """Cut a connection, and ask the server, over another and without waiting, to end what it does for this one."""
    with suppress(asyncpg.InterfaceError):  # it has been cut already
        cut: Any = getattr(connection, "_con", None)
        if cut is not None and not cut.is_closed() and len(_cancels) < MAX_CANCELS:
            backend = {"backend_pid": cut._protocol.backend_pid, "backend_secret": cut._protocol.backend_secret}
            request = _ask_to_cancel(loop=cut._loop, addr=cut._addr, params=cut._params, **backend)
            task = asyncio.get_running_loop().create_task(request)
            _cancels.add(task)
            task.add_done_callback(_cancels.discard)
        connection.terminate()


async def _ask_to_cancel(**backend: Any) -> None:
    """Ask the server to cancel what a backend does. This is an asyncio-flavoured function.

    asyncpg has no public way to ask that does not wait for the backend as well.
    """
    ask: Any = vars(connect_utils)["_cancel"]
    with suppress(OSError, asyncpg.InterfaceError, TimeoutError):
        async with asyncio.timeout(CANCEL_SECONDS):
            await ask(**backend)


@contextmanager
def _mapped_errors() -> Iterator[None]:
    """Turn what asyncpg raises into the errors of this package; the one place where that is done."""
    try:
        yield
    except StorageError:
        raise
    except _REFUSALS as error:
        if isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None:
            # No row is to blame: a partition has been dropped, also that for all other times; the upkeep makes it.
            raise DatabaseUnavailableError(sentence_for(error)) from error
        raise DatabaseRefusedError(sentence_for(error)) from error
    except asyncpg.UndefinedTableError as error:
        raise DatabaseUnavailableError(f"its tables are not there yet: {error}") from error
    except asyncpg.PostgresError as error:
        is_allowed = not isinstance(error, asyncpg.InsufficientPrivilegeError)  # which no row brings
        if is_allowed and (error.sqlstate or "").startswith(_PERHAPS_OF_A_ROW):
            raise StatementFailedError(sentence_for(error)) from error
        raise DatabaseUnavailableError(sentence_for(error)) from error
    except TimeoutError as error:
        raise DatabaseSilentError(sentence_for(error)) from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise DatabaseUnavailableError(sentence_for(error)) from error
    except Exception as error:
        # A connection that breaks at a bad moment, or a server that is none, brings asyncpg to AttributeErrors and
        # the like: the connection is cut, and what is behind it can only be unavailable.
        raise DatabaseUnavailableError(f"the driver failed: {type(error).__name__}: {error}") from error


def _log_background_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what fails inside the driver with nobody waiting for it.

    trio-asyncio's own handler raises it in the nursery of the loop, which ends the daemon.
    """
    error = context.get("exception")
    if isinstance(error, OSError):
        return  # what is left of a connection that was lost or cut; whoever used it has been told
    log.warning("background error in the database driver", message=context.get("message"), exc_info=error)

"""Bridges trio to asyncio and pools asyncpg connections over the bridge; the only importer of trio_asyncio.

Every operation crosses the bridge once: one asyncio coroutine does everything from acquire to release. With several
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

# The limit of connections in a pool. The daemon's own pool uses one for the writer, the rest for the upkeep.
MAX_CONNECTIONS = 4
CONNECT_SECONDS = 3.0
# Without this, asyncpg waits for ever when packets are lost. Short, so that a server that is back after such a time is
# used within 5 s. Cutting off a slow command is harmless, since every write may be repeated.
COMMAND_SECONDS = 3.0
RELEASE_SECONDS = 1.0
# The server gives up a little before the client does; otherwise its backend would go on waiting for a lock.
_SERVER_SHARE = 0.9
CANCEL_SECONDS = 1.0
MAX_CANCELS = 4  # cancel requests under way at once; further connections are cut without one
CLOSE_SECONDS = 0.3  # a rung of the stop, see watcher/daemon/stop_ladder.py
# Lookups of the database's name. Several, so that one that hangs does not block the next.
RESOLVER_THREADS = 8

_REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,  # such as a value too large for an index
    asyncpg.exceptions._base.DataError,
)
# Classes of SQLSTATE that a single row may cause, for example through a user's trigger, or that a server fault causes.
_PERHAPS_OF_A_ROW = ("0A", "21", "2F", "38", "39", "42", "44", "54", "P0", "XX")


class _AbandoningExecutor(trio_asyncio.TrioExecutor):  # type: ignore[misc]  # trio_asyncio has no types
    """Runs the loop's blocking calls, above all getaddrinfo, in threads that a cancellation abandons.

    trio-asyncio's own executor waits for the thread, so a hung lookup of the database's name would delay the stop.
    """

    async def submit(self, func: Callable[..., Any], *args: Any) -> Any:
        """Run a function in a thread. This is a trio-flavoured function."""
        return await trio.to_thread.run_sync(func, *args, limiter=self._limiter, abandon_on_cancel=True)


@asynccontextmanager
async def open_bridge() -> AsyncIterator[None]:
    """Open the asyncio loop that every `Database` needs; open it once, around all of them.

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
    """Run a block in a transaction, like asyncpg's `connection.transaction()`, but never wait for a lost server.

    A commit is on the server's disk, even if the server is set to confirm it sooner.

    When the block is cut off, asyncpg would ask the server to roll back and wait for the answer, as long as a
    command may take when packets are lost. Here the connection is cut, and the server rolls back by itself. This is
    an asyncio-flavoured function.

    Args:
        connection: outside any transaction.
        limit_seconds: about the longest that the server may spend on a statement or on waiting for a lock; None
            for reads that only the client limits. A limit of the pool applies as well.
        isolation: a level other than the server's default.
        readonly: whether the transaction only reads.
    """
    mode = f" ISOLATION LEVEL {isolation}" if isolation else ""
    try:
        # In one message: each message waits for an answer of the server.
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
    """Write the settings of one transaction only, since others share the connection behind a pooler."""
    durable = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
    if (most_seconds := _most_seconds.get()) is not None:
        limit_seconds = most_seconds if limit_seconds is None else min(limit_seconds, most_seconds)
    if limit_seconds is None:
        return durable
    milliseconds = max(int(limit_seconds * _SERVER_SHARE * 1000), 1)
    limits = "; ".join(f"SET LOCAL {name} = {milliseconds}" for name in ("lock_timeout", "statement_timeout"))
    return f"{limits}; {durable}"


class Pool:
    """A pool of connections to a server, opened when first needed and reopened when lost.

    All methods are trio-flavoured and need `open_bridge` around them; a cancellation leaves the pool usable.
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
            connections: the most connections.
            most_seconds: the limit of each operation, and of each of its statements on the server, whatever limit the
                operation has itself; None for no further limit.
            reads: whether it is only read from, so that a standby will do if no server takes writes.
        """
        self._servers = servers_of(url, reads=reads)
        self.command_seconds = command_seconds
        self._connections = connections
        self._most_seconds = most_seconds
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def connect(self) -> None:
        """Create the pool; the server need not be reachable yet."""
        self._pool = await trio_asyncio.aio_as_trio(self._open_pool)()

    async def operate(
        self, operation: Callable[[Connection], Awaitable[Result]], limit_seconds: float | None = None
    ) -> Result:
        """Run one operation on a connection, in one crossing of the bridge.

        Args:
            operation: an asyncio-flavoured function; its commands take the limit as their `timeout` if it is longer
                than that of the pool.
            limit_seconds: the longest that the whole operation may take; by default that of one command.

        Returns:
            what the operation returns.

        Raises:
            DatabaseUnavailableError, DatabaseRefusedError: see there.
        """
        with _mapped_errors():
            result: Result = await trio_asyncio.aio_as_trio(self._operate)(operation, limit_seconds)
        return result

    async def listen(self, channel: str, heard: Callable[[str], object]) -> NoReturn:
        """Receive the notifications of a channel over a connection beside the pool, until that connection breaks.

        A pooler may drop notifications silently, so they can only speed up what would happen anyway.

        Args:
            channel: its name.
            heard: called with the payload of each notification, and with an empty text when listening starts, because
                earlier notifications were missed.

        Raises:
            DatabaseUnavailableError: the connection cannot be made, or has broken.
        """
        with _mapped_errors():
            await trio_asyncio.aio_as_trio(self._listen)(channel, heard)
        raise DatabaseUnavailableError("the connection for notifications was closed")

    async def close(self) -> None:
        """Close the pool; cut its connections after a deadline or when cancelled."""
        if self._pool is not None:
            # asyncpg terminates the connections itself when close() is cancelled.
            # A server that goes away at this moment breaks the close, and the connections are gone, as wanted.
            with trio.move_on_after(CLOSE_SECONDS, shield=True), suppress(OSError):
                await trio_asyncio.aio_as_trio(self._pool.close)()

    async def cut(self) -> None:
        """Close the pool and cut its connections at once."""
        if self._pool is not None:
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await trio_asyncio.aio_as_trio(self._cut_all)()

    def statistics(self) -> dict[str, int]:
        """Count the pool's connections and those that are idle."""
        assert self._pool is not None
        return {"connections": self._pool.get_size(), "idle": self._pool.get_idle_size()}

    async def _cut_all(self) -> None:
        """Cut all connections. This is an asyncio-flavoured function."""
        assert self._pool is not None
        self._pool.terminate()

    async def _open_pool(self) -> asyncpg.Pool[asyncpg.Record]:
        """Create the pool. This is an asyncio-flavoured function."""
        connect: Any = partial(connect_to, self._servers)  # asyncpg's protocol lists every argument passed here
        return await asyncpg.create_pool(
            connect=connect,
            min_size=0,  # with more, creating the pool fails when the server is away
            max_size=self._connections,
            reset=_leave_as_it_is,
            **self._options(),
        )

    async def _listen(self, channel: str, heard: Callable[[str], object]) -> None:
        """Listen until the connection is closed. This is an asyncio-flavoured function."""
        await listen_on(await connect_to(self._servers, **self._options()), channel, heard)

    def _options(self) -> dict[str, Any]:
        """Return the arguments of each asyncpg connection."""
        return {
            "timeout": CONNECT_SECONDS,
            "command_timeout": self.command_seconds,
            # A prepared statement belongs to one connection of the server. A pooler such as PgBouncer may switch to
            # another after each transaction.
            "statement_cache_size": 0,
            "server_settings": {"application_name": "watcher"},
        }

    async def _operate(
        self, operation: Callable[[Connection], Awaitable[Result]], limit_seconds: float | None = None
    ) -> Result:
        """Run one operation on a connection of the pool. This is an asyncio-flavoured function."""
        if self._pool is None:
            raise RuntimeError("Database.connect() comes first")
        seconds = limit_seconds or self.command_seconds
        if self._most_seconds is not None:
            _most_seconds.set(self._most_seconds)  # this coroutine has its own task and context
            seconds = min(seconds, self._most_seconds)
        async with asyncio.timeout(CONNECT_SECONDS + seconds):
            # An idle connection needs no limit: with one, asyncpg starts a task and a timer, a part of a query's cost.
            connection = await self._pool.acquire(timeout=None if self._pool.get_idle_size() else CONNECT_SECONDS)
            try:
                return await operation(connection)
            except asyncpg.ReadOnlySQLTransactionError:
                _cut(connection)  # only a new connection finds the server that takes writes
                await self._pool.expire_connections()
                raise
            except asyncpg.PostgresError:
                raise
            except TimeoutError:
                _cut(connection)
                if len(self._servers.urls) > 1:  # this server may be frozen, and another may take writes
                    await self._pool.expire_connections()
                raise
            except BaseException:
                # Cancelled, too late, or an unexpected error. Asking the server to cancel, as asyncpg would, hangs when
                # packets are lost: cut the connection.
                _cut(connection)
                raise
            finally:
                await self._pool.release(connection, timeout=RELEASE_SECONDS)


async def _leave_as_it_is(_connection: object) -> None:
    """Reset nothing when a connection returns to the pool: all settings and locks end with their transaction."""


# The longest that the server may spend on any statement of the present operation, see `Pool`.
_most_seconds: ContextVar[float | None] = ContextVar("most_seconds", default=None)

_cancels: set[asyncio.Task[None]] = set()


def _cut(connection: Connection) -> None:
    """Cut a connection, and ask the server over another one, without waiting, to cancel its statement."""
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
    """Ask the server to cancel the statement of a backend. This is an asyncio-flavoured function.

    asyncpg has no public function for this that does not wait for the backend as well.
    """
    ask: Any = vars(connect_utils)["_cancel"]
    with suppress(OSError, asyncpg.InterfaceError, TimeoutError):
        async with asyncio.timeout(CANCEL_SECONDS):
            await ask(**backend)


@contextmanager
def _mapped_errors() -> Iterator[None]:
    """Turn asyncpg's exceptions into the errors of this package. No other place does so."""
    try:
        yield
    except StorageError:
        raise
    except _REFUSALS as error:
        if isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None:
            # No row is to blame: the partition and the default one were dropped. The upkeep creates them again.
            raise DatabaseUnavailableError(sentence_for(error)) from error
        raise DatabaseRefusedError(sentence_for(error)) from error
    except asyncpg.UndefinedTableError as error:
        raise DatabaseUnavailableError(f"its tables do not exist yet: {error}") from error
    except asyncpg.PostgresError as error:
        is_allowed = not isinstance(error, asyncpg.InsufficientPrivilegeError)  # no row causes this one
        if is_allowed and (error.sqlstate or "").startswith(_PERHAPS_OF_A_ROW):
            raise StatementFailedError(sentence_for(error)) from error
        raise DatabaseUnavailableError(sentence_for(error)) from error
    except TimeoutError as error:
        raise DatabaseSilentError(sentence_for(error)) from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise DatabaseUnavailableError(sentence_for(error)) from error
    except Exception as error:
        # When a connection breaks at a bad moment, or the server does not speak PostgreSQL, asyncpg raises
        # AttributeError and the like. The connection is cut; the database counts as unavailable.
        raise DatabaseUnavailableError(f"the driver failed: {type(error).__name__}: {error}") from error


def _log_background_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error inside the driver that no caller waits for.

    trio-asyncio's own handler raises it in the nursery of the loop, which would end the daemon.
    """
    error = context.get("exception")
    if isinstance(error, OSError):
        return  # from a lost or cut connection, whose user already got the error
    log.warning("background error in the database driver", message=context.get("message"), exc_info=error)

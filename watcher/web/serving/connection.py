"""Handles one viewer's connection: Hypercorn's HTTP/1.1 on trio, with bounds of our own. Trio.

Hypercorn's own server shields its sends, so that one stalled reader can delay a stop without limit, and it bounds
neither the size nor the time of bodies. Nothing is shielded here: a connection that is too slow or too large, and every
stop, cancels the scope of the connection.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIReceiveEvent, ConnectionState
from hypercorn.utils import parse_socket_addr

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import h11
    from hypercorn.typing import AppWrapper, ASGIFramework, ASGISendEvent, Scope
    from starlette.types import ASGIApp

# How long a connection may be idle; the whole head of a request must arrive within it, too.
IDLE_SECONDS = 5.0
# The time limit of one send; writers send some 64 KB at once.
SEND_SECONDS = 10.0
# The bound of a request as received. Heads and bodies have lower bounds; this one limits their framing, such as chunks
# of one byte.
MAX_REQUEST_BYTES = 256 * 1024
_READ_BYTES = 16 * 1024


def connection_config() -> Config:
    """Return the configuration of all connections."""
    config = Config()
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    return config


class _Http1(H11Protocol):
    """HTTP/1.1 only: no viewer needs an upgrade to HTTP/2, which would have other bounds."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Do not upgrade."""


class _Tasks(TaskGroup):
    """The tasks of a connection; a cancelled app sends nothing more, which Hypercorn's own would try to."""

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Run an app for one request, and return the function that passes it events."""
        events, received = trio.open_memory_channel[ASGIReceiveEvent](config.max_app_queue_size)

        async def answer() -> None:
            await app(scope, received.receive, send, trio.to_thread.run_sync, trio.from_thread.run)
            await send(None)

        self.spawn(answer)
        return events.send


class Connection(TCPServer):
    """A connection from its first byte to its end."""

    def __init__(
        self,
        app: ASGIApp,
        config: Config,
        stream: trio.SocketStream,
        take_turn: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    ) -> None:
        """Create a connection.

        Args:
            app: answers requests.
            config: see `connection_config`.
            stream: the connected stream; its opener closes it.
            take_turn: waits until received data may be processed.
        """
        never_tls = cast("trio.SSLStream[trio.SocketStream]", stream)
        super().__init__(ASGIWrapper(cast("ASGIFramework", app)), config, WorkerContext(None), {}, never_tls)
        self._socket = stream.socket
        self._take_turn = take_turn
        self._scope = trio.CancelScope()
        self._received_bytes = 0
        self._is_read = False

    async def run(self) -> None:
        """Answer requests until either side ends the connection."""
        try:
            peer, own = self._socket.getpeername(), self._socket.getsockname()
        except OSError:  # it has closed already
            return
        with self._scope:
            async with _Tasks() as group:
                self._task_group = group
                self.protocol = _Http1(  # type: ignore[assignment]
                    self.app,
                    self.config,
                    self.context,
                    group,
                    ConnectionState(self.state),
                    False,
                    parse_socket_addr(self._socket.family, peer),
                    parse_socket_addr(self._socket.family, own),
                    self.protocol_send,
                )
                await self.idle_task.restart(group, self._idle_timeout)
                await self._read_data()
                self._is_read = True
                await self.idle_task.stop()

    def forget(self) -> None:
        """Release all attributes.

        A connection, its protocol and its tasks refer to each other: a part of such a cycle that `gc.freeze` catches is
        never freed, see `daemon/garbage.py`.
        """
        for one in (getattr(self, "protocol", None), self):
            if one is not None:
                vars(one).clear()

    async def protocol_send(self, event: Event) -> None:
        """Send the protocol's data, or handle its changes of state."""
        if isinstance(event, RawData):
            await self._send(event.data)
        elif isinstance(event, Closed):
            await self._end()
        elif isinstance(event, Updated):
            if not event.idle:
                await self.idle_task.stop()
            elif not self._is_read:
                self._received_bytes = 0
                await self.idle_task.restart(self._task_group, self._idle_timeout)

    async def _send(self, data: bytes) -> None:
        async with self.send_lock:
            with trio.move_on_after(SEND_SECONDS) as in_time:
                try:
                    await self.stream.send_all(data)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    self._scope.cancel()
        if in_time.cancelled_caught:
            self._scope.cancel()

    async def _end(self) -> None:
        async with self.send_lock:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await cast("trio.SocketStream", self.stream).send_eof()
        self._scope.cancel()

    async def _read_data(self) -> None:
        data = b"more"
        while data:
            try:
                data = bytes(await self.stream.receive_some(_READ_BYTES))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                break
            await self._take_turn()
            self._received_bytes += len(data)
            if self._received_bytes > MAX_REQUEST_BYTES:
                self._scope.cancel()
            await self.protocol.handle(RawData(data))
        await self.protocol.handle(Closed())

    async def _idle_timeout(self) -> None:
        await trio.sleep(IDLE_SECONDS)
        self._scope.cancel()

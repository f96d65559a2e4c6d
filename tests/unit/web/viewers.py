"""Viewers of a page, over real sockets of this machine."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio

from watcher.config.env.http_values import HttpAddress
from watcher.web.serving.listen import open_listeners
from watcher.web.serving.server import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp

    from watcher.web.serving.server import ConnectionLimits

SECONDS = 30


def _never(_address: str) -> bool:
    return False


@asynccontextmanager
async def serving(
    app: ASGIApp, limits: ConnectionLimits | None = None, is_exempt: Callable[[str], bool] = _never
) -> AsyncIterator[tuple[Server, int]]:
    """Serve an app while the block runs, and yield its port."""
    server = Server(app, limits, is_exempt)
    listeners = await open_listeners(HttpAddress("127.0.0.1", 0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, listeners)
        with trio.fail_after(SECONDS):
            yield server, listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def asked(port: int, request: str | bytes, *, ends: bool = False) -> bytes:
    """Send a request as given, and return everything until the end.

    Args:
        port: of this machine.
        request: everything that is sent.
        ends: whether to end the sending side, too.
    """
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(request.encode() if isinstance(request, str) else request)
        if ends:
            with suppress(trio.BrokenResourceError):  # the server cut the connection after what it got
                await stream.send_eof()
        return await rest_of(stream)


async def rest_of(stream: trio.SocketStream) -> bytes:
    """Return everything until the end, or until the connection is cut."""
    received = b""
    try:
        async for data in stream:
            received += data
    except trio.BrokenResourceError:
        pass
    return received


def get(path: str, *headers: str, method: str = "GET") -> str:
    """Write a request that ends its connection."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""])


def status_of(response: bytes) -> int:
    """Return the status of a response; 0 without one."""
    return int(response.split(b" ", 2)[1]) if response else 0

"""Good and bad sites for checks, on real sockets."""

from __future__ import annotations

import itertools
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Behaviour = Callable[[trio.abc.Stream], Awaitable[None]]


def response(body: bytes = b"hello", status: str = "200 OK", headers: str = "") -> bytes:
    """Write an HTTP/1.1 response."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
    return head.encode() + body


def answering(raw: bytes) -> Behaviour:
    """Read a request, send these bytes, and close."""

    async def behave(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(raw)

    return behave


def by_turns(*behaviours: Behaviour) -> Behaviour:
    """Behave in one way after the other, again and again."""
    turns = itertools.cycle(behaviours)

    async def behave(stream: trio.abc.Stream) -> None:
        await next(turns)(stream)

    return behave


def dripping(raw: bytes, byte_seconds: float = 0.05) -> Behaviour:
    """Send bytes one at a time."""

    async def behave(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        for byte in raw:
            await stream.send_all(bytes([byte]))
            await trio.sleep(byte_seconds)

    return behave


def endless(head: bytes, piece: bytes) -> Behaviour:
    """Send a head, and the same piece for ever."""

    async def behave(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(head)
        while True:
            await stream.send_all(piece)

    return behave


async def silent(stream: trio.abc.Stream) -> None:
    """Accept the connection, and send nothing."""
    await trio.sleep_forever()


async def resetting(stream: trio.abc.Stream) -> None:
    """Reset the connection when the request has arrived."""
    await read_request(stream)
    assert isinstance(stream, trio.SocketStream)
    stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


async def read_request(stream: trio.abc.Stream) -> bytes:
    """Read up to the end of the request's head."""
    request = b""
    while b"\r\n\r\n" not in request:
        received = await stream.receive_some()
        if not received:
            break
        request += received
    return request


@asynccontextmanager
async def serving(
    behaviour: Behaviour, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Serve a behaviour on an address of this machine; yields the port."""

    async def handle(stream: trio.SocketStream) -> None:
        try:
            async with stream if tls is None else trio.SSLStream(stream, tls, server_side=True) as served:
                await behaviour(served)
        except* (trio.BrokenResourceError, ssl.SSLError):
            pass  # the check has left, as it may

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host=host)
        nursery.start_soon(trio.serve_listeners, handle, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()

"""Servers that misbehave: scripts of bytes and mischief, over real sockets."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from tests.hostile.streams import DrippingStream, TlsStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Behaviour = Callable[["Peer"], Awaitable[None]]
    Step = bytes | Behaviour

SLOW_BYTE_SECONDS = 0.05
MAX_REQUEST_BYTES = 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger
_TLS_HANDSHAKE = b"\x16"  # ContentType (RFC 8446, section 5.1)


@dataclass(frozen=True)
class Request:
    """The head of a client's request."""

    path: str
    host: str
    head: bytes


class Peer:
    """A connected client, and what a script may do to it."""

    def __init__(self, stream: trio.abc.Stream, connection: trio.SocketStream) -> None:
        """Accept a connection; `stream` is the connection itself, or the TLS over it."""
        self.stream = stream
        self.connection = connection

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        await self.stream.send_all(data)

    async def request(self) -> Request:
        """Read the head of a request; missing parts are empty, and all of it is if a handshake starts instead."""
        head = b""
        while b"\r\n\r\n" not in head and len(head) < MAX_REQUEST_BYTES and not head.startswith(_TLS_HANDSHAKE):
            received = await self.stream.receive_some()
            if not received:
                break
            head += received
        lines = head.decode("latin-1").split("\r\n")
        hosts = [line[5:].strip() for line in lines if line.lower().startswith("host:")]
        words = lines[0].split(" ")
        return Request(words[1] if len(words) > 1 else "", hosts[0] if hosts else "", head)

    def abort(self) -> None:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.connection.socket.close()

    async def until_gone(self) -> None:
        """Read until the client has closed the connection."""
        while await self.stream.receive_some():
            pass


async def hang(peer: Peer) -> None:
    """Send nothing more."""
    await trio.sleep_forever()


async def reset(peer: Peer) -> None:
    """Reset the connection."""
    peer.abort()


async def wait_for_bytes(peer: Peer) -> None:
    """Wait until the client has sent something, and leave it unread."""
    await trio.lowlevel.wait_readable(peer.connection.socket)


async def read_request(peer: Peer) -> None:
    """Read the head of a request."""
    await peer.request()


async def read_some(peer: Peer) -> None:
    """Read the first data, whatever it is."""
    await peer.stream.receive_some()


async def until_gone(peer: Peer) -> None:
    """Keep the connection until the client closes it."""
    await peer.until_gone()


def drip(data: bytes, byte_seconds: float = SLOW_BYTE_SECONDS) -> Behaviour:
    """Send bytes one at a time."""

    async def step(peer: Peer) -> None:
        for byte in data:
            await peer.send(bytes([byte]))
            await trio.sleep(byte_seconds)

    return step


def forever(piece: bytes) -> Behaviour:
    """Send the same piece for ever."""

    async def step(peer: Peer) -> None:
        while True:
            await peer.send(piece)

    return step


def at_once(*steps: Step) -> Behaviour:
    """Run steps as soon as the client has connected, and close; bytes are sent."""

    async def behave(peer: Peer) -> None:
        for step in steps:
            await (peer.send(step) if isinstance(step, bytes) else step(peer))

    return behave


def saying(*steps: Step) -> Behaviour:
    """Read a request, run steps, and close."""
    return at_once(read_request, *steps)


def by_path(answer: Callable[[Request], Step]) -> Behaviour:
    """Choose a behaviour by the request."""

    async def behave(peer: Peer) -> None:
        await at_once(answer(await peer.request()))(peer)

    return behave


def response(body: bytes = b"hello", status: str = "200 OK", headers: str = "") -> bytes:
    """Write a valid HTTP/1.1 response."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
    return head.encode("latin-1") + body


@dataclass(frozen=True)
class Encryption:
    """How a server speaks TLS.

    Attributes:
        context: the server's context.
        byte_seconds: the time between two bytes from the server, throughout; None for whole records.
        plain_too: whether a client that does not start a handshake is answered without TLS.
    """

    context: ssl.SSLContext
    byte_seconds: float | None = None
    plain_too: bool = False


async def _meet(connection: trio.SocketStream, behaviour: Behaviour, encryption: Encryption | None) -> None:
    try:
        async with connection:
            stream = await _stream_over(connection, encryption)
            async with stream:
                await behaviour(Peer(stream, connection))
    except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError, OSError):
        pass  # the client has left, as it may


async def _stream_over(connection: trio.SocketStream, encryption: Encryption | None) -> trio.abc.Stream:
    if encryption is None:
        return connection
    if encryption.plain_too and await connection.socket.recv(1, socket.MSG_PEEK) != _TLS_HANDSHAKE:
        return connection
    carrier = DrippingStream(connection, encryption.byte_seconds) if encryption.byte_seconds is not None else connection
    try:
        return await TlsStream.accept(carrier, encryption.context)
    except ssl.SSLError:
        # A reset could overtake the alert.
        await connection.send_eof()
        async for _ in connection:
            pass
        raise


@asynccontextmanager
async def serving(behaviour: Behaviour, encryption: Encryption | None = None) -> AsyncIterator[int]:
    """Serve a behaviour on 127.0.0.1; yields the port. It ends with the block."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def meet(connection: trio.SocketStream) -> None:
            await _meet(connection, behaviour, encryption)

        nursery.start_soon(trio.serve_listeners, meet, listeners)
        yield int(listeners[0].socket.getsockname()[1])
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def refusing() -> AsyncIterator[int]:
    """Return a port without a listener; it is bound, so that no other program gets it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@asynccontextmanager
async def never_accepting() -> AsyncIterator[int]:
    """Return a port with a full queue of connections: the system drops new ones."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        with socket.create_connection(("127.0.0.1", port)):
            yield port

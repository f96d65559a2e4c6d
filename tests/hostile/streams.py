"""Streams of a server: TLS that sends its alerts, and a connection that sends a byte at a time."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

READ_BYTES = 64 * 1024

T = TypeVar("T")


class TlsStream(trio.abc.Stream):
    """The server's side of TLS; trio's own, unlike real servers, ends without the alert that says why."""

    def __init__(self, connection: trio.abc.Stream, context: ssl.SSLContext) -> None:
        """Wrap a connection; see `accept`."""
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    @classmethod
    async def accept(cls, connection: trio.abc.Stream, context: ssl.SSLContext) -> Self:
        """Do the handshake.

        Raises:
            ssl.SSLError, trio.BrokenResourceError: it failed.
        """
        stream = cls(connection, context)
        await stream._done(stream._tls.do_handshake)
        return stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes."""
        await self._done(lambda: self._tls.write(data))

    async def wait_send_all_might_not_block(self) -> None:
        """Return when a write may succeed."""
        await self._connection.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive bytes; none at the end."""
        try:
            return await self._done(lambda: self._tls.read(max_bytes or READ_BYTES))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    async def aclose(self) -> None:
        """Announce the end (RFC 8446, section 6.1), wait for no answer, and close."""
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._connection.send_all(self._outgoing.read())
        await self._connection.aclose()

    async def _done(self, operation: Callable[[], T]) -> T:
        while True:
            try:
                result = operation()
            except ssl.SSLWantReadError:
                await self._flush()
                received = await self._connection.receive_some()
                if received:
                    self._incoming.write(received)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                await self._flush()
                raise
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        waiting = self._outgoing.read()
        if waiting:
            await self._connection.send_all(waiting)


class DrippingStream(trio.abc.Stream):
    """A connection that sends one byte at a time."""

    def __init__(self, connection: trio.abc.Stream, byte_seconds: float) -> None:
        """Wrap a connection."""
        self._connection = connection
        self._byte_seconds = byte_seconds

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes one at a time."""
        for byte in bytes(data):
            await self._connection.send_all(bytes([byte]))
            await trio.sleep(self._byte_seconds)

    async def wait_send_all_might_not_block(self) -> None:
        """Return when a write may succeed."""
        await self._connection.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive bytes; none at the end."""
        return bytes(await self._connection.receive_some(max_bytes))

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.aclose()

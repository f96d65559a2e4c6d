"""Sends and receives bytes over one connection, plain or TLS: a non-blocking socket that trio waits for.

trio's own streams are not used: they take locks and copy everything through a second TLS buffer, which costs more than
the rest of a check.
"""

from __future__ import annotations

import errno
import os
import ssl
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

# The bound of one read.
READ_BYTES = 64 * 1024
# TLS may return buffered data without ever waiting: after this many reads, other tasks get a turn.
READS_WITHOUT_WAIT = 8


class Wire:
    """A connected socket that belongs to one exchange at a time."""

    __slots__ = ("_fd", "_has_ended", "_reads_without_wait", "_socket", "ip", "wait_readable")

    def __init__(self, connected: socket.socket, ip: str) -> None:
        """Take ownership of a connected, non-blocking socket.

        Args:
            connected: the socket.
            ip: of its peer.
        """
        self._socket = connected
        self._fd = connected.fileno()
        self._has_ended = False
        self._reads_without_wait = 0
        self.ip = ip
        # How `receive` waits for the peer; a caller that doubts an idle connection replaces it.
        self.wait_readable: Callable[[int], Awaitable[None]] = trio.lowlevel.wait_readable

    @property
    def tls(self) -> ssl.SSLSocket | None:
        """The TLS side of the connection, None if it is plain."""
        return self._socket if isinstance(self._socket, ssl.SSLSocket) else None

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> ssl.SSLSocket:
        """Do the TLS handshake.

        Raises:
            ssl.SSLError, ConnectionError: it failed.
        """
        # By default, CPython treats a reset inside a body as the body's end.
        encrypted = context.wrap_socket(
            self._socket, server_hostname=server_name, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        self._socket = encrypted
        while True:
            try:
                encrypted.do_handshake()
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(self._fd)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self._fd)
            else:
                return encrypted

    async def send_all(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            OSError: the connection broke.
        """
        sent = 0
        while sent < len(data):
            sent += await self.send_some(memoryview(data)[sent:] if sent else data)

    async def send_some(self, data: bytes | memoryview) -> int:
        """Send the bytes that fit now; if none do, wait until the connection is writable or readable.

        Returns:
            the number of bytes sent, 0 after a wait.

        Raises:
            OSError: the connection broke.
        """
        try:
            return self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            if self._has_ended:
                await trio.lowlevel.wait_writable(self._fd)
            else:
                await self._wait_writable_or_readable()
        except ssl.SSLWantReadError:
            await trio.lowlevel.wait_readable(self._fd)
        except ssl.SSLEOFError as error:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error  # as without TLS
        return 0

    def receive_nowait(self) -> bytes:
        """Return data that has already arrived, or nothing.

        Raises:
            OSError: the connection broke.
        """
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        self._has_ended = not data
        return data

    async def _wait_writable_or_readable(self) -> None:
        async with trio.open_nursery() as nursery:

            async def wait(until_it_is: Callable[[int], Awaitable[None]]) -> None:
                await until_it_is(self._fd)
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait, trio.lowlevel.wait_readable)
            nursery.start_soon(wait, trio.lowlevel.wait_writable)

    async def receive(self) -> bytes:
        """Wait for bytes, and return at most `READ_BYTES` of them; an empty result means that the peer has closed.

        Raises:
            OSError: the connection broke.
        """
        if not isinstance(self._socket, ssl.SSLSocket):
            await self.wait_readable(self._fd)
        elif self._reads_without_wait >= READS_WITHOUT_WAIT:
            self._reads_without_wait = 0
            await trio.lowlevel.checkpoint()
        while True:
            try:
                data = self._socket.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                await self.wait_readable(self._fd)
                self._reads_without_wait = 0
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self._fd)
            else:
                self._reads_without_wait += 1
                return data

    def has_ended(self) -> bool:
        """Return whether an idle connection is no longer usable: the peer has closed it, or sent unrequested data."""
        try:
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Close the socket; does nothing if it is closed."""
        self._socket.close()

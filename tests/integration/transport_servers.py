"""Working servers and proxies that record their requests."""

from __future__ import annotations

import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from tests.integration.sites import read_request
from watcher.checking.check_context import open_check_context
from watcher.checking.http.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any

    from watcher.checking.check_context import AnyProbe
    from watcher.checking.http.exchange import Exchange
    from watcher.model.target import Target


def kept_response(body: bytes = b"hello") -> bytes:
    """Write a response after which the connection stays open."""
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Site:
    """An HTTP/1.1 server that keeps connections.

    Attributes:
        requests: the heads of all requests.
        connections: the number of connections.
    """

    def __init__(self) -> None:
        """Prepare a site without requests yet."""
        self.requests: list[bytes] = []
        self.connections = 0

    async def behave(self, stream: trio.abc.Stream) -> None:
        """Answer until the peer disconnects."""
        self.connections += 1
        while request := await read_request(stream):
            self.requests.append(request)
            await stream.send_all(kept_response())


class HttpProxy:
    """An HTTP proxy: it answers plain requests itself, and opens tunnels; `requests` has the heads that it received."""

    def __init__(self, refusal: bytes = b"") -> None:
        """Prepare a proxy that answers everything with the refusal, if given."""
        self.requests: list[bytes] = []
        self._refusal = refusal

    async def behave(self, stream: trio.abc.Stream) -> None:
        """Serve one request."""
        head = await read_request(stream)
        if not head:
            return  # the client has disconnected
        self.requests.append(head)
        method, address, _ = head.split(b" ", 2)
        if self._refusal or method != b"CONNECT":
            await stream.send_all(self._refusal or kept_response(b"by the proxy"))
            return
        host, _, port = address.decode().rpartition(":")
        await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _tunnel(stream, host.strip("[]"), int(port))


class SocksProxy:
    """A SOCKS5 proxy (RFC 1928), with a login if given (RFC 1929).

    Attributes:
        asked: host and port of each tunnel; a host name was left to the proxy to resolve.
    """

    def __init__(self, login: tuple[str, str] | None = None, reply: int = 0) -> None:
        """Prepare a proxy that gives this reply; 0 means success."""
        self.asked: list[tuple[str, int]] = []
        self._login = login
        self._reply = reply

    async def behave(self, stream: trio.abc.Stream) -> None:
        """Serve one client."""
        reader = _Reader(stream)
        _, count = await reader.exactly(2)
        methods = await reader.exactly(count)
        wanted = 0 if self._login is None else 2
        if wanted not in methods:
            await stream.send_all(b"\5\xff")
            return
        await stream.send_all(bytes([5, wanted]))
        if self._login is not None:
            await reader.exactly(1)
            login = [(await reader.exactly((await reader.exactly(1))[0])).decode() for _ in range(2)]
            await stream.send_all(bytes([1, login != list(self._login)]))
            if login != list(self._login):
                return
        kind = (await reader.exactly(4))[3]
        if kind == 3:
            host = (await reader.exactly((await reader.exactly(1))[0])).decode()
        else:
            host = ".".join(map(str, await reader.exactly(4)))
        [port] = struct.unpack(">H", await reader.exactly(2))
        self.asked.append((host, port))
        await stream.send_all(bytes([5, self._reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if not self._reply:
            await _tunnel(stream, "127.0.0.1", port)


class _Reader:
    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = await self._stream.receive_some(count - len(data))
            if not more:
                raise trio.BrokenResourceError
            data += more
        return data


async def _tunnel(client: trio.abc.Stream, host: str, port: int) -> None:
    async def pass_on(source: trio.abc.Stream, sink: trio.abc.Stream) -> None:
        while data := await source.receive_some():
            await sink.send_all(data)
        nursery.cancel_scope.cancel()

    async with await trio.open_tcp_stream(host, port) as server, trio.open_nursery() as nursery:
        nursery.start_soon(pass_on, client, server)
        nursery.start_soon(pass_on, server, client)


@asynccontextmanager
async def probing(target: Target, lookup: Callable[..., list[Any]] | None = None) -> AsyncIterator[AnyProbe]:
    """Open a probe of a target; `lookup` resolves names."""
    async with open_check_context(10, resolver=None if lookup is None else Resolver(lookup)) as context:
        probe = context.probe(target)
        try:
            yield probe
        finally:
            probe.close()


async def asked(target: Target, lookup: Callable[..., list[Any]] | None = None) -> Exchange:
    """Check a target once."""
    async with probing(target, lookup) as probe:
        return await probe.fetch()

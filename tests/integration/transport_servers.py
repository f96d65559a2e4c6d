"""Servers and proxies that do well, and remember what they saw."""

from __future__ import annotations

import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.events
import trio

from tests.integration.sites import read_request
from watcher.checking.checker import open_checker
from watcher.checking.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any

    from watcher.checking.checker import AnyProbe
    from watcher.checking.exchange import Exchange
    from watcher.model.target import Target


def kept_response(body: bytes = b"hello", status: str = "200 OK", headers: str = "") -> bytes:
    """Write a response after which the connection stays open."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class Site:
    """An HTTP/1.1 server that keeps connections.

    Attributes:
        requests: the heads of all requests.
        connections: how many there were.
    """

    def __init__(self, answer: Callable[[int], bytes] | None = None, *, closes: bool = False) -> None:
        """Make a site.

        Args:
            answer: what to send for a request of this number, from 0.
            closes: whether each connection is closed after one response, without a word.
        """
        self.requests: list[bytes] = []
        self.connections = 0
        self._answer = answer or (lambda _: kept_response())
        self._closes = closes

    async def behave(self, stream: trio.abc.Stream) -> None:
        """Answer until the peer leaves."""
        self.connections += 1
        while request := await read_request(stream):
            self.requests.append(request)
            await stream.send_all(self._answer(len(self.requests) - 1))
            if self._closes:
                return


class Http2Site:
    """An HTTP/2 server.

    Attributes:
        requests: headers and body of each request that was whole.
        connections: how many there were.
    """

    def __init__(self, body: bytes = b"hello", trailers: tuple[tuple[str, str], ...] = ()) -> None:
        """Make a site whose every response has this body."""
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.connections = 0
        self._body = body
        self._trailers = trailers

    async def behave(self, stream: trio.abc.Stream) -> None:
        """Answer until the peer leaves."""
        self.connections += 1
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        await stream.send_all(connection.data_to_send())
        heads: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        unsent: dict[int, bytes] = {}
        while data := await stream.receive_some():
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    heads[event.stream_id], bodies[event.stream_id] = (
                        {str(name): str(value) for name, value in event.headers},
                        b"",
                    )
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.requests.append((heads[event.stream_id], bodies[event.stream_id]))
                    connection.send_headers(event.stream_id, [(":status", "200")])
                    unsent[event.stream_id] = self._body
            for stream_id in list(unsent):
                unsent[stream_id] = self._send(connection, stream_id, unsent[stream_id])
                if not unsent[stream_id]:
                    del unsent[stream_id]
            await stream.send_all(connection.data_to_send())

    def _send(self, connection: h2.connection.H2Connection, stream_id: int, body: bytes) -> bytes:
        """Send what the window takes; the rest is returned, nothing where the response is whole."""
        while body:
            size = min(connection.local_flow_control_window(stream_id), connection.max_outbound_frame_size, len(body))
            if not size:
                return body
            connection.send_data(stream_id, body[:size], end_stream=size == len(body) and not self._trailers)
            body = body[size:]
        if self._trailers:
            connection.send_headers(stream_id, self._trailers, end_stream=True)
        return b""


class HttpProxy:
    """A proxy of HTTP: it answers plain requests itself, and opens tunnels; `requests` has the heads that it saw."""

    def __init__(self, refusal: bytes = b"") -> None:
        """Make a proxy that answers everything with the refusal, where there is one."""
        self.requests: list[bytes] = []
        self._refusal = refusal

    async def behave(self, stream: trio.abc.Stream) -> None:
        """Serve one request."""
        head = await read_request(stream)
        self.requests.append(head)
        method, address, _ = head.split(b" ", 2)
        if self._refusal or method != b"CONNECT":
            await stream.send_all(self._refusal or kept_response(b"by the proxy"))
            return
        host, _, port = address.decode().rpartition(":")
        await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _tunnel(stream, host.strip("[]"), int(port))


class SocksProxy:
    """A proxy of SOCKS5 (RFC 1928), with a login where there is one (RFC 1929).

    Attributes:
        asked: host and port of each tunnel; a host that is a name was left to the proxy to resolve.
    """

    def __init__(self, login: tuple[str, str] | None = None, reply: int = 0) -> None:
        """Make a proxy that gives this reply; 0 is for success."""
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
    """Open what asks a target; names are looked up by `lookup`."""
    async with open_checker(10, resolver=None if lookup is None else Resolver(lookup)) as checker:
        probe = checker.probe(target)
        try:
            yield probe
        finally:
            probe.close()


async def asked(target: Target, lookup: Callable[..., list[Any]] | None = None) -> Exchange:
    """Ask a target once."""
    async with probing(target, lookup) as probe:
        return await probe.fetch()

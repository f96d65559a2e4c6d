"""A TCP proxy in front of a PostgreSQL server that can stall, refuse or cut connections, as a network does."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

import trio

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


class Proxy:
    """Forwards bytes both ways while it is open.

    Attributes:
        host: the address at which it listens.
        port: its port at that address.
    """

    def __init__(
        self, url: str, nursery: trio.Nursery, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._server_url = url
        self._tls = tls
        self._nursery = nursery
        self._flowing = trio.Event()
        self._flowing.set()
        self._streams: set[trio.SocketStream] = set()
        self._listening: trio.CancelScope | None = None
        self._shut = trio.Event()
        self._place: trio.socket.SocketType | None = None
        self.host = host
        self.port = 0
        self.connections = 0

    def url(self) -> str:
        """The server's URL, through the proxy."""
        parts = urlsplit(self._server_url)
        userinfo = parts.netloc.rpartition("@")[0]
        return urlunsplit((parts.scheme, f"{userinfo}@{self.host}:{self.port}", parts.path, "sslmode=disable", ""))

    def freeze(self) -> None:
        """Drop every packet from now on: nothing is forwarded, refused or closed."""
        self._flowing = trio.Event()

    def thaw(self) -> None:
        """Forward packets again."""
        self._flowing.set()

    async def open(self) -> None:
        """Listen, on the same port as before."""
        if self._place is None:
            self._place = await self._take_a_place()
        listeners = await trio.open_tcp_listeners(self.port, host=self.host)
        self._listening, self._shut = trio.CancelScope(), trio.Event()
        self._nursery.start_soon(self._serve, listeners, self._listening)

    async def shut(self) -> None:
        """Refuse new connections and reset the existing ones."""
        assert self._listening is not None
        self._listening.cancel()
        for stream in list(self._streams):
            stream.socket.close()
        await self._shut.wait()

    def close(self) -> None:
        """Give up the port."""
        if self._place is not None:
            self._place.close()

    async def _take_a_place(self) -> trio.socket.SocketType:
        """Bind a socket that never listens: while the proxy is shut, no other program gets its port."""
        place = trio.socket.socket()
        place.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_REUSEADDR, 1)  # for later listeners
        await place.bind((self.host, self.port))
        self.port = place.getsockname()[1]
        return place

    async def _serve(self, listeners: list[trio.SocketListener], scope: trio.CancelScope) -> None:
        with scope:
            await trio.serve_listeners(self._forward, listeners)
        self._shut.set()

    async def _forward(self, client: trio.SocketStream) -> None:
        self.connections += 1
        parts = urlsplit(self._server_url)
        folder = parse_qs(parts.query).get("host")
        try:
            server = (
                await trio.open_unix_socket(f"{folder[0]}/.s.PGSQL.5432")
                if folder
                else await trio.open_tcp_stream(parts.hostname or "", parts.port or 5432)
            )
        except OSError:  # the server is down
            await client.aclose()
            return
        self._streams |= {client, server}
        async with client, server, trio.open_nursery() as nursery:
            near = client if self._tls is None else await self._encrypted(client, self._tls)
            nursery.start_soon(self._pump, near, server, nursery.cancel_scope)
            nursery.start_soon(self._pump, server, near, nursery.cancel_scope)
        self._streams -= {client, server}

    async def _encrypted(self, client: trio.SocketStream, tls: ssl.SSLContext) -> trio.abc.Stream:
        """Speak TLS in place of the server, which may not be able to; see the protocol's SSLRequest."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # it has given up
            await client.receive_some(8)
            await self._flowing.wait()
            await client.send_all(b"S")
        return trio.SSLStream(client, tls, server_side=True)

    async def _pump(self, source: trio.abc.Stream, sink: trio.abc.Stream, scope: trio.CancelScope) -> None:
        try:
            while data := await source.receive_some():
                await self._flowing.wait()
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        await self._flowing.wait()  # in a black hole not even the end of a connection arrives
        scope.cancel()


@asynccontextmanager
async def open_proxy(url: str, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Proxy]:
    """Run a proxy in front of a server while the block runs; with TLS if it is given a context."""
    async with trio.open_nursery() as nursery:
        proxy = Proxy(url, nursery, tls, host)
        await proxy.open()
        try:
            yield proxy
        finally:
            proxy.close()
        nursery.cancel_scope.cancel()

"""Sends HTTP requests over connections that belong to one check, without a pool."""

from __future__ import annotations

import math
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import trio

from watcher.checking.http.dial import chosen, connect
from watcher.checking.http.http1 import Head, Http1, ProtocolError
from watcher.checking.http.http2 import Http2, RefusedError
from watcher.checking.http.proxies import Proxy, open_tunnel
from watcher.checking.http.redirects import authority_of
from watcher.checking.http.repair.heads import without_repeats
from watcher.checking.http.resolver import Resolver, literal_address
from watcher.checking.http.stopwatch import Stopwatch
from watcher.checking.http.tls import TlsContexts, chain_of, refuse_version
from watcher.checking.http.wire import Wire
from watcher.text.host_names import ascii_host

if TYPE_CHECKING:
    from watcher.checking.http.exchange import Chain, Request, Url
    from watcher.checking.http.resolver import Address
    from watcher.model.target import Connecting, HttpVersion

# Headers that HTTP/2 forbids (RFC 9113, section 8.2.2) or replaces by pseudo-headers.
_NOT_IN_HTTP2 = frozenset(
    {b"connection", b"host", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}
)


# Connections idle for longer are not reused, as in curl (CURLOPT_MAXAGE_CONN): load balancers forget a connection
# after one or several minutes.
MAX_IDLE_SECONDS = 118.0
# The bound of the cache of header lines. With cookies, an entry may have some 200 KB.
MAX_KEPT_LINES = 64
_SAFE_TO_REPEAT = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE"})  # RFC 9110, section 9.2.2


class Response(NamedTuple):
    """A response whose body has not been read yet.

    Attributes:
        head: its start.
        connection: yields the body.
    """

    head: Head
    connection: Http1 | Http2


class _ReplacedError(Exception):
    """A new connection has answered before the kept one."""

    def __init__(self, response: Response) -> None:
        self.response = response


@dataclass(frozen=True)
class Tools:
    """The tools that all transports share."""

    resolver: Resolver
    tls_contexts: TlsContexts


class Transport:
    """Sends each request over a new connection, or over the one that the last response left open.

    Resolving, connecting, TLS and HTTP happen only here, so that each phase is measured in place, and a cancelled check
    has one socket to close. No step has a deadline of its own: the caller's covers them all.

    Attributes:
        deadline: of the whole exchange, on the clock of `trio.current_time`; the caller enforces it.
        stopwatch: times the phases.
        ip: of the last peer.
        chain: the certificates that it sent.
        notes: sentences on oddities of the responses so far.
    """

    __slots__ = (
        *("_connecting", "_connection", "_idle_since", "_origin", "_tools", "_wire"),
        *("chain", "deadline", "ip", "notes", "stopwatch"),
    )

    def __init__(self, tools: Tools, connecting: Connecting) -> None:
        """Create a transport without a connection.

        Args:
            tools: shared by all transports.
            connecting: how to connect; its `resolve_to`, server name and client certificate apply to every request: for
                another origin, the caller uses another transport.
        """
        self._tools = tools
        self._connecting = connecting
        self._connection: Http1 | Http2 | None = None
        self._wire: Wire | None = None
        self._idle_since = 0.0
        self._origin: tuple[str, str, int] | None = None
        self.deadline = math.inf
        self.stopwatch = Stopwatch()
        self.ip: str | None = None
        self.chain: Chain | None = None
        self.notes: list[str] = []

    async def ask(self, request: Request) -> Response:
        """Send a request, and return its response, whose body has not been read yet.

        Raises:
            ProtocolError: the response is not HTTP.
            BlockedAddressError: connecting to the address is not allowed.
            ProxyError, OSError, ssl.SSLError, ExceptionGroup: connecting failed, or the connection broke.
        """
        connection = self._kept(request.url.origin)
        if connection is not None:
            try:
                return await self._send_again(connection, request)
            except _ReplacedError as replaced:
                return replaced.response
            except (OSError, ProtocolError):
                # The server closed it at the moment of its reuse (RFC 9112, section 9.3.1), or a router forgot it.
                self.close()
        connection = await self._open(request.url)
        try:
            return await self._send(connection, request)
        except RefusedError as error:
            if error.wants_http1 and self._connecting.http_version == "2":
                raise
            self.close()
            self.notes.append(f"asked once more, since {error}")
            connection = await self._open(request.url, http1_only=error.wants_http1)
        return await self._send(connection, request)

    def release(self) -> bool:
        """Close the connection unless it can be reused; return whether it is still open."""
        connection = self._connection
        if connection is None or not self._connecting.keep_alive or not connection.reusable:
            self.close()
            return False
        # The next exchange has its own times and notes, and the same peer.
        self.stopwatch, self.notes = Stopwatch(), []
        self._idle_since = trio.current_time()
        return True

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = self._wire = None

    def _kept(self, origin: tuple[str, str, int]) -> Http1 | Http2 | None:
        connection = self._connection
        if connection is not None and (
            origin != self._origin
            or trio.current_time() - self._idle_since > MAX_IDLE_SECONDS
            or not connection.reusable
            or connection.has_ended()
        ):
            self.close()
        return self._connection

    async def _send_again(self, connection: Http1 | Http2, request: Request) -> Response:
        """Send a request over a kept connection, and also over a new one if it stays silent for half of the time.

        A load balancer or NAT forgets an idle connection silently, and a slow site is silent too: the first answer
        counts.

        Raises:
            _ReplacedError: the new connection has answered, and is now that of this transport.
            ExceptionGroup: no new connection could be made.
        """
        wire = self._wire
        if wire is None or request.method not in _SAFE_TO_REPEAT or self.deadline == math.inf:
            return await self._send(connection, request)
        doubtful_at = (trio.current_time() + self.deadline) / 2

        async def wait_readable(fd: int) -> None:
            with trio.move_on_at(doubtful_at) as scope:
                await trio.lowlevel.wait_readable(fd)
            wire.wait_readable = trio.lowlevel.wait_readable
            if scope.cancelled_caught:
                await self._wait_or_replace(fd, request)

        wire.wait_readable = wait_readable
        try:
            return await self._send(connection, request)
        finally:
            wire.wait_readable = trio.lowlevel.wait_readable

    async def _wait_or_replace(self, fd: int, request: Request) -> None:
        """Wait for data on the kept connection, or raise the response of a new one."""
        fresh = Transport(self._tools, self._connecting)
        response: Response | None = None

        async def ask_fresh() -> None:
            nonlocal response
            response = await fresh.ask(request)
            nursery.cancel_scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask_fresh)
                await trio.lowlevel.wait_readable(fd)
                nursery.cancel_scope.cancel()
            if response is None:
                return
            self.close()
            self._take_over(fresh)
        except ExceptionGroup:
            self.stopwatch, self.ip = fresh.stopwatch, fresh.ip  # the failed step is one of the new connection
            raise
        finally:
            fresh.close()
        raise _ReplacedError(response)

    def _take_over(self, other: Transport) -> None:
        self._connection, self._wire, self._origin = other._connection, other._wire, other._origin
        self.ip, self.chain, self.stopwatch, self.notes = other.ip, other.chain, other.stopwatch, other.notes
        other._connection = other._wire = None

    async def _open(self, url: Url, *, http1_only: bool = False) -> Http1 | Http2:
        self.ip = self.chain = None  # these belong to the previous connection
        scheme, host, port = self._origin = url.origin
        connecting = self._connecting
        # Created first, so that its time is in no phase.
        http_version: HttpVersion = "1.1" if http1_only else connecting.http_version
        context = await self._tls_context(http_version) if scheme == "https" else None
        proxy = None if connecting.proxy_url is None else _proxy(connecting.proxy_url)
        wire = await self._connect(host, port) if proxy is None else await self._connect_to(proxy)
        connection: Http1 | Http2 = Http1(wire)
        self._connection, self._wire = connection, wire  # from here on, `close` closes the wire
        if proxy is not None and (scheme == "https" or proxy.scheme != "http"):
            await open_tunnel(wire, proxy, await self._name_for(proxy, host, port), port)
        if context is not None:
            encrypted = await self._start_tls(wire, context, host)
            speaks_http2 = _speaks_http2(encrypted, wanted=connecting.http_version == "2")
        else:
            speaks_http2 = connecting.http_version == "2"
        if speaks_http2:
            self._connection = connection = Http2(wire)
        return connection

    async def _tls_context(self, http_version: HttpVersion) -> ssl.SSLContext:
        contexts, options = self._tools.tls_contexts, self._connecting.tls
        context = contexts.made(options, http_version)
        if context is None:
            self.stopwatch.enter("preparing")
            context = await contexts.make(options, http_version)
            self.stopwatch.enter(None)
        return context

    async def _start_tls(self, wire: Wire, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
        self.stopwatch.enter("tls")
        options = self._connecting.tls
        name = host.partition("%")[0].rstrip(".") if options.server_name is None else ascii_host(options.server_name)
        try:
            encrypted = await wire.start_tls(context, name)
        except ssl.SSLError as error:
            refuse_version(error, options)
            raise
        self.chain = chain_of(encrypted)
        return encrypted

    async def _connect(self, host: str, port: int) -> Wire:
        connecting = self._connecting
        addresses = await self._addresses(connecting.resolve_to or host, port)
        self.stopwatch.enter("connect")
        addresses = chosen(addresses, connecting.ip_protocol, allow_private=connecting.allow_private)
        if len(addresses) == 1:
            self.ip = addresses[0].ip
        sock = await connect(addresses)
        if len(addresses) > 1:
            self.ip = str(sock.getpeername()[0])
        assert self.ip is not None
        return Wire(sock, self.ip)

    async def _connect_to(self, proxy: Proxy) -> Wire:
        addresses = await self._addresses(proxy.host, proxy.port)
        self.stopwatch.enter("connect")
        sock = await connect(chosen(addresses, "any", allow_private=True))
        self.ip = str(sock.getpeername()[0])
        return Wire(sock, self.ip)

    async def _addresses(self, host: str, port: int) -> list[Address]:
        literal = literal_address(host, port)
        if literal is not None:
            return [literal]
        self.stopwatch.enter("resolve")
        return await self._tools.resolver.resolve(host, port)

    async def _name_for(self, proxy: Proxy, host: str, port: int) -> str:
        """Return the host for a proxy to connect to."""
        connecting = self._connecting
        if connecting.resolve_to is not None or proxy.scheme != "socks5":
            return connecting.resolve_to or host
        addresses = chosen(await self._addresses(host, port), connecting.ip_protocol, allow_private=True)
        self.stopwatch.enter("connect")
        return addresses[0].ip

    async def _send(self, connection: Http1 | Http2, request: Request) -> Response:
        if isinstance(connection, Http2):
            head = await connection.exchange(_http2_headers(request), request.body, self.stopwatch)
        else:
            without_body = request.method == "HEAD"
            head = await connection.exchange(self._http1_bytes(request), self.stopwatch, without_body=without_body)
        headers, notes = without_repeats(head.headers)
        self.notes += (*head.notes, *notes)
        return Response(head._replace(headers=headers) if notes else head, connection)

    def _http1_bytes(self, request: Request) -> bytes:
        method, url, headers, body = request
        target = url.raw_path
        proxy_url = self._connecting.proxy_url
        if proxy_url is not None and url.scheme == "http" and (proxy := _proxy(proxy_url)).scheme == "http":
            target = b"http://" + authority_of(url) + target  # RFC 9112, section 3.2.2
            headers = (*headers, *proxy.authorization())
        host, lines = _header_lines(headers)
        if host is None:
            lines = b"Host: %s\r\n%s" % (authority_of(url), lines)
        return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method.encode(), target, lines, body)


@lru_cache(MAX_KEPT_LINES)
def _header_lines(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes | None, bytes]:
    """Return the value of the `Host` header, if any, and all header lines; most targets have the same ones."""
    host = next((value for name, value in headers if name.lower() == b"host"), None)
    return host, b"".join([b"%s: %s\r\n" % pair for pair in headers])


@lru_cache(1024)
def _proxy(url: str) -> Proxy:
    return Proxy.of(url)


def _speaks_http2(encrypted: ssl.SSLSocket, *, wanted: bool) -> bool:
    speaks = encrypted.selected_alpn_protocol() == "h2"
    if wanted and not speaks:
        raise ProtocolError("the server does not speak HTTP/2")
    return speaks


def _http2_headers(request: Request) -> list[tuple[bytes, bytes]]:
    url = request.url
    host, _ = _header_lines(request.headers)
    return [
        (b":method", request.method.encode()),
        (b":authority", authority_of(url) if host is None else host),
        (b":scheme", url.scheme.encode()),
        (b":path", url.raw_path),
        *((name.lower(), value) for name, value in request.headers if name.lower() not in _NOT_IN_HTTP2),
    ]

"""Opens tunnels through a proxy: HTTP CONNECT (RFC 9110, section 9.3.6) and SOCKS5 (RFC 1928, RFC 1929)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from socksio import SOCKSError, socks5

from watcher.checking.http.http1 import Http1, ProtocolError
from watcher.checking.http.stopwatch import Stopwatch
from watcher.text.host_names import ascii_host

if TYPE_CHECKING:
    from watcher.checking.http.wire import Wire

_DEFAULT_PORTS = {"http": 3128, "socks5": 1080, "socks5h": 1080}


class ProxyError(Exception):
    """The proxy failed; the message is for people, and ends with the proxy's own words in `quoted`."""

    def __init__(self, text: str, quoted: str = "") -> None:
        self.quoted = quoted
        super().__init__(text + quoted)


@dataclass(frozen=True, slots=True)
class Proxy:
    """The address and credentials of a proxy.

    Attributes:
        scheme: `http`, `socks5` (names are resolved here) or `socks5h` (the proxy resolves names).
        host, port: the proxy's address.
        username, password: None without authentication.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @classmethod
    def of(cls, url: str) -> Proxy:
        """Parse a `proxy_url`."""
        parts = urlsplit(url)
        username = None if parts.username is None else unquote(parts.username)
        password = None if parts.password is None else unquote(parts.password)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        host = (parts.hostname or "").replace("%25", "%")  # before the zone of an IPv6 address
        return cls(parts.scheme, host if host.isascii() else ascii_host(host), port, username, password)

    def authorization(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that authenticate with an HTTP proxy."""
        if self.username is None:
            return []
        pair = base64.b64encode(f"{self.username}:{self.password or ''}".encode())
        return [(b"proxy-authorization", b"Basic " + pair)]


async def open_tunnel(wire: Wire, proxy: Proxy, host: str, port: int) -> None:
    """Turn a wire to a proxy into a wire to a site.

    Args:
        wire: connected to the proxy.
        proxy: the proxy.
        host: the site's name or IP address.
        port: the site's port.

    Raises:
        ProxyError: the proxy refused or failed.
        OSError: the connection broke.
    """
    try:
        if proxy.scheme == "http":
            await _connect_by_http(wire, proxy, host, port)
        else:
            await _connect_by_socks(wire, proxy, host, port)
    except (ProtocolError, SOCKSError) as error:
        own_words, claim, quoted = str(error).partition("claims to be ")
        raise ProxyError(f"what the proxy says is not understood: {own_words}{claim}", quoted) from error


async def _connect_by_http(wire: Wire, proxy: Proxy, host: str, port: int) -> None:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    headers = b"".join(b"%s: %s\r\n" % pair for pair in proxy.authorization())
    request = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n".encode() + headers + b"\r\n"
    connection = Http1(wire)
    head = await connection.exchange(request, Stopwatch(), without_body=True)
    connection.forget()
    if not 200 <= head.status_code <= 299:
        phrase = head.reason_phrase.decode("latin-1")
        raise ProxyError(f"the proxy refused to connect: {head.status_code}{' ' if phrase else ''}", phrase)


async def _connect_by_socks(wire: Wire, proxy: Proxy, host: str, port: int) -> None:
    connection = socks5.SOCKS5Connection()
    method = socks5.SOCKS5AuthMethod
    offered = [method.NO_AUTH_REQUIRED, *([] if proxy.username is None else [method.USERNAME_PASSWORD])]
    connection.send(socks5.SOCKS5AuthMethodsRequest(offered))
    reader = _Reader(wire)
    await wire.send_all(connection.data_to_send())
    chosen = connection.receive_data(await reader.exactly(2))
    if not isinstance(chosen, socks5.SOCKS5AuthReply) or chosen.method not in offered:
        raise ProxyError("the proxy does not take this way of authentication")
    if proxy.username is not None and chosen.method == method.USERNAME_PASSWORD:
        login = socks5.SOCKS5UsernamePasswordRequest(proxy.username.encode(), (proxy.password or "").encode())
        connection.send(login)
        await wire.send_all(connection.data_to_send())
        answer = connection.receive_data(await reader.exactly(2))
        if not isinstance(answer, socks5.SOCKS5UsernamePasswordReply) or not answer.success:
            raise ProxyError("the proxy refused the user name or the password")
    connection.send(socks5.SOCKS5CommandRequest.from_address(socks5.SOCKS5Command.CONNECT, (host, port)))
    await wire.send_all(connection.data_to_send())
    start = await reader.exactly(5)
    address_bytes = {1: 4, 3: 1 + start[4], 4: 16}.get(start[3], 1)
    reply = connection.receive_data(start + await reader.exactly(4 + address_bytes + 2 - len(start)))
    if not isinstance(reply, socks5.SOCKS5Reply) or reply.reply_code != socks5.SOCKS5ReplyCode.SUCCEEDED:
        name = getattr(reply, "reply_code", socks5.SOCKS5ReplyCode.GENERAL_SERVER_FAILURE).name
        raise ProxyError(f"the proxy refused to connect: {name.lower().replace('_', ' ')}")


class _Reader:
    """Reads replies of known length."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._held = b""

    async def exactly(self, count: int) -> bytes:
        while len(self._held) < count:
            data = await self._wire.receive()
            if not data:
                raise ProxyError("the proxy closed the connection")
            self._held += data
        taken, self._held = self._held[:count], self._held[count:]
        return taken

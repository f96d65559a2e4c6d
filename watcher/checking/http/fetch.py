"""Runs the HTTP exchange of a check, redirects included, under one deadline."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httpx
import trio

from watcher import __version__
from watcher.checking.http.body import BodyReader
from watcher.checking.http.cookies import CookieJar
from watcher.checking.http.exchange import Exchange, Hop, Request
from watcher.checking.http.faults import fault_of
from watcher.checking.http.redirects import (
    METHODS_WITH_A_BODY,
    RedirectError,
    leads_on,
    next_request,
    next_url,
    same_origin,
    url_of,
)
from watcher.checking.http.stopwatch import STEP_NAMES
from watcher.checking.http.transport import Tools, Transport
from watcher.model.clock_trust import utc_now
from watcher.model.outcome import Fault, Phases, Reason
from watcher.model.target import basic_authorization
from watcher.text.escaping import one_line
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.checking.http.exchange import Url
    from watcher.checking.http.http1 import Head
    from watcher.checking.http.transport import Response
    from watcher.model.target import Connecting, Sending, Target

MAX_SHOWN_CHARS = 2000
DEFAULT_HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": f"watcher/{__version__}"}


class Probe:
    """Fetches a target repeatedly, one fetch at a time; owns the connection that is kept alive."""

    # A hundred thousand of them exist, so they share their headers.
    __slots__ = ("_headers", "_kept", "_tools", "_url", "target")

    def __init__(self, target: Target, tools: Tools) -> None:
        """Prepare the parts that all exchanges share.

        Args:
            target: the target to fetch.
            tools: shared by all probes.
        """
        self.target = target
        self._tools = tools
        sending, self._url = target.sending, url_of(target.address)
        if "@" in target.address and sending.authorization is None:
            parts = urlsplit(target.address)
            if parts.username or parts.password:
                basic = basic_authorization(unquote(parts.username or ""), unquote(parts.password or ""))
                sending = replace(sending, authorization=basic)
        self._headers = _common_headers(sending, target.connecting.keep_alive)
        self._kept: Transport | None = None

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        """Fetch the target once.

        Args:
            timeout_seconds: the deadline of the whole exchange; the target's own by default.

        Returns:
            the exchange; any failure of the site is a `fault` in it, never an exception.
        """
        if timeout_seconds is None:
            timeout_seconds = self.target.timeout_seconds
        transport, self._kept = self._kept or Transport(self._tools, self.target.connecting), None
        sending = self.target.sending
        request = Request(sending.method, self._url, self._headers, sending.body)
        transport.deadline = trio.current_time() + timeout_seconds
        walk = _Walk(self.target, self._tools, transport)
        try:
            with trio.CancelScope(deadline=transport.deadline):
                exchange = await walk.go(request)
                self._kept = transport if transport.release() else None
                return exchange
            step = walk.transport.stopwatch.step or "connect"
            # Preparing reads only files of this machine.
            reason = Reason.LOCAL if step == "preparing" else Reason.TIMEOUT
            text = f"no answer within {timeout_seconds:g} s: cut off while {STEP_NAMES[step]}"
            return walk.failed(Fault(reason, text))
        except Exception as error:
            fault = fault_of(error, walk.transport.stopwatch.step)
            if fault is None:
                raise
            return walk.failed(fault)
        finally:
            if self._kept is None:
                transport.close()
            if walk.transport is not transport:
                walk.transport.close()

    def close(self) -> None:
        """Close a connection that was kept alive."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None


class _Walk:
    """The state of one exchange from redirect to redirect, complete enough to report however it ends."""

    __slots__ = ("_hops", "_notes", "_reader", "_response", "_target", "_tools", "transport")

    def __init__(self, target: Target, tools: Tools, transport: Transport) -> None:
        self._target = target
        self._tools = tools
        self._hops: list[Hop] = []
        self._notes: list[str] = []
        self._response: Response | None = None  # the last one, once its head has arrived
        self._reader: BodyReader | None = None
        self.transport = transport

    async def go(self, request: Request) -> Exchange:
        sending = self._target.sending
        response = await self.transport.ask(request)
        if sending.follow_redirects and leads_on(response.head):
            response = await self._follow(request, response)
        await self._read(request, response)
        return self._exchange(None)

    def failed(self, fault: Fault) -> Exchange:
        return self._exchange(fault)

    async def _read(self, request: Request, response: Response) -> None:
        self._response = response
        encoding = _value_of(b"content-encoding", response.head.headers)
        accepted = ""
        if encoding:
            accepted = _value_of(b"accept-encoding", [(name.lower(), value) for name, value in request.headers])
        self._reader = reader = BodyReader(encoding, self._target.expected.body_limit_bytes, accepted)
        await reader.read(response.connection.receive_body)

    def _exchange(self, fault: Fault | None) -> Exchange:
        transport, response, reader = self.transport, self._response, self._reader
        phases, notes = self._phases(), (*self._notes, *transport.notes)
        if response is None or reader is None:
            return Exchange(
                phases=phases,
                fault=fault,
                notes=notes,
                ip=transport.ip,
                hops=tuple(self._hops),
                chain=transport.chain,
            )
        head = response.head
        return Exchange(
            phases=phases,
            fault=fault,
            status_code=head.status_code,
            reason_phrase=head.reason_phrase.decode("ascii", "ignore"),
            http_version=head.http_version,
            headers=tuple(head.headers),
            charset=_charset(_value_of(b"content-type", head.headers)),
            body=bytes(reader.content),
            body_is_decoded=reader.is_decoded,
            notes=notes if reader.note is None else (*notes, reader.note),
            ip=transport.ip,
            hops=tuple(self._hops),
            chain=transport.chain,
        )

    async def _follow(self, first: Request, response: Response) -> Response:
        """Follow redirects, each over a connection of its own, and return the first other response."""
        request, stays = first, True
        cookies = CookieJar()
        while leads_on(head := response.head):
            if len(self._hops) == self._target.sending.max_redirects:
                raise RedirectError(f"more than {self._target.sending.max_redirects} redirects")
            lines = [value for name, value in head.headers if name == b"set-cookie"]
            cookies.take(lines, request.url, utc_now())
            following = next_url(head, request.url)
            stays = stays and same_origin(first.url, following)
            asked, request = request, next_request(first, request, head.status_code, following, stays=stays)
            request = _with_cookies(request, cookies)
            self._leave(head, asked.url, following, stays=stays)
            response = await self.transport.ask(request)
        return response

    def _leave(self, head: Head, asked: Url, following: Url, *, stays: bool) -> None:
        """Record a redirect, and create a transport for its destination."""
        transport = self.transport
        self._hops.append(
            Hop(
                shown_address=_shown(asked),
                location=_shown(following),
                status_code=head.status_code,
                http_version=head.http_version,
                ip=transport.ip,
                phases=transport.stopwatch.phases(),
                chain=transport.chain,
            )
        )
        transport.close()
        self._notes += transport.notes
        connecting = self._target.connecting
        self.transport = Transport(self._tools, connecting if stays else _elsewhere(connecting))

    def _phases(self) -> Phases:
        phases = self.transport.stopwatch.phases()
        for hop in self._hops:
            phases = phases.plus(hop.phases)
        return phases


def _elsewhere(connecting: Connecting) -> Connecting:
    """Remove the settings meant for the target's own host, such as a client certificate, which is a credential."""
    tls = replace(connecting.tls, cert_file=None, key_file=None, server_name=None)
    return replace(connecting, resolve_to=None, tls=tls)


@lru_cache(1024)
def _common_headers(sending: Sending, keep_alive: bool) -> tuple[tuple[bytes, bytes], ...]:
    headers = httpx.Headers({**DEFAULT_HEADERS, **({} if keep_alive else {"Connection": "close"})})
    if sending.authorization is not None:
        headers["Authorization"] = sending.authorization
    if sending.body or sending.method in METHODS_WITH_A_BODY:
        headers["Content-Length"] = str(len(sending.body))
    for name in {name.lower() for name, _ in sending.headers}:
        headers.pop(name, None)
    pairs = [(name.encode("ascii"), value.encode("utf-8")) for name, value in sending.headers]
    return (*headers.raw, *pairs)


def _value_of(name: bytes, headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the values of a header, joined by commas (RFC 9110, section 5.3); all names are in lower case."""
    return b", ".join([value for found, value in headers if found == name]).decode("utf-8", "replace")


def _charset(content_types: str) -> str | None:
    """Return the charset of the content type (RFC 9110, section 8.3.2).

    The last of several types counts, and inherits the charset of the same type before it, as in browsers (Fetch
    standard, "extract a MIME type"). httpx's `charset_encoding` is not used: with `charset*=<anything>''x`, Python
    remembers every name forever.
    """
    essence, charset = "", None
    for content_type in content_types.split(","):
        first, *parameters = content_type.split(";")
        if "/" not in first:
            continue
        if (kind := first.strip().lower()) != essence:
            essence, charset = kind, None
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                charset = value.strip().strip("\"'").lower() or None
                break
    return charset


def _with_cookies(request: Request, cookies: CookieJar) -> Request:
    own = [value for name, value in request.headers if name.lower() == b"cookie"]
    others = [(name, value) for name, value in request.headers if name.lower() != b"cookie"]
    going = cookies.header_for(request.url, b"; ".join(own))
    return request._replace(headers=tuple(others if going is None else [*others, (b"Cookie", going)]))


def _shown(url: Url) -> str:
    return one_line(without_secrets(str(url)), limit_chars=MAX_SHOWN_CHARS)

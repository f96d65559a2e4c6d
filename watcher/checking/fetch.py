"""One HTTP exchange; with `faults`, the only importer of httpx."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import httpx
import trio

from watcher import __version__
from watcher.checking.body import BodyEncodingError, BodyTooLargeError, read_body
from watcher.checking.faults import fault_of
from watcher.checking.resolver import current_stopwatch
from watcher.checking.stopwatch import PHASE_NAMES, Stopwatch
from watcher.model.outcome import Fault, Phases, Reason

if TYPE_CHECKING:
    from urllib.request import Request

    from watcher.model.target import Target

BODY_LIMIT_BYTES = 1024 * 1024
MAX_REDIRECTS = 10
HEADERS = {"User-Agent": f"watcher/{__version__}", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}

# httpcore reports these in the order in which they happen; see its documentation, "Extensions", "trace".
_PHASE_STARTS = {
    "connection.connect_tcp.started": "connect",
    "connection.start_tls.started": "tls",
    "http11.send_request_headers.started": "processing",
    "http11.receive_response_body.started": "transfer",
}
# A phase that fails is left running: it is the one in which the exchange was cut off.
_PHASE_ENDS = {
    "connection.connect_tcp.complete": "connect",
    "connection.start_tls.complete": "tls",
    "http11.receive_response_headers.complete": "processing",
    "http11.receive_response_body.complete": "transfer",
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one HTTP exchange, redirects included, brought; only `phases` and one of `fault` and `status_code` are sure.

    Attributes:
        fault: why there is no whole response.
        status_code, reason_phrase, http_version, charset, body: of the last response.
        ip: of the peer that was connected to last.
        redirects: how many were followed.
        phases: where the time went.
    """

    phases: Phases
    fault: Fault | None = None
    status_code: int | None = None
    reason_phrase: str = ""
    http_version: str | None = None
    charset: str | None = None
    body: bytes = b""
    ip: str | None = None
    redirects: int | None = None


def make_tls_context() -> ssl.SSLContext:
    """Make the context that all checks share, with the system's certificate authorities.

    One context for all: making one costs some 25 ms of CPU and 1 MB. Where the system has no authorities, as with
    python.org's builds for macOS, certifi's are taken.
    """
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not (paths.capath and any(Path(paths.capath).iterdir())):
        context.load_verify_locations(certifi.where())
    return context


async def fetch(target: Target, tls_context: ssl.SSLContext) -> Exchange:
    """GET the target's address over a connection of its own.

    A client for each check: DNS, TCP and TLS are tested every time, and httpcore's pool, which a cancellation can
    break for ever (encode/httpcore#1093), never has more than one connection.

    Args:
        target: its `timeout_seconds` is the deadline of the whole exchange.
        tls_context: see `make_tls_context`.

    Returns:
        the exchange; a site that fails in any way is a `fault` in it, never an exception.
    """
    stopwatch = Stopwatch(trio.current_time)
    current_stopwatch.set(stopwatch)
    trace = _Trace(stopwatch)
    exchange = None
    try:
        with trio.move_on_after(target.timeout_seconds) as deadline:
            exchange = await _exchange(target.address, tls_context, trace)
    except Exception as error:
        fault = fault_of(error, stopwatch.running)
        if fault is None:
            raise
        return Exchange(phases=stopwatch.phases(), fault=fault, ip=trace.ip)
    finally:
        trace.close_socket()
    if exchange is not None:
        return exchange
    assert deadline.cancelled_caught
    phase = PHASE_NAMES.get(stopwatch.running or "", "connecting")
    fault = Fault(Reason.TIMEOUT, f"no answer within {target.timeout_seconds:g} s: cut off while {phase}")
    return Exchange(phases=stopwatch.phases(), fault=fault, ip=trace.ip)


async def _exchange(address: str, tls_context: ssl.SSLContext, trace: _Trace) -> Exchange:
    async with httpx.AsyncClient(
        verify=tls_context,
        trust_env=False,  # a proxy in the environment must not come between a check and its site
        timeout=None,  # noqa: S113  # httpx's are per read; the caller's deadline is for the whole
        headers=HEADERS,
        limits=httpx.Limits(max_keepalive_connections=0),  # a redirect too is asked for over a new connection
        cookies=CookieJar(_AsciiCookies()),
    ) as client:
        request = client.build_request("GET", address, extensions={"trace": trace})
        response, redirects = await _send(client, request)
        try:
            body = await _read_body(response)
        finally:
            await response.aclose()
        return Exchange(
            phases=trace.stopwatch.phases(),
            status_code=response.status_code,
            reason_phrase=response.reason_phrase,
            http_version=response.http_version.removeprefix("HTTP/"),
            charset=_charset(response),
            body=body,
            ip=trace.ip,
            redirects=redirects,
        )


async def _send(client: httpx.AsyncClient, request: httpx.Request) -> tuple[httpx.Response, int]:
    """Send a request and follow redirects; return the last response, its body unread, and how many were followed.

    httpx would follow them itself, but reads, and decompresses, the body of each without a bound.
    """
    for redirects in range(MAX_REDIRECTS + 1):
        response = await client.send(request, stream=True, follow_redirects=False)
        if response.next_request is None:
            return response, redirects
        await response.aclose()
        request = response.next_request
    raise httpx.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects", request=request)


async def _read_body(response: httpx.Response) -> bytes:
    """Read the body, and where it is refused, end the generators of httpx and httpcore.

    They are nested five deep, and none closes the one inside it: left alone, they stay for the garbage collector,
    which cannot await. A cancellation at the innermost one ends them all.
    """
    chunks = response.aiter_raw()
    try:
        return await read_body(chunks, response.headers.get("Content-Encoding", ""), BODY_LIMIT_BYTES)
    except (BodyTooLargeError, BodyEncodingError):
        with trio.CancelScope() as scope:
            scope.cancel()
            async for _ in chunks:
                pass  # what had been received before
        raise


def _charset(response: httpx.Response) -> str | None:
    try:
        return response.charset_encoding
    except (ValueError, LookupError):  # `charset*=a%00b''x`, for one
        return None


class _AsciiCookies(DefaultCookiePolicy):
    """Takes the cookies of a redirect along, but for those that httpx could not send."""

    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        """Tell whether to take a cookie."""
        return f"{cookie.name}{cookie.value}".isascii() and super().set_ok(cookie, request)


class _Trace:
    """Hears from httpcore what happens on the wire: times the phases, and keeps the socket.

    The socket, because httpcore 1.0.9 forgets to close it when a cancellation cuts the TLS handshake: one descriptor
    leaks per such check until the garbage collector comes by.
    """

    def __init__(self, stopwatch: Stopwatch) -> None:
        self.stopwatch = stopwatch
        self.ip: str | None = None
        self._socket: trio.socket.SocketType | None = None

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        if (ended := _PHASE_ENDS.get(event)) is not None:
            self.stopwatch.stop(ended)
        if (started := _PHASE_STARTS.get(event)) is not None:
            self.stopwatch.start(started)
        if event == "connection.connect_tcp.complete":
            self.close_socket()  # the one of the redirect before
            stream = info["return_value"]
            self._socket = stream.get_extra_info("socket")
            self.ip = stream.get_extra_info("server_addr")[0]

    def close_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

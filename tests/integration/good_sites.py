"""A good site, over HTTP/1.1 and HTTP/2, that records its requests; and probes for it."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.events
import trio

from tests.doubles import a_target
from tests.hostile.harness import local_lookup
from tests.hostile.servers import serving
from watcher.checking.http.fetch import Probe
from watcher.checking.http.resolver import Resolver
from watcher.checking.http.tls import TlsContexts
from watcher.checking.http.transport import Tools

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from tests.hostile.servers import Encryption, Peer
    from watcher.checking.http.exchange import Exchange

    Pairs = tuple[tuple[str, str], ...]

# Nothing here takes as long; a longer wait has failed.
PATIENCE_SECONDS = 30.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113, section 3.4


@dataclass(frozen=True)
class Asked:
    """A request that was received.

    Attributes:
        connection: its number, from 0.
        http_version: its version.
        method, target: `target` as it is on the wire.
        headers: as they are on the wire, including those of HTTP/2 with a colon.
        body: the whole body.
    """

    connection: int
    http_version: str
    method: str
    target: str
    headers: Pairs
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the value of a header, whatever the case of its name."""
        return next((value for other, value in self.headers if other.lower() == name.lower()), None)


@dataclass(frozen=True)
class Answer:
    """A response.

    Attributes:
        headers: sent besides `Content-Length`.
        trailers: over HTTP/2 only.
        after: what it waits for; until then its connection is silent.
        behind, closes: what follows the response without belonging to it; over HTTP/1.1 only.
    """

    body: bytes = b"hello"
    status: int = 200
    headers: Pairs = ()
    trailers: Pairs = ()
    after: trio.Event | None = None
    behind: bytes = b""
    closes: bool = False


GOOD = Answer()
CLOSING = Answer(headers=(("Connection", "close"),), closes=True)


def redirect(location: str, status: int = 302, headers: Pairs = ()) -> Answer:
    """Answer with a redirect."""
    return Answer(b"", status, (("Location", location), *headers))


class Site:
    """Answers request after request, and keeps its connections open.

    Attributes:
        asked: all requests.
        connections: the number of connections so far.
        port: its port on 127.0.0.1.
    """

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        """Prepare a site; see `open_site`."""
        self.answer = answer
        self.asked: list[Asked] = []
        self.port = 0
        self.connections = 0
        self._open: dict[Peer, tuple[trio.CancelScope, trio.Event]] = {}

    @property
    def url(self) -> str:
        """The address of the site in plain HTTP."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def https_url(self) -> str:
        """The address of the site over TLS."""
        return self.url.replace("http", "https")

    async def meet(self, peer: Peer) -> None:
        """Serve a client until it disconnects."""
        number, gone = self.connections, trio.Event()
        self.connections += 1
        try:
            with trio.CancelScope() as leaving:
                self._open[peer] = (leaving, gone)
                received = bytes(await peer.stream.receive_some())
                speak = _speak_http2 if received.startswith(_PREFACE[:4]) else _speak_http1
                await speak(self, peer, number, received)
            await peer.stream.aclose()
        finally:
            del self._open[peer]
            gone.set()

    async def leave(self) -> None:
        """Close every connection, as a server does with idle ones."""
        for leaving, gone in list(self._open.values()):
            leaving.cancel()
            await gone.wait()

    def reset(self) -> None:
        """Reset every connection."""
        for peer in list(self._open):
            peer.abort()

    async def until_left(self) -> None:
        """Wait until every client has closed its connection."""
        for _, gone in list(self._open.values()):
            with trio.fail_after(PATIENCE_SECONDS):
                await gone.wait()

    def take(self, asked: Asked) -> Answer:
        """Record a request, and answer it."""
        self.asked.append(asked)
        return self.answer(asked)


async def _speak_http1(site: Site, peer: Peer, number: int, received: bytes) -> None:
    while True:
        while b"\r\n\r\n" not in received:
            more = await peer.stream.receive_some()
            if not more:
                return
            received += more
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        while len(received) < length:
            received += await peer.stream.receive_some()
        answer = site.take(Asked(number, "1.1", method, target, headers, received[:length]))
        received = received[length:]
        if answer.after is not None:
            await answer.after.wait()
        extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
        begin = f"HTTP/1.1 {answer.status} Any\r\nContent-Length: {len(answer.body)}\r\n{extra}\r\n"
        await peer.send(begin.encode("latin-1") + (b"" if method == "HEAD" else answer.body) + answer.behind)
        if answer.closes:
            return


async def _speak_http2(site: Site, peer: Peer, number: int, received: bytes) -> None:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
    connection.initiate_connection()
    heads: dict[int, Pairs] = {}
    bodies: dict[int, bytearray] = {}
    left: dict[int, tuple[Answer, bytes]] = {}
    while received:
        for event in connection.receive_data(received):
            if isinstance(event, h2.events.RequestReceived):
                heads[event.stream_id] = tuple((str(name), str(value)) for name, value in event.headers)
                bodies[event.stream_id] = bytearray()
            elif isinstance(event, h2.events.DataReceived):
                bodies[event.stream_id] += event.data or b""
                connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                head, body = heads[event.stream_id], bytes(bodies.pop(event.stream_id))
                answer = site.take(Asked(number, "2", dict(head)[":method"], dict(head)[":path"], head, body))
                if answer.after is not None:
                    await answer.after.wait()
                connection.send_headers(event.stream_id, [(":status", str(answer.status)), *answer.headers])
                left[event.stream_id] = (answer, answer.body)
        for stream, (answer, rest) in list(left.items()):
            left[stream] = (answer, _send_h2_body(connection, stream, answer, rest))
        left = {stream: (answer, rest) for stream, (answer, rest) in left.items() if rest}
        await peer.send(connection.data_to_send())
        received = bytes(await peer.stream.receive_some())


def _send_h2_body(connection: h2.connection.H2Connection, stream: int, answer: Answer, body: bytes) -> bytes:
    """Send as much as the windows allow, and return the rest."""
    while size := min(connection.local_flow_control_window(stream), connection.max_outbound_frame_size, len(body)):
        connection.send_data(stream, body[:size])
        body = body[size:]
    if not body and answer.trailers:
        connection.send_headers(stream, answer.trailers, end_stream=True)
    elif not body:
        connection.end_stream(stream)
    return body


@asynccontextmanager
async def open_site(
    answer: Callable[[Asked], Answer] = lambda _: GOOD, encryption: Encryption | None = None
) -> AsyncIterator[Site]:
    """Serve a good site while the block runs; the client's first bytes decide whether HTTP/2 is spoken."""
    site = Site(answer)
    async with serving(site.meet, encryption) as site.port:
        yield site


def looking_up(names: Mapping[str, str]) -> Callable[..., list[Any]]:
    """Return a lookup that only knows these names, each with one IPv4 address, for a Resolver."""

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        if host not in names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (names[host], port))]

    return lookup


@asynccontextmanager
async def probing(address: str, resolver: Resolver | None = None, **changes: Any) -> AsyncIterator[Probe]:
    """Open a probe of an address while the block runs; `changes` are those of the target."""
    tools = Tools(resolver or Resolver(local_lookup), TlsContexts())
    probe = Probe(a_target(address=address, **changes), tools)
    try:
        yield probe
    finally:
        probe.close()


async def fetched(address: str, resolver: Resolver | None = None, **changes: Any) -> Exchange:
    """Check an address once."""
    async with probing(address, resolver, **changes) as probe:
        return await probe.fetch()

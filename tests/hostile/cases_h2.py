"""Servers that negotiate HTTP/2 and break its rules, and good ones that use what it allows."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.events

from tests.hostile.case import Case
from tests.hostile.cases_bodies import gzip_bomb
from tests.hostile.h2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    GET_OK,
    PADDED,
    Kind,
    block,
    data,
    frame,
    goaway,
    h2_saying,
    headers,
    rst_stream,
    settings,
    window_update,
)
from tests.hostile.servers import at_once, drip, forever, hang, read_some, reset, response, until_gone

if TYPE_CHECKING:
    import ssl

    from tests.hostile.certificates import Certificates
    from tests.hostile.servers import Behaviour, Peer, Step


def _agreeing(made: Certificates) -> ssl.SSLContext:
    return made.good_context("h2", "http/1.1")


def _h2(name: str, behaviour: Behaviour, expected: str = "success", detail: str = "", **changes: object) -> Case:
    if expected == "success":
        changes["http_version"] = "2"
    return Case(name, behaviour, expected, detail, tls=_agreeing, **changes)  # type: ignore[arg-type]


def _answering(
    body: bytes = b"hello", *, hints: bool = False, trailers: bool = False, gzipped: bool = False
) -> Behaviour:
    """Answer as a good server does; h2 keeps the rules."""

    async def behave(peer: Peer) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        left, answered = body, False
        while True:
            await peer.send(connection.data_to_send())
            received = await peer.stream.receive_some()
            if not received:
                return
            for event in connection.receive_data(received):
                if isinstance(event, h2.events.RequestReceived):
                    answered = True
                    if hints:
                        connection.send_headers(1, [(":status", "103"), ("link", "</a>")])
                    connection.send_headers(
                        1, [(":status", "200"), *([("content-encoding", "gzip")] if gzipped else [])]
                    )
            while answered and (left or trailers or connection.streams[1].open):
                size = min(connection.local_flow_control_window(1), connection.max_outbound_frame_size, len(left))
                if left and not size:
                    break
                connection.send_data(1, left[:size], end_stream=size == len(left) and not trailers)
                left = left[size:]
                if not left:
                    if trailers:
                        connection.send_headers(1, [("x-sum", "1")], end_stream=True)
                    answered = False

    return behave


HEAD = headers(*GET_OK)
END = END_HEADERS | END_STREAM
LAST = data(b"hello", flags=END_STREAM)
# Never indexed, so that it can be sent again and again; and a reference to the entry that the first one leaves.
_BIG_ENTRY = b"\x40\x01x\x7f\xc1\x1e" + b"y" * 4032
_REFERENCE = b"\xbe"


def _continued(piece: bytes, times: int) -> bytes:
    first = frame(Kind.HEADERS, block(*GET_OK) + _BIG_ENTRY)
    return first + frame(Kind.CONTINUATION, piece) * times


async def _h2_explosion(peer: Peer) -> None:
    await _answering(gzip_bomb(), gzipped=True)(peer)


GOOD = [
    _h2("HTTP/2", _answering(), body_matches=b"^hello$"),
    _h2("HTTP/2 with trailers", _answering(trailers=True), body_matches=b"^hello$"),
    _h2("HTTP/2 with hints first", _answering(hints=True)),
    _h2(
        "HTTP/2 with gzip",
        _answering(gzip.compress(b"hello"), gzipped=True),
        compression="gzip",
        body_matches=b"^hello$",
    ),
    _h2("HTTP/2 with a body larger than its window", _answering(b"x" * 900_000)),
    _h2("HTTP/2 with spaces around a header", h2_saying(headers(*GET_OK, ("vary", " a\t")), LAST, until_gone)),
    _h2("HTTP/2 with 204", h2_saying(headers((":status", "204"), flags=END), until_gone), status_code=204),
    _h2("HTTP/2 with frames of unknown kinds", h2_saying(frame(0xBA, b"?" * 50), HEAD, frame(0xBB), LAST, until_gone)),
    _h2("HTTP/2 with padding", h2_saying(HEAD, data(b"\4hello\0\0\0\0", flags=PADDED | END_STREAM), until_gone)),
    _h2("HTTP/2 with a ping", h2_saying(frame(Kind.PING, bytes(8), stream=0), HEAD, LAST, until_gone)),
    _h2("HTTP/2 that goes away in order", h2_saying(goaway(1, 0), HEAD, LAST, until_gone)),
    _h2("HTTP/2 that closes after the end", h2_saying(HEAD, LAST)),
    _h2("HTTP/2 that resets after the end", h2_saying(HEAD, LAST, rst_stream(0), until_gone)),
    _h2(
        "HTTP/2 with headers in two frames",
        h2_saying(
            frame(Kind.HEADERS, block(*GET_OK)[:1]),
            frame(Kind.CONTINUATION, block(*GET_OK)[1:], flags=END_HEADERS),
            LAST,
            until_gone,
        ),
    ),
    _h2(
        "HTTP/2 with 503",
        h2_saying(headers((":status", "503"), flags=END), until_gone),
        "status",
        "503",
        status_code=503,
    ),
    _h2(
        "HTTP/2 that redirects to itself",
        h2_saying(headers((":status", "302"), ("location", "/"), flags=END), until_gone),
        "redirect",
        "10 redirects",
    ),
]

SILENT = [
    _h2("HTTP/2 and silence", at_once(hang), "timeout", "response"),
    _h2("HTTP/2 and silence after the settings", h2_saying(hang), "timeout", "response|headers"),
    _h2("HTTP/2 and silence in a frame", h2_saying(HEAD[:12], hang), "timeout", "response|headers"),
    _h2("HTTP/2 and silence after the headers", h2_saying(HEAD, hang), "timeout", "body"),
    _h2("HTTP/2 and silence in the body", h2_saying(HEAD, data(b"begin"), hang), "timeout", "body"),
    _h2("HTTP/2 and dripping headers", h2_saying(drip(HEAD + LAST)), "timeout"),
    _h2("HTTP/2 and a dripping body", h2_saying(HEAD, drip(data(b"x") * 50, 0.01)), "timeout", "body"),
    _h2("HTTP/2 and endless pings", h2_saying(forever(frame(Kind.PING, bytes(8), stream=0) * 99)), "protocol|timeout"),
    _h2("HTTP/2 and endless settings", h2_saying(forever(settings((3, 100)) * 99)), "protocol|timeout"),
    _h2("HTTP/2 and endless window updates", h2_saying(forever(window_update(1, stream=0) * 99)), "protocol|timeout"),
    _h2("HTTP/2 and endless empty data", h2_saying(HEAD, forever(data(b"") * 99)), "protocol|timeout"),
    _h2("HTTP/2 and endless unknown frames", h2_saying(forever(frame(0xBA, b"?") * 99)), "protocol|timeout"),
    _h2("HTTP/2 and endless hints", h2_saying(forever(headers((":status", "103")) * 99)), "protocol|timeout"),
]

BROKEN_OFF = [
    _h2("HTTP/2 and closed at once", at_once(read_some), "protocol", "closed"),
    _h2("HTTP/2 and closed after the request", h2_saying(), "protocol"),
    _h2("HTTP/2 and closed in the headers", h2_saying(HEAD[:12]), "protocol"),
    _h2("HTTP/2 and closed in the body", h2_saying(HEAD, data(b"begin")), "protocol"),
    _h2("HTTP/2 and reset", h2_saying(reset), "protocol"),
    _h2("HTTP/2 and reset in the body", h2_saying(HEAD, data(b"begin"), reset), "protocol"),
    _h2("HTTP/2 and GOAWAY at once", at_once(settings(), goaway(0, 0), until_gone), "protocol"),
    _h2("HTTP/2 and GOAWAY with an error", h2_saying(goaway(1, 11), until_gone), "protocol", "calm"),
    _h2("HTTP/2 and a reset stream", h2_saying(rst_stream(2), until_gone), "protocol", "internal"),
    _h2("HTTP/2 and a refused stream", h2_saying(rst_stream(7), until_gone), "protocol", "refused"),
    _h2("HTTP/2 that wants HTTP/1.1 and gets none", h2_saying(rst_stream(13), until_gone), "protocol"),
    _h2("HTTP/2 and a stream reset in the body", h2_saying(HEAD, data(b"x"), rst_stream(0), until_gone), "protocol"),
]


def _violation(name: str, *steps: Step) -> Case:
    return _h2(f"HTTP/2 and {name}", h2_saying(*steps, until_gone), "protocol")


def _bad_head(name: str, *pairs: tuple[str, str]) -> Case:
    return _violation(name, headers(*pairs, flags=END))


VIOLATIONS = [
    _h2("HTTP/1.1 after agreeing to HTTP/2", at_once(response(), until_gone), "protocol"),
    _h2("noise after agreeing to HTTP/2", at_once(b"\xa5" * 4096, until_gone), "protocol"),
    _violation("data before headers", data(b"hello"), HEAD),
    _violation(
        "endless continuations", frame(Kind.HEADERS, block(*GET_OK)), forever(frame(Kind.CONTINUATION, b"") * 99)
    ),
    _violation("a continuation of nothing", frame(Kind.CONTINUATION, block(*GET_OK), flags=END_HEADERS)),
    _violation("data between the headers", frame(Kind.HEADERS, block(*GET_OK)), LAST),
    _violation("settings of a wrong size", frame(Kind.SETTINGS, b"12345", stream=0)),
    _violation("a ping of a wrong size", frame(Kind.PING, b"1234567", stream=0)),
    _violation("a window update of a wrong size", frame(Kind.WINDOW_UPDATE, b"123", stream=0)),
    _violation("a frame that is too large", HEAD, frame(Kind.DATA, bytes(16385), flags=END_STREAM)),
    _violation("a frame of 16 MB", HEAD, frame(Kind.DATA, b"", length=0xFFFFFF), forever(bytes(4096))),
    _violation("padding longer than its frame", HEAD, data(b"\xffhello", flags=PADDED | END_STREAM)),
    _violation("settings for a stream", frame(Kind.SETTINGS)),
    _violation("an acknowledgement with settings", frame(Kind.SETTINGS, bytes(6), flags=ACK, stream=0)),
    _violation("a window of 2 GB more", window_update(2**31 - 1, stream=0)),
    _violation("a window of nothing more", window_update(0, stream=0)),
    _violation("a setting of a huge window", settings((4, 2**32 - 1))),
    _violation("a setting of tiny frames", settings((5, 1))),
    _violation("headers of a stream that nobody opened", headers(*GET_OK, stream=3, flags=END)),
    _violation("headers of a stream of its own", headers(*GET_OK, stream=2, flags=END)),
    _violation("headers of no stream", headers(*GET_OK, stream=0, flags=END)),
    _violation("a push that nobody wants", frame(Kind.PUSH_PROMISE, b"\0\0\0\2" + block(*GET_OK), flags=END_HEADERS)),
    _violation("headers that cannot be decoded", frame(Kind.HEADERS, b"\xff" * 20, flags=END)),
    _violation("a reference to nothing", frame(Kind.HEADERS, b"\x80", flags=END)),
    _violation("a bomb of headers", frame(Kind.HEADERS, block(*GET_OK) + _BIG_ENTRY + _REFERENCE * 9999, flags=END)),
    _violation("a bomb of continuations", _continued(_REFERENCE * 9999, 100)),
    _h2("HTTP/2 and data beyond its window", h2_saying(HEAD, forever(data(b"x" * 16384))), "protocol|too_large"),
    _bad_head("no status", ("content-type", "text/plain")),
    _bad_head("a status of letters", (":status", "abc")),
    _bad_head("a status of two digits", (":status", "20")),
    _bad_head("two statuses", (":status", "200"), (":status", "200")),
    _bad_head("a status behind the headers", ("content-type", "text/plain"), (":status", "200")),
    _bad_head("capitals in a name", *GET_OK, ("X-Capital", "x")),
    _bad_head("a header of connections", *GET_OK, ("connection", "close")),
    _bad_head("a line end in a header", *GET_OK, ("x-evil", "a\r\nb: c")),
    _violation("a body shorter than its length", headers(*GET_OK, ("content-length", "9")), LAST),
    _violation("a body longer than its length", headers(*GET_OK, ("content-length", "2")), LAST),
]

LARGE = [
    _h2("HTTP/2 and a body above the limit", _answering(b"x" * 1_048_577), "too_large", "1048576"),
    _h2("HTTP/2 and a gzip bomb", _h2_explosion, "too_large", "1048576", compression="gzip"),
]

CASES = [*GOOD, *SILENT, *BROKEN_OFF, *VIOLATIONS, *LARGE]

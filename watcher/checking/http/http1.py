"""Runs one HTTP/1.1 exchange over a wire (RFC 9112), parsed by httptools."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import httptools
import trio

from watcher.checking.http.repair.chunks import ChunkError, ChunkReader
from watcher.checking.http.repair.heads import (
    EMPTY_LINE_NOTE,
    ContradictionError,
    behind_head,
    may_be_mended,
    may_end_head,
    mended_head,
    notes_on_codings,
)
from watcher.checking.http.repair.reception import Reception

if TYPE_CHECKING:
    from watcher.checking.http.stopwatch import Stopwatch
    from watcher.checking.http.wire import Wire

# The bound of everything but body: status line, headers, interim responses, trailers, the frames of chunks.
MAX_OVERHEAD_BYTES = 100 * 1024
# The frame of a one-byte chunk, `1\r\nx\r\n`, is five times as long as its content.
MAX_OVERHEAD_PER_BODY_BYTE = 8

# The bound of the part of a chunked response that is held while the parser reads it. The parser is fast, but stricter
# than curl and browsers: chunks that it refuses are read again from their start.
MAX_TRIED_BYTES = 128 * 1024
# Other tasks get a turn after this many bytes of data with many lines, since each line may be a chunk.
MANY_LINES, MANY_LINES_AT_ONCE_BYTES = 2000, 16 * 1024

_START = b"HTTP/"
# A new end of a head ends in the last piece, and starts at most two bytes before it.
_PIECES_OF_HEAD_END = 3
# `identity` is from RFC 2616 and has no effect.
_CODINGS = frozenset({b"identity", b"chunked"})


class ProtocolError(Exception):
    """The data violates the protocol; the message is for people."""


class Head(NamedTuple):
    """The start of a response; `notes` are sentences on its oddities."""

    status_code: int
    reason_phrase: bytes
    http_version: str
    headers: list[tuple[bytes, bytes]]
    notes: tuple[str, ...] = ()


_NOTHING_YET = Reception()  # of a connection without a request


class Http1:
    """A connection that speaks HTTP/1.1."""

    __slots__ = (
        *("_broken", "_clean", "_fed_bytes", "_notes", "_odd"),
        *("_parser", "_raw", "_reception", "_start", "_wire"),
    )

    def __init__(self, wire: Wire) -> None:
        """Speak over a connected wire."""
        self._wire = wire
        self._parser: httptools.HttpResponseParser | ChunkReader | None = None
        self._reception = _NOTHING_YET
        self._fed_bytes = 0
        self._start = b""
        self._raw: list[bytes] | None = None  # all received data, while it may have to be repaired or read again
        self._notes: tuple[str, ...] = ()
        self._clean = True
        self._odd: ProtocolError | None = None  # kept until the head is whole and can be repaired
        self._broken: ProtocolError | None = None

    @property
    def reusable(self) -> bool:
        """Whether the response is complete, and the server keeps the connection open for another."""
        reception = self._reception
        return self._clean and reception.complete and reception.keeps_open and not reception.has_surplus

    async def exchange(self, request: bytes, stopwatch: Stopwatch, *, without_body: bool = False) -> Head:
        """Send a request, and return the head of the response.

        Args:
            request: all bytes to send.
            stopwatch: records the steps.
            without_body: the response has no body, whatever its head says: to HEAD or CONNECT (RFC 9112, 6.3).

        Raises:
            ProtocolError: the response is not HTTP/1.1.
            OSError: the connection broke.
        """
        self._begin()
        stopwatch.enter("processing")
        broken, early = None, b""
        try:
            early = await self._send(request)
        except OSError as error:
            broken = error  # a server may answer before it has read everything, and close
        data = early or await self._receive(broken)
        stopwatch.enter("headers")
        self._feed(data)
        while not self._reception.head_complete:
            self._feed(await self._receive(broken))
        reception = self._reception
        self._notes += _check_head(self._start, reception)
        if without_body:
            reception.complete = True
            if reception.take_chunks():
                self._clean = False
            self.forget()  # the parser would wait for a body
        stopwatch.enter("transfer")
        return Head(reception.status_code, reception.phrase, reception.http_version, reception.headers, self._notes)

    async def receive_body(self) -> bytes:
        """Return the next piece of the body, or nothing at its end; transfer codings are decoded, content codings not.

        Not an async generator: trio registers each one, which costs more than reading a body that has arrived.

        Raises:
            ProtocolError: it ends too soon, or its chunks are broken.
            OSError: the connection broke.
        """
        while True:
            reception = self._reception
            if body := b"".join(reception.take_chunks()):  # joined: a site may send chunks of one byte
                return body
            if reception.complete:
                return b""
            if self._broken is not None:
                raise self._broken
            data = await self._wire.receive()
            if data:
                await self._feed_in_turns(data)
            elif reception.ends_with_connection:
                return b""
            elif self._is_tried:
                self._read_chunks_anew()
            else:
                raise ProtocolError("the connection was closed before the response was whole")

    async def _feed_in_turns(self, data: bytes) -> None:
        step = len(data)
        if self._reception.in_chunks and step > MANY_LINES_AT_ONCE_BYTES and data.count(b"\n") > MANY_LINES:
            step = MANY_LINES_AT_ONCE_BYTES
        for begin in range(0, len(data), step):
            if begin:
                await trio.lowlevel.checkpoint()
            self._feed(data[begin : begin + step])

    def forget(self) -> None:
        """Separate the parser and its callbacks, which would otherwise wait for the garbage collector."""
        self._reception.parser = self._parser = None

    def close(self) -> None:
        """Close the connection."""
        self.forget()
        self._wire.close()

    def has_ended(self) -> bool:
        """Return whether an idle connection is no longer usable."""
        return self._wire.has_ended()

    def _begin(self) -> None:
        self._fed_bytes = 0
        self._start = b""
        self._raw, self._notes, self._odd, self._broken = [], (), None, None
        reception = self._reception
        has_parser = reception.parser is not None and self._parser is reception.parser
        if has_parser and self.reusable and not reception.in_chunks:  # chunks change the leniencies
            reception.begin()
        else:
            self._begin_to_parse()

    def _begin_to_parse(self) -> httptools.HttpResponseParser:
        self._reception = reception = Reception()
        self._parser = reception.parser = parser = httptools.HttpResponseParser(reception)
        # A lone LF also ends a line (RFC 9112, section 2.2), headers may be folded (section 5.2), and data after the
        # end is ignored.
        parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_data_after_close=True,
        )
        return parser

    async def _send(self, request: bytes) -> bytes:
        """Send a request; return data that comes before all is sent: the rest is then needless (RFC 9112, 9.5)."""
        sent = await self._wire.send_some(request)
        while sent < len(request):
            if early := self._wire.receive_nowait():
                self._clean = False
                return early
            sent += await self._wire.send_some(memoryview(request)[sent:])
        return b""

    async def _receive(self, broken: OSError | None) -> bytes:
        try:
            data = await self._wire.receive()
        except OSError as error:
            raise broken or error from None
        if not data:
            if self._odd is not None:
                raise self._odd
            if self._fed_bytes:
                raise ProtocolError("the connection was closed before the response was whole")
            raise ProtocolError("the connection was closed without a response")
        return data

    def _feed(self, data: bytes) -> None:
        if len(self._start) < len(_START):
            if not self._fed_bytes and data[0] in b"\r\n":
                self._notes = (EMPTY_LINE_NOTE,)
            self._start = (self._start + (data if self._start else data.lstrip(b"\r\n"))[: len(_START)])[: len(_START)]
        self._fed_bytes += len(data)
        if self._raw is not None:
            self._raw.append(data)
        if self._odd is None:
            self._parse(data)
        elif self._raw is not None and may_end_head(b"".join(self._raw[-_PIECES_OF_HEAD_END:])):
            self._mend(self._odd)
        reception = self._reception
        if reception.complete or (reception.body_bytes and not self._is_tried):
            self._raw = None
        body_bytes = reception.body_bytes
        overhead_bytes = self._fed_bytes - body_bytes
        if overhead_bytes > MAX_OVERHEAD_BYTES + MAX_OVERHEAD_PER_BODY_BYTE * body_bytes and not reception.complete:
            raise ProtocolError(f"more than {MAX_OVERHEAD_BYTES} bytes are not part of the body")

    def _parse(self, data: bytes) -> None:
        reception, parser = self._reception, self._parser
        assert parser is not None
        try:
            parser.feed_data(data)
            if self._is_tried and not (reception.only_in_chunks and self._fed_bytes <= MAX_TRIED_BYTES):
                self._read_chunks_anew()
        except httptools.HttpParserUpgrade as error:
            raise ProtocolError("the server switches protocols, unasked") from error
        except (httptools.HttpParserError, ChunkError) as error:
            complaint = ProtocolError(f"the response is not HTTP: {error}")
            if reception.complete:
                self._clean = False  # data after the response; it is not read
            elif self._is_tried:
                self._read_chunks_anew()
            elif self._raw is not None and not reception.body_bytes and may_be_mended(b"".join(self._raw)):
                self._mend(complaint)
            elif reception.head_complete:
                self._broken = complaint  # raised to the reader of the body
            else:
                raise complaint from error

    def _mend(self, complaint: ProtocolError) -> None:
        """Repair a head that browsers accept and the parser refuses, as soon as it is whole."""
        assert self._raw is not None
        self._odd = complaint
        try:
            mended = mended_head(b"".join(self._raw))
        except ContradictionError as contradiction:
            raise ProtocolError(str(contradiction)) from complaint
        if mended is None:
            return
        self._odd = self._raw = None
        self._notes += mended.notes
        parser = self._begin_to_parse()
        try:
            parser.feed_data(mended.head)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise complaint from None
        if self._reception.in_chunks:
            self._read_chunks(mended.rest)
        elif mended.rest:
            self._parse(mended.rest)

    @property
    def _is_tried(self) -> bool:
        """Whether the parser reads chunks, and all of its input is held."""
        reception = self._reception
        return reception.in_chunks and not reception.complete and self._parser is reception.parser

    def _read_chunks_anew(self) -> None:
        """Read chunks again from their start, as leniently as browsers; the parser's position in them is unknown."""
        assert self._raw is not None
        raw, self._raw = b"".join(self._raw), None
        taken_bytes = self._reception.forget_body()
        self._read_chunks(behind_head(raw))
        self._reception.skip(taken_bytes)

    def _read_chunks(self, data: bytes) -> None:
        self._parser = ChunkReader(self._reception)
        if data:
            self._parse(data)


def _check_head(start: bytes, reception: Reception) -> tuple[str, ...]:
    """Refuse a response that is not HTTP/1.1, and return notes on its oddities."""
    version, codings = reception.http_version, reception.codings
    # httptools also accepts RTSP, ICE and HTTP/2.0 in a status line.
    if start != _START or version not in {"1.0", "1.1"}:
        raise ProtocolError(f"the response claims to be {start.decode('ascii', 'replace')}{version}")
    for _, value in reception.headers:
        if b"\0" in value:
            raise ProtocolError("the response has a NUL in a header")
    if not codings:
        return ()
    if not _CODINGS.issuperset(codings):
        raise ProtocolError("the response has a transfer coding that was not asked for")
    return notes_on_codings(codings)

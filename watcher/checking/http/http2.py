"""Runs one HTTP/2 exchange over a wire (RFC 9113), with h2 as the state machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import trio

from watcher.checking.http.http1 import Head, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from watcher.checking.http.stopwatch import Stopwatch
    from watcher.checking.http.wire import Wire

# The bound of everything but body: frames of headers, settings, pings.
MAX_OVERHEAD_BYTES = 200 * 1024
# The bound of the decompressed headers of one response; the same as for HTTP/1.1.
MAX_HEADER_BYTES = 100 * 1024

# RFC 9113, sections 4.1 and 6.5.2: the head of a frame, and the longest frame, since we do not request longer ones.
_FRAME_HEAD_BYTES = 9
_MAX_FRAME_BYTES = 16_384
_HEADERS, _SETTINGS, _GOAWAY = 1, 4, 7
# A read may bring thousands of small frames, at 10 to 20 us each: after this many, other tasks get a turn.
_FRAMES_WITHOUT_WAIT = 50

# The window for data that the server sends ahead. The default windows of 64 KiB (RFC 9113, section 6.9.2) would delay
# a body by one round trip each. It is not a buffer: one read at a time is processed, and the rest waits in the sockets.
_WINDOW_BYTES = 8 * 1024 * 1024
_FIRST_WINDOW_BYTES = 65_535
_INITIAL_SETTINGS = {
    h2.settings.SettingCodes.ENABLE_PUSH: 0,
    h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW_BYTES,
    h2.settings.SettingCodes.MAX_FRAME_SIZE: _MAX_FRAME_BYTES,
    h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
}

_ErrorCodes = h2.errors.ErrorCodes

# Headers are checked here: h2 also refuses values with spaces around them, which large sites send and browsers allow.
_CONFIG = h2.config.H2Configuration(
    client_side=True, header_encoding=None, validate_inbound_headers=False, normalize_inbound_headers=False
)
# RFC 9113, section 8.2.1: a token in lower case (RFC 9110, section 5.6.2), and the characters forbidden in values.
_is_name = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
_forbidden_in_value = re.compile(rb"[\0\r\n]").search
# Section 8.2.2.
_OF_THE_CONNECTION = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})


class RefusedError(ProtocolError):
    """The server did not process the request, so that it may be sent again (RFC 9113, section 8.7).

    Attributes:
        wants_http1: whether it must be sent over HTTP/1.1.
    """

    def __init__(self, message: str, *, wants_http1: bool = False) -> None:
        super().__init__(message)
        self.wants_http1 = wants_http1


class Http2:
    """A connection that speaks HTTP/2, one stream at a time."""

    __slots__ = (
        "_body_bytes", "_buffer", "_chunks", "_complete", "_going_away", "_h2", "_head", "_received_bytes", "_settled",
        "_stopwatch", "_stream", "_wire",
    )  # fmt: skip

    def __init__(self, wire: Wire) -> None:
        """Use a connected wire on which both sides have agreed on HTTP/2."""
        self._wire = wire
        self._h2: h2.connection.H2Connection | None = None
        self._stream = 0
        self._stopwatch: Stopwatch | None = None  # until the first byte of a response's head
        self._buffer = bytearray()  # less than a frame and a read
        self._settled = False
        self._head: Head | None = None
        self._complete = False
        self._going_away = False
        self._chunks: list[bytes] = []
        self._received_bytes = self._body_bytes = 0

    @property
    def reusable(self) -> bool:
        """Whether the response is complete, and the server keeps the connection open for another."""
        return self._complete and not self._going_away

    async def exchange(self, headers: Sequence[tuple[bytes, bytes]], body: bytes, stopwatch: Stopwatch) -> Head:
        """Send a request, and return the head of the response.

        Args:
            headers: of the request, pseudo-headers first.
            body: of the request.
            stopwatch: records the steps.

        Raises:
            RefusedError: the server did not process the request.
            ProtocolError: the response is not HTTP/2, or the server reset the stream.
            OSError: the connection broke.
        """
        self._head, self._complete, self._chunks = None, False, []
        self._received_bytes = self._body_bytes = 0
        stopwatch.enter("processing")
        connection = self._h2
        if connection is None:
            connection = self._h2 = _new_connection()
        self._stream = connection.get_next_available_stream_id()
        connection.send_headers(self._stream, headers, end_stream=not body)
        self._stopwatch = stopwatch
        await self._send(connection, body)
        head = await self._await_head(connection)
        stopwatch.enter("transfer")
        return head

    async def receive_body(self) -> bytes:
        """Return the next piece of the body, or nothing at its end; content codings are not decoded.

        Raises:
            ProtocolError: the server aborted it.
            OSError: the connection broke.
        """
        assert self._h2 is not None
        while True:
            if self._chunks:
                chunks, self._chunks = self._chunks, []
                if body := b"".join(chunks):  # frames may be empty
                    return body
            if self._complete:
                return b""
            await self._receive(self._h2)

    def has_ended(self) -> bool:
        """Return whether an idle connection is no longer usable; unread pings and settings count as unusable too."""
        return self._wire.has_ended()

    def close(self) -> None:
        """Close the connection."""
        self._h2 = None
        self._wire.close()

    async def _await_head(self, connection: h2.connection.H2Connection) -> Head:
        while self._head is None:
            await self._receive(connection)
        return self._head

    async def _send(self, connection: h2.connection.H2Connection, body: bytes) -> None:
        """Send pending frames and the request's body, as the server's windows allow."""
        await self._flush(connection)
        rest = memoryview(body)
        while rest and self._head is None and not self._complete:
            size = min(connection.local_flow_control_window(self._stream), connection.max_outbound_frame_size)
            if size == 0:
                await self._receive(connection)
                continue
            connection.send_data(self._stream, bytes(rest[:size]), end_stream=size >= len(rest))
            rest = rest[size:]
            await self._flush(connection)
            if early := self._wire.receive_nowait():
                await self._take_data(connection, early)

    async def _flush(self, connection: h2.connection.H2Connection) -> None:
        """Send h2's pending data, and read meanwhile: the response may come before the request is sent."""
        waiting = connection.data_to_send()
        sent = 0
        while sent < len(waiting):
            try:
                sent += await self._wire.send_some(memoryview(waiting)[sent:])
                early = self._wire.receive_nowait() if sent < len(waiting) else b""
            except OSError:
                if self._head is None:
                    raise
                return  # the response has already arrived
            if early:
                await self._take_data(connection, early)

    async def _receive(self, connection: h2.connection.H2Connection) -> None:
        data = await self._wire.receive()
        if not data:
            raise ProtocolError("the connection was closed before the response was whole")
        await self._take_data(connection, data)
        if not self._complete:  # once complete, h2's replies go with the next request: the server may have closed
            await self._flush(connection)

    async def _take_data(self, connection: h2.connection.H2Connection, data: bytes) -> None:
        self._received_bytes += len(data)
        self._buffer += data
        taken = 0
        while (frame := self._next_frame()) is not None:
            self._take_frame(connection, frame)
            taken += 1
            if taken % _FRAMES_WITHOUT_WAIT == 0:
                await trio.lowlevel.checkpoint()
        if self._received_bytes - self._body_bytes > MAX_OVERHEAD_BYTES:
            raise ProtocolError(f"more than {MAX_OVERHEAD_BYTES} bytes are not part of the body")

    def _next_frame(self) -> bytes | None:
        """Take a whole frame off the buffer; h2 itself would buffer megabytes before it detects an invalid frame."""
        if len(self._buffer) < _FRAME_HEAD_BYTES:
            return None
        size, kind = int.from_bytes(self._buffer[:3], "big"), self._buffer[3]
        if size > _MAX_FRAME_BYTES or not (self._settled or kind == _SETTINGS):
            raise ProtocolError("the response is not HTTP/2")
        self._settled = True
        if kind == _HEADERS and self._stopwatch is not None:
            self._stopwatch.enter("headers")
            self._stopwatch = None
        if len(self._buffer) < _FRAME_HEAD_BYTES + size:
            return None
        frame = bytes(self._buffer[: _FRAME_HEAD_BYTES + size])
        del self._buffer[: len(frame)]
        return frame

    def _take_frame(self, connection: h2.connection.H2Connection, frame: bytes) -> None:
        if frame[3] == _GOAWAY and len(frame) >= _FRAME_HEAD_BYTES + 8:
            # Not passed to h2, which would end the connection: streams up to the last one named continue (section 6.8).
            last_stream, code = int.from_bytes(frame[9:13], "big") & 0x7FFF_FFFF, int.from_bytes(frame[13:17], "big")
            self._going_away = True
            if last_stream < self._stream and self._head is None:
                raise _refusal(f"the server went away: {_error_name(code)}", code)
            if code or last_stream < self._stream:
                raise ProtocolError(f"the server went away: {_error_name(code)}")
            return
        try:
            self._take(connection, connection.receive_data(frame))
        # h2 lets some exceptions of hyperframe, hpack and its own state machine through.
        except (h2.exceptions.H2Error, KeyError, ValueError, IndexError) as error:
            raise ProtocolError(f"the response is not HTTP/2: {error or type(error).__name__}") from error

    def _take(self, connection: h2.connection.H2Connection, events: Iterable[h2.events.Event]) -> None:
        for event in events:
            if isinstance(event, h2.events.StreamReset) and event.stream_id == self._stream:
                if not self._complete:
                    raise self._reset(event.error_code or 0)
            elif isinstance(event, h2.events.ResponseReceived) and event.stream_id == self._stream:
                self._head = _head(event.headers or [])
            elif isinstance(event, h2.events.DataReceived) and event.stream_id == self._stream:
                data = event.data or b""
                self._chunks.append(data)
                self._body_bytes += event.flow_controlled_length or 0
                connection.acknowledge_received_data(event.flow_controlled_length or 0, self._stream)
            elif isinstance(event, h2.events.StreamEnded) and event.stream_id == self._stream:
                self._complete = True
            elif isinstance(event, h2.events.RequestReceived):
                raise ProtocolError("the response is not HTTP/2: the server opened a stream of its own")
            elif isinstance(event, h2.events.InformationalResponseReceived):
                _head(event.headers or [])
            elif isinstance(event, h2.events.TrailersReceived):
                _fields(event.headers or [])

    def _reset(self, code: int) -> ProtocolError:
        text = f"the server reset the stream: {_error_name(code)}"
        begun = self._head is not None or code not in {_ErrorCodes.REFUSED_STREAM, _ErrorCodes.HTTP_1_1_REQUIRED}
        return ProtocolError(text) if begun else _refusal(text, code)


def _new_connection() -> h2.connection.H2Connection:
    connection = h2.connection.H2Connection(_CONFIG)
    # Set before the connection starts, so that they apply at once to incoming data.
    connection.local_settings = h2.settings.Settings(client=True, initial_values=_INITIAL_SETTINGS)
    connection.decoder.max_header_list_size = MAX_HEADER_BYTES
    connection.initiate_connection()
    connection.increment_flow_control_window(_WINDOW_BYTES - _FIRST_WINDOW_BYTES)
    return connection


def _refusal(text: str, code: int) -> RefusedError:
    return RefusedError(text, wants_http1=code == _ErrorCodes.HTTP_1_1_REQUIRED)


def _head(headers: Sequence[tuple[bytes, bytes]]) -> Head:
    """Read the head of a response (RFC 9113, section 8.3.2): `:status` alone comes before the fields."""
    name, status = headers[0] if headers else (b"", b"")
    if name != b":status" or not (status.isdigit() and len(status) == 3):
        raise ProtocolError("the response has no status")
    fields = _fields(headers[1:])
    notes = () if fields == headers[1:] else ("a header has spaces around its value, which HTTP/2 does not allow",)
    return Head(int(status), b"", "2", fields, notes)


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return headers without the spaces around their values, which RFC 9113, section 8.2.1, does not allow."""
    fields = []
    for name, value in headers:
        if _is_name(name) is None or _forbidden_in_value(value) is not None:
            raise ProtocolError(
                f"the response is not HTTP/2: its header {name!r} has a character that it must not have"
            )
        if name in _OF_THE_CONNECTION or (name == b"te" and value != b"trailers"):
            raise ProtocolError(f"the response is not HTTP/2: the header {name.decode()} has no place in it")
        fields.append((bytes(name), value.strip(b" \t")))
    return fields


def _error_name(code: int) -> str:
    try:
        return _ErrorCodes(code).name.lower().replace("_", " ").replace("http 1 1", "HTTP/1.1")
    except ValueError:
        return f"error {code}"

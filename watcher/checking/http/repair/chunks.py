"""Reads chunks as leniently as curl and browsers (RFC 9112, section 7.1); llhttp refuses spaces around extensions."""

from __future__ import annotations

import re
from typing import Protocol

# A size of 16 digits is more than anyone can send; zeros before them are harmless.
_SIZE = re.compile(rb"0*[0-9A-Fa-f]{1,16}")
# The form of nearly all chunk lines.
_PLAIN_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
# The bound of an incomplete line, which is searched again with each piece; browsers use the same.
MAX_LINE_BYTES = 16 * 1024


class ChunkError(Exception):
    """The data is not valid chunks; the message is for people."""


class Taker(Protocol):
    """Receives the body, like the callbacks of the parser."""

    def on_message_begin(self) -> None:
        """Report data after the end."""

    def on_body(self, data: bytes) -> None:
        """Receive a piece."""

    def on_message_complete(self) -> None:
        """Report the end."""


class ChunkReader:
    """Decodes chunks as they arrive; holds at most part of a line."""

    __slots__ = ("_complete", "_held", "_in_trailers", "_left", "_line_end_due", "_taker")

    def __init__(self, taker: Taker) -> None:
        """Start a body.

        Args:
            taker: receives it.
        """
        self._taker = taker
        self._held = b""
        self._left = 0
        self._line_end_due = self._in_trailers = self._complete = False

    def feed_data(self, data: bytes) -> None:
        """Process received data.

        Raises:
            ChunkError: it is not valid chunks.
        """
        if self._held:
            data = self._held + data
        position = 0
        while position < len(data) and not self._complete:
            if self._left:
                piece = data[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                self._line_end_due = not self._left
                self._taker.on_body(piece)
                continue
            if not (self._line_end_due or self._in_trailers):
                position = self._take_plain(data, position)
            end = data.find(b"\n", position)
            if end < 0:
                break
            self._take_line(data[position:end].removesuffix(b"\r"))
            position = end + 1
        self._held = data[position:]
        if len(self._held) > MAX_LINE_BYTES and not self._complete:
            raise ChunkError(f"a line between chunks is longer than {MAX_LINE_BYTES} bytes")
        if self._complete:
            surplus, self._held = self._held, b""
            if surplus.strip(b"\r\n"):  # empty lines are ignored (RFC 9112, section 2.2)
                self._taker.on_message_begin()

    def _take_plain(self, data: bytes, position: int) -> int:
        """Process whole chunks of plain form; return where the next line starts."""
        while (line := _PLAIN_LINE.match(data, position)) is not None:
            start = line.end()
            end = start + int(line[1], 16)
            if end == start or not data.startswith(b"\r\n", end):
                break
            self._taker.on_body(data[start:end])
            position = end + 2
        return position

    def _take_line(self, line: bytes) -> None:
        if self._in_trailers:
            if not line:
                self._complete = True
                self._taker.on_message_complete()
        elif self._line_end_due:
            if line:
                raise ChunkError("a chunk is longer than its size")
            self._line_end_due = False
        else:
            size = line.partition(b";")[0].rstrip(b" \t")
            if _SIZE.fullmatch(size) is None:
                raise ChunkError("the size of a chunk is not a number")
            self._left = int(size, 16)
            self._in_trailers = not self._left

"""Chunks as lenient as curl and browsers read them (RFC 9112, section 7.1); llhttp refuses spaces around extensions."""

from __future__ import annotations

import re
from typing import Protocol

# Of 16 digits is more than anybody can send; zeros before them do no harm.
_SIZE = re.compile(rb"0*[0-9A-Fa-f]{1,16}")
# How nearly all begin a chunk.
_PLAIN_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
# The bound of a line that is not whole yet, which is looked through again with each piece; of browsers as well.
MAX_LINE_BYTES = 16 * 1024


class ChunkError(Exception):
    """What came is not in chunks; the message is for people."""


class Taker(Protocol):
    """Who is told of the body, as by the parser."""

    def on_message_begin(self) -> None:
        """Learn that something follows the end."""

    def on_body(self, data: bytes) -> None:
        """Take a piece."""

    def on_message_complete(self) -> None:
        """Learn that it is whole."""


class ChunkReader:
    """Undoes chunks as they come in; it holds no more than a part of a line."""

    __slots__ = ("_complete", "_held", "_in_trailers", "_left", "_line_end_due", "_taker")

    def __init__(self, taker: Taker) -> None:
        """Begin with a body.

        Args:
            taker: is told of it.
        """
        self._taker = taker
        self._held = b""
        self._left = 0
        self._line_end_due = self._in_trailers = self._complete = False

    def feed_data(self, data: bytes) -> None:
        """Take what came.

        Raises:
            ChunkError: it is not in chunks.
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
            if surplus.strip(b"\r\n"):  # empty lines mean nothing (RFC 9112, section 2.2)
                self._taker.on_message_begin()

    def _take_plain(self, data: bytes, position: int) -> int:
        """Take the chunks that are here as a whole, without anything odd; return where the next line begins."""
        while (line := _PLAIN_LINE.match(data, position)) is not None:
            begin = line.end()
            end = begin + int(line[1], 16)
            if end == begin or not data.startswith(b"\r\n", end):
                break
            self._taker.on_body(data[begin:end])
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

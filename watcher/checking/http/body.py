"""Reads a response body: limits its size, and decodes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
import webencodings

from watcher.checking.http.content_codings.decoders import BodyEncodingError, decoder_for
from watcher.text.escaping import quoted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from watcher.checking.http.content_codings.decoders import Decoder

# A server and a proxy in front of it add one or two; more is not a real body.
MAX_CODINGS = 3
# Other tasks get a turn after this many encoded bytes: they may be thousands of parts without content.
DECODED_AT_ONCE_BYTES = 16 * 1024
# Values that some servers send although the body is not encoded; names of charsets are treated the same.
_NO_CODINGS = frozenset({"", "identity", "none", "null", "7bit", "8bit", "binary", "plain", "text", "aws-chunked"})


class BodyTooLargeError(Exception):
    """The body is larger than the limit."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(limit_bytes)


class BodyReader:
    """Reads one body.

    Attributes:
        content: the decoded body so far.
        is_decoded: False if an encoding cannot be decoded, so that `content` is not the site's text.
        note: a sentence on an odd encoding, or None.
    """

    __slots__ = (
        "_accepted",
        "_between_bytes",
        "_decoders",
        "_encoding",
        "_limit_bytes",
        "content",
        "is_decoded",
        "note",
    )

    def __init__(self, content_encoding: str, limit_bytes: int, accept_encoding: str = "gzip, deflate") -> None:
        """Prepare to read.

        Args:
            content_encoding: the header's value; several codings, in the order in which they were applied.
            limit_bytes: the maximum size of the body, before and after each decoding.
            accept_encoding: the value sent in `Accept-Encoding`.
        """
        self.content = bytearray()
        self.is_decoded = True
        self.note: str | None = None
        self._encoding = content_encoding
        self._limit_bytes = limit_bytes
        self._accepted = accept_encoding
        self._between_bytes = 0
        self._decoders: Sequence[Decoder] = ()

    async def read(self, receive: Callable[[], Awaitable[bytes]]) -> None:
        """Read a whole body.

        Args:
            receive: returns the next piece of the raw body, or nothing at its end.

        Raises:
            BodyTooLargeError: it is larger than the limit; the part read so far stays in `content`.
            BodyEncodingError: it is not in the encoding that its header claims.
        """
        content, limit_bytes = self.content, self._limit_bytes
        started = not self._encoding
        while chunk := await receive():
            if not started:  # without a body, the encoding does not matter
                started = True
                self._choose_decoders()
            if not self._decoders:
                content += chunk
            else:
                await self._decode_in_turns(chunk)
            if len(content) > limit_bytes:
                raise BodyTooLargeError(limit_bytes)
        if not all(decoder.at_an_end for decoder in self._decoders):
            self._give_up(BodyEncodingError("the compressed body ends too soon"))

    def _choose_decoders(self) -> None:
        codings = [coding.strip().lower() for coding in self._encoding.split(",")]
        real = [coding for coding in codings if coding not in _NO_CODINGS and webencodings.lookup(coding) is None]
        shown = quoted(self._encoding[:100])
        if real != [coding for coding in codings if coding not in {"", "identity"}]:
            self.note = f"the body claims to have the encoding {shown}, which is none"
        decoders = [decoder_for(coding) for coding in reversed(real)]
        if not decoders:
            return
        asked = _is_asked_for(real, self._accepted)
        if len(decoders) > MAX_CODINGS or None in decoders:
            self.is_decoded = False
            why = "cannot be undone here" if asked else "was not asked for and cannot be undone"
            self.note = f"the body has the encoding {shown}, which {why}"
            return
        if not asked:
            self.note = f"the body has the encoding {shown}, which was not asked for"
        elif len(real) > 1:
            self.note = f"the body has several encodings, {shown}"
        self._decoders = [decoder for decoder in decoders if decoder is not None]

    async def _decode_in_turns(self, chunk: bytes) -> None:
        for begin in range(0, len(chunk), DECODED_AT_ONCE_BYTES):
            if begin:
                await trio.lowlevel.checkpoint()
            if self._decoders:
                self._decode(chunk[begin : begin + DECODED_AT_ONCE_BYTES])

    def _decode(self, chunk: bytes) -> None:
        content, limit_bytes = self.content, self._limit_bytes
        try:
            for piece in self._pieces_of(chunk, self._decoders):
                content += piece
                if len(content) > limit_bytes:
                    raise BodyTooLargeError(limit_bytes)
        except BodyEncodingError as error:
            self._give_up(error)

    def _pieces_of(self, chunk: bytes, decoders: Sequence[Decoder]) -> Iterator[bytes]:
        first, *others = decoders
        for piece in first.decode(chunk):
            if not others:
                yield piece
                continue
            self._between_bytes += len(piece)
            if self._between_bytes > len(self._decoders) * self._limit_bytes:
                raise BodyTooLargeError(self._limit_bytes)
            yield from self._pieces_of(piece, others)

    def _give_up(self, error: BodyEncodingError) -> None:
        """Keep a wrongly labelled body undecoded: browsers refuse it, yet some servers name a coding twice."""
        if len(self._decoders) == 1:
            raise error
        self.content.clear()
        self._decoders = ()
        self.is_decoded = False
        self.note = f"the body is not in the encodings that it claims, {quoted(self._encoding[:100])}"


def _is_asked_for(codings: Sequence[str], accept_encoding: str) -> bool:
    """Return whether a header accepts these codings; gzip and deflate are always accepted."""
    asked = {coding.partition(";")[0].strip().lower() for coding in accept_encoding.split(",")}
    return "*" in asked or asked.issuperset(set(codings) - {"gzip", "x-gzip", "deflate"})

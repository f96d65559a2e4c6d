"""A response's body as it comes in: capped, and decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
import webencodings

from watcher.checking.http.content_codings.decoders import BodyEncodingError, decoder_for
from watcher.text.escaping import quoted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from watcher.checking.http.content_codings.decoders import Decoder

# More than a server and a proxy in front of it put on top of one another is no body that anybody reads.
MAX_CODINGS = 3
# Others get their turn after so much of an encoded body: it may be thousands of parts that hold nothing.
DECODED_AT_ONCE_BYTES = 16 * 1024
# What some servers claim although the body is as it is; names of charsets are of the same kind.
_NO_CODINGS = frozenset({"", "identity", "none", "null", "7bit", "8bit", "binary", "plain", "text", "aws-chunked"})


class BodyTooLargeError(Exception):
    """The body is larger than the limit."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(limit_bytes)


class BodyReader:
    """Reads one body.

    Attributes:
        content: what came so far, decoded.
        is_decoded: whether it is what the site means; False for an encoding that cannot be undone.
        note: what is odd about the encoding, in a sentence, or None.
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
            limit_bytes: the most that the body may have, before and after each decoding.
            accept_encoding: what was asked for.
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
            receive: returns the next piece of the raw body off the wire, none at its end.

        Raises:
            BodyTooLargeError: it has more than the limit; what came until then stays in `content`.
            BodyEncodingError: it is not in the encoding that it claims.
        """
        content, limit_bytes = self.content, self._limit_bytes
        started = not self._encoding
        while chunk := await receive():
            if not started:  # of a response without a body, the encoding does not matter
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
        """Take a body for what it is not: browsers refuse one that lies, yet some servers name a coding twice."""
        if len(self._decoders) == 1:
            raise error
        self.content.clear()
        self._decoders = ()
        self.is_decoded = False
        self.note = f"the body is not in the encodings that it claims, {quoted(self._encoding[:100])}"


def _is_asked_for(codings: Sequence[str], accept_encoding: str) -> bool:
    """Tell whether a header asks for these; gzip and deflate everybody takes."""
    asked = {coding.partition(";")[0].strip().lower() for coding in accept_encoding.split(",")}
    return "*" in asked or asked.issuperset(set(codings) - {"gzip", "x-gzip", "deflate"})

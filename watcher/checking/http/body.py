"""A response's body as it comes in: capped, and decompressed in bounded steps."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Most that one step of decompression may yield: a gzip bomb grows a thousandfold, so a chunk off the socket must
# not be inflated at once.
STEP_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


class BodyTooLargeError(Exception):
    """The body is larger than the limit."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(limit_bytes)


class BodyEncodingError(Exception):
    """The body is not in the encoding that its header claims."""


async def read_body(chunks: AsyncIterator[bytes], content_encoding: str, limit_bytes: int) -> bytes:
    """Read a whole body.

    Args:
        chunks: the raw body off the wire.
        content_encoding: the header's value; `gzip` and `deflate` are undone, the only ones that are asked for.
        limit_bytes: the most that the body may have after decompression.

    Raises:
        BodyTooLargeError: it has more; what came is dropped.
        BodyEncodingError: it cannot be decompressed, or has an encoding nobody asked for.
    """
    body = bytearray()
    decoder = _Inflater(content_encoding) if _is_compressed(content_encoding) else None
    async for chunk in chunks:
        if decoder is None:
            body += chunk
        else:
            decoder.inflate(chunk, body, limit_bytes)
        if len(body) > limit_bytes:
            raise BodyTooLargeError(limit_bytes)
    if decoder is not None and not decoder.at_an_end:
        raise BodyEncodingError("the compressed body ends too soon")
    return bytes(body)


def _is_compressed(content_encoding: str) -> bool:
    name = content_encoding.strip().lower()
    if name not in {"", "identity", "gzip", "x-gzip", "deflate"}:
        raise BodyEncodingError(f"the body has the encoding {content_encoding!r}, which was not asked for")
    return name not in {"", "identity"}


class _Inflater:
    """Undoes gzip, of one member or several (RFC 1952, section 2.2), and zlib, whichever the first bytes say.

    Of `deflate`, the stream may come without zlib's wrapping as well (RFC 9110, section 8.4.1.2): some servers do so.
    """

    def __init__(self, content_encoding: str) -> None:
        self._member = _new_member()
        self._may_be_raw = content_encoding.strip().lower() == "deflate"
        self._started = False
        self._held = b""  # behind an end: the first byte of what may be the next member's magic

    @property
    def at_an_end(self) -> bool:
        return self._member.eof or not self._started  # where nothing has come, nothing is missing

    def inflate(self, chunk: bytes, body: bytearray, limit_bytes: int) -> None:
        chunk = self._held + chunk
        self._held = b""
        self._started = True
        try:
            while chunk and len(body) <= limit_bytes:
                if self._member.eof:
                    if chunk == _GZIP_MAGIC[:1]:
                        self._held = chunk
                        return
                    if not chunk.startswith(_GZIP_MAGIC):
                        return  # what comes behind the end is nobody's
                    self._member = _new_member()
                body += self._decompress(chunk)
                chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        except zlib.error as error:
            raise BodyEncodingError(f"the compressed body is broken: {error}") from error

    def _decompress(self, chunk: bytes) -> bytes:
        may_be_raw, self._may_be_raw = self._may_be_raw, False
        try:
            return self._member.decompress(chunk, STEP_BYTES)
        except zlib.error:
            if not may_be_raw:
                raise
        self._member = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        return self._member.decompress(chunk, STEP_BYTES)


def _new_member() -> zlib._Decompress:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by its header

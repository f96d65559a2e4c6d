"""A response's body as it comes in: capped, and decompressed in bounded steps."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Most that one step of decompression may yield: a gzip bomb grows a thousandfold, so a chunk off the socket must
# not be inflated at once.
STEP_BYTES = 64 * 1024


class BodyTooLargeError(Exception):
    """The body is larger than the limit."""


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
    decoder = _decoder(content_encoding)
    async for chunk in chunks:
        if decoder is None:
            body += chunk
        else:
            _inflate(decoder, chunk, body, limit_bytes)
        if len(body) > limit_bytes:
            raise BodyTooLargeError
    if decoder is not None and body and not decoder.eof:
        raise BodyEncodingError("the compressed body ends too soon")
    return bytes(body)


def _decoder(content_encoding: str) -> zlib._Decompress | None:
    name = content_encoding.strip().lower()
    if name in {"", "identity"}:
        return None
    if name in {"gzip", "x-gzip", "deflate"}:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, whichever the first bytes say
    raise BodyEncodingError(f"the body has the encoding {content_encoding!r}, which was not asked for")


def _inflate(decoder: zlib._Decompress, chunk: bytes, body: bytearray, limit_bytes: int) -> None:
    try:
        while chunk and len(body) <= limit_bytes:
            body += decoder.decompress(chunk, STEP_BYTES)
            chunk = decoder.unconsumed_tail
    except zlib.error as error:
        raise BodyEncodingError(f"the compressed body is broken: {error}") from error

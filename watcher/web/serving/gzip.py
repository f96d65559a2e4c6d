"""The one content coding that everybody takes (RFC 9110, section 8.4.1.3), in portions. It is trio-flavoured."""

from __future__ import annotations

import zlib

import trio

# What is compressed before the checks get a turn: about a millisecond.
PORTION_BYTES = 64 * 1024
# The fastest; a page so has a seventh of its size, and the best level would take four times as long for a ninth.
LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS


def takes_gzip(accepted: str) -> bool:
    """Tell whether whoever asks takes gzip.

    Args:
        accepted: the value of Accept-Encoding; empty where there is none.
    """
    for word in accepted.lower().split(","):
        coding, _, weight = word.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def compressor() -> zlib._Compress:
    """Return what compresses step by step."""
    return zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)


async def compressed(body: bytes) -> bytes:
    """Compress something, and let others have their turn in between."""
    gzip, pieces = compressor(), list[bytes]()
    for start in range(0, len(body), PORTION_BYTES):
        pieces.append(gzip.compress(memoryview(body)[start : start + PORTION_BYTES]))
        await trio.lowlevel.checkpoint()
    return b"".join([*pieces, gzip.flush()])

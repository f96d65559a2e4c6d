"""Bodies that do not match their headers, and bombs."""

from __future__ import annotations

import gzip
import zlib
from functools import cache
from typing import Literal

from tests.hostile.case import SUCCESS, Case
from tests.hostile.servers import Peer, at_once, forever, read_request, response, saying

MEGABYTE = 1024 * 1024
TEXT = b"hello, " * 100


def _encoded(body: bytes, encoding: str) -> bytes:
    return response(body, headers=f"Content-Encoding: {encoding}\r\n")


def _in_charset(body: bytes, content_type: str) -> bytes:
    return response(body, headers=f"Content-Type: {content_type}\r\n")


def _raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@cache
def megabyte_of_deflate() -> bytes:
    """Compress a megabyte of zeros such that it can be repeated: a kilobyte."""
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return compressor.compress(bytes(MEGABYTE)) + compressor.flush(zlib.Z_FULL_FLUSH)


GZIP_HEAD = gzip.compress(b"")[:10]
ZLIB_HEAD = zlib.compress(b"", 9)[:2]


def gzip_bomb(megabytes: int = 1024) -> bytes:
    """Write gzip of that many zeros; it is cut before its checksum, which is never reached."""
    return GZIP_HEAD + megabyte_of_deflate() * megabytes


def bomb_in_a_bomb() -> bytes:
    """Write gzip of a gzip bomb."""
    return gzip.compress(gzip_bomb())


def exploding(bomb: bytes, encoding: str, status: str = "200 OK", headers: str = "") -> bytes:
    """Write a response with a bomb."""
    return response(bomb, status, f"Content-Encoding: {encoding}\r\n{headers}")


async def gzip_explosion(peer: Peer) -> None:
    """Answer with a gzip bomb, which is created on request."""
    await at_once(read_request, exploding(gzip_bomb(), "gzip"))(peer)


async def _deflate_explosion(peer: Peer) -> None:
    await at_once(read_request, exploding(ZLIB_HEAD + megabyte_of_deflate() * 1024, "deflate"))(peer)


async def _raw_deflate_explosion(peer: Peer) -> None:
    await at_once(read_request, exploding(megabyte_of_deflate() * 1024, "deflate"))(peer)


async def _nested_explosion(peer: Peer) -> None:
    await at_once(read_request, exploding(bomb_in_a_bomb(), "gzip, gzip"))(peer)


async def _bomb_in_chunks(peer: Peer) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = megabyte_of_deflate() * 16
    chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
    await at_once(read_request, head + b"a\r\n" + GZIP_HEAD + b"\r\n", forever(chunk))(peer)


_NO_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"

_TOLD: dict[str, Literal["gzip", "deflate"]] = {
    "gzip": "gzip",
    "GZIP": "gzip",
    "x-gzip": "gzip",
    "gzip, gzip": "gzip",
    "deflate": "deflate",
}


def _coded(name: str, body: bytes, encoding: str, expected: str = SUCCESS, detail: str = "") -> Case:
    looked_for = b"^hello" if expected == SUCCESS and body else None
    compression: Literal["", "gzip", "deflate"] = _TOLD.get(encoding, "")
    return Case(
        name, saying(_encoded(body, encoding)), expected, detail, compression=compression, body_matches=looked_for
    )


_GZIP = gzip.compress(TEXT)

ENCODINGS = [
    _coded("gzip", _GZIP, "gzip"),
    _coded("gzip in capitals", _GZIP, "GZIP"),
    _coded("x-gzip", _GZIP, "x-gzip"),
    _coded("gzip of two members", _GZIP * 2, "gzip"),
    _coded("gzip and something behind it", _GZIP + b"rest", "gzip"),
    _coded("gzip of nothing at all", b"", "gzip"),
    _coded("deflate in zlib", zlib.compress(TEXT), "deflate"),
    _coded("deflate alone", _raw_deflate(TEXT), "deflate"),
    _coded("identity", TEXT, "identity"),
    _coded("plain text that claims to be gzip", TEXT, "gzip", "protocol", "compress"),
    _coded("plain text that claims to be deflate", TEXT, "deflate", "protocol", "compress"),
    _coded("gzip that is cut off", _GZIP[:-12], "gzip", "protocol", "too soon|compress"),
    _coded("gzip with a wrong sum", _GZIP[:-8] + bytes(8), "gzip", "protocol", "compress"),
    _coded("gzip with noise inside", GZIP_HEAD + b"\xff" * 50, "gzip", "protocol", "compress"),
    _coded("br that nobody asked for", b"\x0b\x02\x80hello\x03", "br"),
    _coded("none for an encoding", TEXT, "none"),
    _coded("a charset for an encoding", TEXT, "UTF-8"),
    Case("an encoding nobody knows", saying(_encoded(TEXT, "x-unheard-of"))),
    Case(
        "an encoding nobody knows, and something to look for",
        saying(_encoded(TEXT, "x-unheard-of")),
        "protocol",
        "cannot be undone",
        body_matches=b"hello",
    ),
    Case("plain text that claims to be gzip twice", saying(_encoded(TEXT, "gzip, gzip"))),
    Case(
        "status 503 with a body above the limit",
        saying(response(b"x" * 1048577, "503 Busy")),
        "status",
        "503 Busy",
        503,
    ),
    Case("status 503 with a body that is cut off", saying(response(b"x", "503 Busy")[:-1]), "status", "503 Busy", 503),
    Case(
        "status 503 with an encoding that lies",
        saying(response(TEXT, "503 Busy", "Content-Encoding: gzip\r\n")),
        "status",
        "503 Busy",
        503,
    ),
    Case(
        "gzip that says nothing for ever",
        saying(_NO_LENGTH, forever(gzip.compress(b"") * 200)),
        "timeout|protocol",
        compression="gzip",
    ),
    Case(
        "endless name in gzip",
        saying(_NO_LENGTH + b"\x1f\x8b\x08\x08" + bytes(6), forever(b"x" * 4096)),
        "timeout|protocol",
        compression="gzip",
    ),
]

CHARSETS = [
    Case(f"charset {charset}", saying(_in_charset(TEXT, f"text/html; {charset}")), body_matches=b"hello, ")
    for charset in [
        "charset=utf-8",
        "charset=hex",
        "charset=punycode",
        "charset=idna",
        "charset=undefined",
        "charset=unicode_escape",
        "charset=rot13",
        "charset=x-unheard-of",
        "charset=",
        'charset="',
        'charset="utf-8',
        "charset*=a%00b''x",
        "charset*=utf-8''latin-1",
        "charset=../../etc/passwd",
        f"charset={'x' * 5000}",
    ]
] + [
    Case(
        "charset utf-16",
        saying(_in_charset("hällo".encode("utf-16"), "text/html; charset=utf-16")),
        body_matches="^.?hällo".encode(),
    ),
    Case(
        "body that is not in its charset",
        saying(_in_charset(b"\xfa\xff\xfe hello", "text/html; charset=utf-8")),
        body_matches=b"hello",
    ),
    Case("body that is not what is looked for", saying(response(b"maintenance")), "regex", body_matches=b"hello"),
]

BOMBS = [
    Case("gzip bomb", gzip_explosion, "too_large", "1048576", compression="gzip"),
    Case("deflate bomb", _deflate_explosion, "too_large", "1048576", compression="deflate"),
    Case("deflate bomb without zlib", _raw_deflate_explosion, "too_large", "1048576", compression="deflate"),
    Case("bomb in a bomb", _nested_explosion, "too_large", "1048576", compression="gzip"),
    Case("gzip bomb in chunks", _bomb_in_chunks, "too_large", "1048576", compression="gzip"),
]

CASES = [*ENCODINGS, *CHARSETS, *BOMBS]

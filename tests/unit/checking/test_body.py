"""Bodies: limited in size, and decompressed in bounded steps."""

import gzip
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from watcher.checking.http.body import BodyReader, BodyTooLargeError
from watcher.checking.http.content_codings.decoders import STEP_BYTES, BodyEncodingError

MEGABYTE = 1024 * 1024


def in_pieces(content: bytes, size: int) -> Callable[[], Awaitable[bytes]]:
    """Return what hands out a body in pieces."""
    pieces = iter([content[start : start + size] for start in range(0, len(content), size)])

    async def receive() -> bytes:
        return next(pieces, b"")

    return receive


brotli: Any = import_module("brotli")
try:
    zstd: Any = import_module("compression.zstd")
except ImportError:
    zstd = import_module("backports.zstd")


async def read(content: bytes, encoding: str, limit_bytes: int, size: int = 4096, accepted: str = "") -> BodyReader:
    """Read a whole body that arrives in pieces of a size."""
    reader = BodyReader(encoding, limit_bytes, accepted)
    await reader.read(in_pieces(content, size))
    return reader


async def read_body(content: bytes, encoding: str, limit_bytes: int, size: int = 4096) -> bytes:
    """Read a whole body, and return it."""
    return bytes((await read(content, encoding, limit_bytes, size)).content)


async def test_a_plain_body_comes_whole() -> None:
    assert await read_body(b"x" * 10_000, "", 10_000) == b"x" * 10_000


CONTENT = bytes(range(256)) * 1000
PACKED = {
    "gzip": gzip.compress(CONTENT),
    "x-gzip": gzip.compress(CONTENT),
    " GZIP ": gzip.compress(CONTENT),
    "deflate": zlib.compress(CONTENT),
    "br": brotli.compress(CONTENT),
    "zstd": zstd.compress(CONTENT) + zstd.compress(b"another frame"),
    "gzip, gzip": gzip.compress(gzip.compress(CONTENT)),
    "identity, br": brotli.compress(CONTENT),
}


@pytest.mark.parametrize("encoding", PACKED)
async def test_a_compressed_body_is_undone(encoding: str) -> None:
    reader = await read(PACKED[encoding], encoding, MEGABYTE, 100, "gzip, br, zstd;q=0.5")
    assert reader.content == CONTENT + (b"another frame" if encoding == "zstd" else b"")
    assert reader.is_decoded
    assert (reader.note is None) == (encoding != "gzip, gzip")


@pytest.mark.parametrize("accepted", ["", "gzip, br", "*"])
async def test_an_unrequested_encoding_is_decoded_and_noted(accepted: str) -> None:
    reader = await read(PACKED["br"], "br", MEGABYTE, accepted=accepted)
    assert (bytes(reader.content), reader.is_decoded) == (CONTENT, True)
    assert ("not asked for" in (reader.note or "")) == (accepted == "")


@pytest.mark.parametrize("encoding", ["none", "UTF-8", "aws-chunked", "identity, 8bit", "iso-8859-1"])
async def test_an_unknown_encoding_is_ignored(encoding: str) -> None:
    reader = await read(b"hello", encoding, MEGABYTE)
    assert (bytes(reader.content), reader.is_decoded) == (b"hello", True)
    assert reader.note == f'the body claims to have the encoding "{encoding}", which is none'


@pytest.mark.parametrize("encoding", ["compress", "x-unheard-of", "gzip, gzip", "gzip, br, gzip, br"])
async def test_a_body_that_cannot_be_undone_is_noted(encoding: str) -> None:
    reader = await read(b"hello", encoding, MEGABYTE)
    assert not reader.is_decoded
    assert reader.note


@pytest.mark.parametrize("encoding", ["gzip", "br", "x-unheard-of", "none", "gzip, gzip"])
async def test_the_encoding_of_no_body_does_not_matter(encoding: str) -> None:
    reader = await read(b"", encoding, MEGABYTE)
    assert (bytes(reader.content), reader.is_decoded, reader.note) == (b"", True, None)


async def test_a_body_over_the_limit_is_refused_and_its_start_kept() -> None:
    reader = BodyReader("", 10_000)
    with pytest.raises(BodyTooLargeError):
        await reader.read(in_pieces(b"x" * 20_000, 1000))
    assert reader.content == b"x" * 11_000


BOMB = bytes(300 * MEGABYTE)
BOMBS = {
    "gzip": gzip.compress(BOMB, compresslevel=1),
    "br": brotli.compress(BOMB, quality=1),
    "zstd": zstd.compress(BOMB),
    "gzip, gzip": gzip.compress(gzip.compress(BOMB, compresslevel=1)),
}


@pytest.mark.parametrize("encoding", BOMBS)
async def test_a_bomb_costs_no_more_than_the_limit_and_a_step(encoding: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLargeError):
            await read_body(BOMBS[encoding], encoding, MEGABYTE, 64 * 1024)
        _now, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3 * MEGABYTE + 2 * STEP_BYTES


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"this is not gzip", "gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-10], "gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:10], "gzip"),
        (b"this is not brotli", "br"),
        (PACKED["br"][:-10], "br"),
        (b"this is not zstd", "zstd"),
        (PACKED["zstd"][:-10], "zstd"),
    ],
)
async def test_a_lying_encoding_is_named(content: bytes, encoding: str) -> None:
    with pytest.raises(BodyEncodingError):
        await read_body(content, encoding, MEGABYTE)


async def test_a_body_of_several_gzip_members_is_read_whole() -> None:
    packed = gzip.compress(b"hel") + gzip.compress(b"lo " * 10)
    for size in range(1, len(packed) + 1):  # chunk boundaries may fall anywhere, also into the magic bytes
        assert await read_body(packed, "gzip", MEGABYTE, size) == b"hel" + b"lo " * 10, size


async def test_data_after_the_end_is_dropped() -> None:
    assert await read_body(gzip.compress(b"hello") + b"\0" * 10_000, "gzip", 1000, 100) == b"hello"


async def test_members_without_end_are_bounded() -> None:
    with pytest.raises(BodyTooLargeError):
        await read_body(gzip.compress(b"x" * 500) * 100, "gzip", 10_000, 100)


@given(
    st.binary(max_size=5000) | st.sampled_from([gzip.compress(b"x"), PACKED["br"], PACKED["zstd"]]),
    st.sampled_from(["", "gzip", "deflate", "br", "zstd", "gzip, gzip", "x-unheard-of", "none"]),
)
def test_no_bytes_bring_another_exception(content: bytes, encoding: str) -> None:
    async def try_to_read() -> None:
        with suppress(BodyTooLargeError, BodyEncodingError):
            await read_body(content, encoding, 1000, 17)

    trio.run(try_to_read)

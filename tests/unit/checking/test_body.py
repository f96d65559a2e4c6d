"""Bodies: capped, and decompressed in bounded steps."""

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from watcher.checking.http.body import STEP_BYTES, BodyEncodingError, BodyTooLargeError, read_body

MEGABYTE = 1024 * 1024


class chunks_of(AsyncIterator[bytes]):  # noqa: N801  # used as a function
    """A body in pieces; no generator, since trio wants those closed."""

    def __init__(self, content: bytes, size: int = 4096) -> None:
        self._pieces = iter([content[start : start + size] for start in range(0, len(content), size)])

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


async def test_a_plain_body_comes_whole() -> None:
    assert await read_body(chunks_of(b"x" * 10_000), "", 10_000) == b"x" * 10_000


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP ", "deflate"])
async def test_a_compressed_body_is_undone(encoding: str) -> None:
    content = bytes(range(256)) * 1000
    packed = zlib.compress(content) if encoding == "deflate" else gzip.compress(content)
    assert await read_body(chunks_of(packed, 100), encoding, MEGABYTE) == content


async def test_a_body_over_the_limit_is_refused() -> None:
    with pytest.raises(BodyTooLargeError):
        await read_body(chunks_of(b"x" * 10_001), "", 10_000)


async def test_a_bomb_costs_no_more_than_the_limit_and_a_step() -> None:
    bomb = gzip.compress(bytes(300 * MEGABYTE), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLargeError):
            await read_body(chunks_of(bomb, 64 * 1024), "gzip", MEGABYTE)
        _now, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3 * MEGABYTE + STEP_BYTES


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"this is not gzip", "gzip"),
        (gzip.compress(b"x" * 1000)[:-10], "gzip"),
        (gzip.compress(b"x" * 1000)[:10], "gzip"),
        (b"x", "br"),
        (b"x", "gzip, gzip"),
    ],
)
async def test_a_lying_encoding_is_named(content: bytes, encoding: str) -> None:
    with pytest.raises(BodyEncodingError):
        await read_body(chunks_of(content), encoding, MEGABYTE)


async def test_a_body_of_several_gzip_members_is_read_whole() -> None:
    packed = gzip.compress(b"hel") + gzip.compress(b"lo " * 10)
    for size in range(1, len(packed) + 1):  # a boundary of chunks may fall anywhere, also into the magic bytes
        assert await read_body(chunks_of(packed, size), "gzip", MEGABYTE) == b"hel" + b"lo " * 10, size


async def test_what_comes_behind_the_end_is_dropped() -> None:
    packed = gzip.compress(b"hello") + b"\0" * 10_000
    assert await read_body(chunks_of(packed, 100), "gzip", 1000) == b"hello"


async def test_members_without_end_are_bounded() -> None:
    with pytest.raises(BodyTooLargeError):
        await read_body(chunks_of(gzip.compress(b"x" * 500) * 100, 100), "gzip", 10_000)


async def test_an_empty_body_has_any_encoding_we_asked_for() -> None:
    assert await read_body(chunks_of(b""), "gzip", MEGABYTE) == b""


@given(st.binary(max_size=5000), st.sampled_from(["", "gzip", "deflate"]))
def test_no_bytes_bring_another_exception(content: bytes, encoding: str) -> None:
    async def read() -> None:
        with suppress(BodyTooLargeError, BodyEncodingError):
            await read_body(chunks_of(content, 17), encoding, 1000)

    trio.run(read)

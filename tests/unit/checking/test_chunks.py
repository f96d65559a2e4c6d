"""Chunks end where the lenient reader ends them, whether the quick parser reads them or not."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

import trio
from hypothesis import example, given
from hypothesis import strategies as st

from tests.doubles import PiecesWire
from watcher.checking.http.http1 import MAX_TRIED_BYTES, Http1, ProtocolError
from watcher.checking.http.repair.chunks import ChunkError, ChunkReader
from watcher.checking.http.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.checking.http.wire import Wire

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CUT_OFF, WHOLE, BROKEN = "cut off", "whole", "broken"

CHUNKS = st.builds(
    lambda content, ending: b"%x%s%s\r\n" % (len(content), ending, content),
    st.binary(min_size=1, max_size=20),
    st.sampled_from([b"\r\n", b"\n", b" \r\n", b";e\r\n", b' ;e="f;"\r\n', b";\r\n", b"\r\r\n"]),
)
ODD = [b"0", b"5", b"F", b"f" * 17, b"\r", b"\n", b"\r\n", b" ", b"\t", b";", b"\0", b"-", b"0x", b"A: b", b":"]
ENDS = [
    *(b"0\r\n\r\n", b"0\n\n", b"000\r\n\r\n", b"0;e\r\nA\r\n\r\n"),
    *(b"0\r\nA: b\r\n c\r\n\r\n", b"0\r\nContent-Length: 1\r\n\r\n"),
]
BODIES = st.lists(CHUNKS | st.sampled_from(ODD) | st.sampled_from(ENDS), max_size=8).map(b"".join)


class Told:
    """Where the lenient reader reports its events."""

    def __init__(self) -> None:
        self.body = b""
        self.verdict = CUT_OFF
        self.has_surplus = False

    def on_message_begin(self) -> None:
        self.has_surplus = True

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.verdict = WHOLE


def by_the_lenient_reader(pieces: Sequence[bytes]) -> tuple[str, bytes, bool]:
    told = Told()
    reader = ChunkReader(told)
    for piece in pieces:
        try:
            reader.feed_data(piece)
        except ChunkError:
            return BROKEN, told.body, False
        if told.verdict == WHOLE:
            break
    return told.verdict, told.body, told.verdict == WHOLE and not told.has_surplus


async def by_an_exchange(pieces: Sequence[bytes]) -> tuple[str, bytes, bool]:
    connection = Http1(cast("Wire", PiecesWire(pieces)))
    await connection.exchange(b"GET / HTTP/1.1\r\n\r\n", Stopwatch())
    body, verdict = b"", WHOLE
    try:
        while piece := await connection.receive_body():
            body += piece
    except ProtocolError as error:
        verdict = CUT_OFF if "before the response was whole" in str(error) else BROKEN
    return verdict, body, connection.reusable


@given(chunks=BODIES, end=st.sampled_from([b"", *ENDS]), cuts=st.lists(st.integers(0, 200), max_size=4))
@example(chunks=b"1\r\nx\r\n" * (MAX_TRIED_BYTES // 6) + b"5 ;e\r\nhello\r\n", end=b"0\r\n\r\n", cuts=[100, 7000])
@example(chunks=b"00000000000000000005\r\nhello\r\n", end=b"0\r\n\r\n", cuts=[])
def test_they_end_as_by_the_lenient_reader(chunks: bytes, end: bytes, cuts: list[int]) -> None:
    content = chunks + end
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(content)}), len(content)]
    pieces = [content[begin:until] for begin, until in pairwise(places) if begin < until]
    expected = by_the_lenient_reader(pieces)
    assert trio.run(by_an_exchange, [HEAD, *pieces]) == expected
    assert trio.run(by_an_exchange, [HEAD + b"".join(pieces[:1]), *pieces[1:]]) == expected

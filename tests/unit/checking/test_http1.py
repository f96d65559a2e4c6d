"""HTTP/1.1 from servers that send endless data in small pieces, which must not cost more."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
import trio

from tests.doubles import PiecesWire
from tests.unit.quickly import quickly
from watcher.checking.http.http1 import Http1, ProtocolError
from watcher.checking.http.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.checking.http.wire import Wire

MEGABYTE = 1024 * 1024
IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BEHIND_A_BODY = IN_CHUNKS + b"%x\r\n%s\r\n" % (MEGABYTE, b"x" * MEGABYTE)
ODD = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n"


async def read(pieces: Iterable[bytes]) -> str:
    """Return the body of a response, or the error."""
    connection = Http1(cast("Wire", PiecesWire(pieces)))
    try:
        await connection.exchange(b"GET / HTTP/1.1\r\n\r\n", Stopwatch())
        body = b""
        while piece := await connection.receive_body():
            body += piece
        return body.decode()
    except ProtocolError as error:
        return str(error)


@pytest.mark.parametrize(
    ("first", "then", "found"),
    [
        (BEHIND_A_BODY, [b"1" * 1460] * 800, "a line between chunks is longer than 16384 bytes"),
        (BEHIND_A_BODY + b"1;", [b"a" * 1460] * 800, "a line between chunks is longer than 16384 bytes"),
        (BEHIND_A_BODY + b"0\r\n", [b"a" * 1460] * 800, "a line between chunks is longer than 16384 bytes"),
        (ODD + b"A: ", [b"b"] * 103_000, "more than 102400 bytes are not part of the body"),
        (
            b"HTTP/1.1 103 Hints\r\n\r\n" * 4000 + ODD,
            [b"b"] * 103_000,
            "more than 102400 bytes are not part of the body",
        ),
        (ODD, [b"A: b\r\n\r", b"\n", b"!"], "!"),
        (ODD, [b"A: b\n", b"\r", b"\n!"], "!"),
    ],
    ids=["size", "extension", "trailer", "odd head", "behind interims", "its end in two pieces", "in three"],
)
def test_data_in_pieces_is_searched_once(first: bytes, then: list[bytes], found: str) -> None:
    assert quickly(lambda: trio.run(read, [first, *then]), seconds=1).endswith(found)

"""Frames of HTTP/2 (RFC 9113), good and bad, and scripts of them."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING

import hpack

from tests.hostile.servers import at_once

if TYPE_CHECKING:
    from tests.hostile.servers import Behaviour, Peer, Step

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
STREAM = 1  # the first one of a client

GET_OK = ((":status", "200"), ("content-type", "text/plain"))


class Kind(IntEnum):
    """The kinds of frames (section 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = STREAM, length: int | None = None) -> bytes:
    """Write a frame; `length` is its claimed length."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    """Write a SETTINGS frame (section 6.5)."""
    return frame(Kind.SETTINGS, b"".join(struct.pack(">HI", *pair) for pair in pairs), stream=0)


def block(*headers: tuple[str, str]) -> bytes:
    """Encode headers as they are, unchecked."""
    return hpack.Encoder().encode(list(headers), huffman=False)


def headers(*pairs: tuple[str, str], flags: int = END_HEADERS, stream: int = STREAM) -> bytes:
    """Write a HEADERS frame (section 6.2)."""
    return frame(Kind.HEADERS, block(*pairs), flags=flags, stream=stream)


def data(payload: bytes, *, flags: int = 0, stream: int = STREAM) -> bytes:
    """Write a DATA frame (section 6.1)."""
    return frame(Kind.DATA, payload, flags=flags, stream=stream)


def goaway(last_stream: int, code: int) -> bytes:
    """Write a GOAWAY frame (section 6.8)."""
    return frame(Kind.GOAWAY, struct.pack(">II", last_stream, code), stream=0)


def rst_stream(code: int) -> bytes:
    """Write an RST_STREAM frame (section 6.4)."""
    return frame(Kind.RST_STREAM, struct.pack(">I", code))


def window_update(increment: int, *, stream: int = STREAM) -> bytes:
    """Write a WINDOW_UPDATE frame (section 6.9)."""
    return frame(Kind.WINDOW_UPDATE, struct.pack(">I", increment), stream=stream)


async def read_h2_request(peer: Peer) -> None:
    """Read the client's preface, and its frames up to its HEADERS."""
    received = b""
    position = len(PREFACE)
    while True:
        more = await peer.stream.receive_some()
        if not more:
            return
        received += more
        while len(received) >= position + 9:
            if received[position + 3] == Kind.HEADERS:
                return
            position += 9 + int.from_bytes(received[position : position + 3], "big")


def h2_saying(*steps: Step) -> Behaviour:
    """Read a request over HTTP/2, acknowledge its settings, run steps, and close."""
    return at_once(settings(), read_h2_request, frame(Kind.SETTINGS, flags=ACK, stream=0), *steps)

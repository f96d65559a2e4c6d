"""Servers that break off, stay silent, are slow, or miscount."""

from __future__ import annotations

from tests.hostile.case import Case
from tests.hostile.servers import (
    at_once,
    drip,
    forever,
    hang,
    reset,
    response,
    saying,
    until_gone,
    wait_for_bytes,
)
from watcher.model.target import Connecting

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
WITHOUT_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def _of_length(*lengths: str, body: bytes = b"hello") -> bytes:
    lines = "".join(f"Content-Length: {length}\r\n" for length in lengths)
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body


BROKEN_OFF = [
    Case("refused", saying(), "connect", "refused", listening="refusing"),
    Case(
        "private address that is not allowed", saying(response()), "blocked", connecting=Connecting(allow_private=False)
    ),
    Case("name that does not exist", saying(), "dns", address="http://no-such-name.invalid:PORT/"),
    # The system reports it to `connect` or to the next call, whichever comes first.
    Case("reset at once", at_once(reset), "connect|protocol"),
    Case("reset with the request unread", at_once(wait_for_bytes, reset), "protocol"),
    Case("reset after the request", saying(reset), "protocol", "reset"),
    Case("reset in the status line", saying(b"HTTP/1.1 20", reset), "protocol"),
    Case("reset in the headers", saying(b"HTTP/1.1 200 OK\r\nServer: x", reset), "protocol"),
    Case("reset in the body", saying(HEAD + b"begin", reset), "protocol"),
    Case("reset in a body without length", saying(WITHOUT_LENGTH + b"begin", reset), "protocol"),
    Case("reset in a chunk", saying(CHUNKED + b"10\r\nbegin", reset), "protocol"),
    Case("closed at once", at_once(wait_for_bytes), "protocol"),
    Case("closed after the request", saying(), "protocol", "without a response|closed"),
    Case("closed in the status line", saying(b"HTTP/1.1 20"), "protocol"),
    Case("closed in the headers", saying(b"HTTP/1.1 200 OK\r\nServer: x"), "protocol"),
    Case("closed before the empty line", saying(b"HTTP/1.1 200 OK\r\nServer: x\r\n"), "protocol"),
    Case("closed after an interim response", saying(CONTINUE), "protocol"),
]

SILENT = [
    Case("nobody accepts", saying(), "timeout", "connecting", listening="never accepting"),
    Case("silent after the connection", at_once(hang), "timeout", "response"),
    Case("silent after the request", saying(hang), "timeout", "response"),
    Case("silent in the status line", saying(b"HTTP/1.1 20", hang), "timeout", "response|headers"),
    Case("silent in the headers", saying(b"HTTP/1.1 200 OK\r\nServer: x", hang), "timeout", "response|headers"),
    Case("silent after an interim response", saying(CONTINUE, hang), "timeout", "response|headers"),
    Case("silent before the body", saying(HEAD, hang), "timeout", "body"),
    Case("silent in the body", saying(HEAD + b"begin", hang), "timeout", "body"),
    Case("silent in a body without length", saying(WITHOUT_LENGTH + b"begin", hang), "timeout", "body"),
    Case("silent in the size of a chunk", saying(CHUNKED + b"1", hang), "timeout", "body"),
    Case("silent in a chunk", saying(CHUNKED + b"10\r\nbegin", hang), "timeout", "body"),
    Case("silent before the last chunk", saying(CHUNKED + b"5\r\nhello\r\n", hang), "timeout", "body"),
    Case("silent after a whole response", saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", hang)),
    Case("silent after the last chunk", saying(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", hang)),
    Case("silent after an empty body", saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", hang)),
    Case("silent after 204", saying(b"HTTP/1.1 204 No Content\r\n\r\n", hang), status_code=204),
]

SLOW = [
    Case("dripping headers", saying(drip(response())), "timeout", "response|headers"),
    Case("dripping body", saying(HEAD, drip(b"x" * 100)), "timeout", "body"),
    Case("dripping body without length", saying(WITHOUT_LENGTH, drip(b"x" * 100)), "timeout", "body"),
    Case("dripping chunks", saying(CHUNKED, drip(b"1\r\nx\r\n" * 20)), "timeout", "body"),
    Case("dripping interim responses", saying(drip(CONTINUE * 9)), "timeout", "response|headers"),
    Case("dripping, and still in time", saying(drip(response(), 0.001))),
    Case("a body slow to begin, and still in time", saying(drip(HEAD, 0.001), drip(b"x" * 100, 0.001))),
]

LENGTHS = [
    Case("body shorter than its length", saying(_of_length("100")), "protocol"),
    Case("body longer than its length", saying(_of_length("5", body=b"hello, and more"))),
    Case("no body and a length", saying(_of_length("5", body=b"")), "protocol"),
    Case("negative length", saying(_of_length("-5")), "protocol"),
    Case("length with a plus", saying(_of_length("+5"), hang), body_matches=b"^hello$"),
    Case("length that is no number", saying(_of_length("five")), "protocol"),
    Case("hexadecimal length", saying(_of_length("0x5")), "protocol"),
    Case("length with a fraction", saying(_of_length("5.0")), "protocol"),
    Case("length beyond 64 bits", saying(_of_length("1" * 30)), "protocol"),
    Case("length with leading zeros", saying(_of_length("0005"))),
    Case("two lengths that differ", saying(_of_length("5", "6")), "protocol", "two lengths"),
    Case("a list of lengths that differ", saying(_of_length("5, 6")), "protocol", "two lengths"),
    Case("the same length twice", saying(_of_length("5", "5")), body_matches=b"^hello$"),
    Case("a list of the same length", saying(_of_length("5, 5")), body_matches=b"^hello$"),
    Case(
        "length and chunks",
        saying(CHUNKED[:-2] + b"Content-Length: 50\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        body_matches=b"^hello$",
    ),
    Case(
        "length and identity",
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", hang),
        body_matches=b"^hello$",
    ),
    Case(
        "identity until the end",
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello"),
        body_matches=b"^hello$",
    ),
    Case(
        "identity behind chunked",
        saying(CHUNKED.replace(b"chunked", b"chunked, identity") + b"5\r\nhello\r\n0\r\n\r\n", hang),
        body_matches=b"^hello$",
    ),
    Case(
        "chunked twice",
        saying(CHUNKED.replace(b"chunked", b"chunked, chunked") + b"5\r\nhello\r\n0\r\n\r\n", hang),
        body_matches=b"^hello$",
    ),
    Case("body until the end", saying(UNTIL_CLOSE + b"hello"), body_matches=b"^hello$"),
    Case("empty body until the end", saying(WITHOUT_LENGTH)),
    Case("a length above the limit", saying(_of_length("99999999", body=b""), forever(b"x" * 65536)), "too_large"),
    Case("endless body", saying(UNTIL_CLOSE, forever(b"x" * 65536)), "too_large", "1048576"),
    Case("body of the limit", saying(response(b"x" * 1048576))),
    Case("body of a byte too many", saying(response(b"x" * 1048577)), "too_large", "1048576"),
]

CHUNKS = [
    Case("chunks", saying(CHUNKED + b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), body_matches=b"^hello!$"),
    Case("chunk with an extension", saying(CHUNKED + b'5;a="b"\r\nhello\r\n0\r\n\r\n')),
    Case("chunk with spaces behind its size", saying(CHUNKED + b"5  \r\nhello\r\n0\r\n\r\n"), body_matches=b"^hello$"),
    Case("chunk with a space before its extension", saying(CHUNKED + b"5 ;a\r\nhello\r\n0 ;b\r\n\r\n")),
    Case(
        "chunk with a space in its extension",
        saying(CHUNKED + b"5; a = b\r\nhello\r\n1;\r\n!\r\n0; c\r\nX-Sum: 1\r\n\r\n"),
        body_matches=b"^hello!$",
    ),
    Case(
        "odd chunks behind a good one",
        saying(CHUNKED + b"5\r\nhello\r\n", b"1 ;a\r\n!\r\n1; b = c\r\n!\r\n0  \r\n\r\n"),
        body_matches=b"^hello!!$",
    ),
    Case("chunks whose lines end in LF alone", saying(CHUNKED + b"5\nhello\n1\n!\n0\n\n"), body_matches=b"^hello!$"),
    Case("chunk with leading zeros", saying(CHUNKED + b"0005\r\nhello\r\n0\r\n\r\n")),
    Case("chunks with a trailer", saying(CHUNKED + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")),
    Case("chunk size that is no number", saying(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n"), "protocol"),
    Case("chunk without size", saying(CHUNKED + b"\r\nhello\r\n0\r\n\r\n"), "protocol"),
    Case("negative chunk size", saying(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"), "protocol"),
    Case("chunk size with 0x", saying(CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n"), "protocol"),
    Case("chunk without its CRLF", saying(CHUNKED + b"5\r\nhello0\r\n\r\n", until_gone), "protocol"),
    Case("chunk longer than its size", saying(CHUNKED + b"5\r\nhello!!\r\n0\r\n\r\n"), "protocol"),
    Case("chunk size beyond 64 bits", saying(CHUNKED + b"f" * 17 + b"\r\nhello"), "protocol"),
    Case("huge chunk that is not there", saying(CHUNKED + b"7fffffff\r\nhello"), "protocol"),
    Case("huge chunk", saying(CHUNKED + b"7fffffff\r\n", forever(b"x" * 65536)), "too_large"),
    Case("closed in a chunk", saying(CHUNKED + b"10\r\nhello"), "protocol"),
    Case("closed before the last chunk", saying(CHUNKED + b"5\r\nhello\r\n"), "protocol"),
    Case("closed in the last chunk", saying(CHUNKED + b"5\r\nhello\r\n0\r\n"), "protocol"),
    Case("endless chunks", saying(CHUNKED, forever(b"1000\r\n" + b"x" * 4096 + b"\r\n")), "too_large"),
    Case("endless chunks of a byte", saying(CHUNKED, forever(b"1\r\nx\r\n" * 4096)), "too_large|timeout"),
    Case("endless extension of a chunk", saying(CHUNKED + b"5;a=", forever(b"x" * 4096)), "protocol"),
    Case("endless size of a chunk", saying(CHUNKED, forever(b"0" * 4096)), "protocol"),
    Case("endless trailers", saying(CHUNKED + b"0\r\n", forever(b"X-Trailer: x\r\n" * 100)), "protocol"),
    Case(
        "transfer coding that nobody asked for",
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        "protocol",
    ),
]

CASES = [*BROKEN_OFF, *SILENT, *SLOW, *LENGTHS, *CHUNKS]

"""Responses that are odd, or not HTTP at all."""

from __future__ import annotations

import random

from tests.hostile.case import Case
from tests.hostile.servers import at_once, drip, forever, hang, read_request, response, saying, until_gone
from watcher.model.target import Sending

END = b"Content-Length: 5\r\n\r\nhello"
NOISE = random.Random(1).randbytes(4096).replace(b"HTTP", b"")
HEAD_ONLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


def _status_line(line: bytes, end: bytes = b"\r\n" + END) -> bytes:
    return line + end


def _header(line: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + line + b"\r\n" + END


INTERIM = [
    Case("an interim response before the response", saying(b"HTTP/1.1 100 Continue\r\n\r\n" + response())),
    Case("hints before the response", saying(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response())),
    Case("endless interim responses", saying(forever(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50)), "protocol|timeout"),
    Case(
        "switch of protocols that nobody asked for",
        saying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", hang),
        "protocol",
    ),
    Case(
        "upgrade offered with the response",
        saying(b"HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade\r\n" + END),
    ),
]

FLOODS = [
    Case("endless header", saying(b"HTTP/1.1 200 OK\r\nX-Flood: ", forever(b"x" * 4096)), "protocol"),
    Case("endless name of a header", saying(b"HTTP/1.1 200 OK\r\n", forever(b"x" * 4096)), "protocol"),
    Case("endless headers", saying(b"HTTP/1.1 200 OK\r\n", forever(b"X-Flood: yes\r\n" * 500)), "protocol"),
    Case("endless reason phrase", saying(b"HTTP/1.1 200 ", forever(b"x" * 4096)), "protocol"),
    Case(
        "100,000 headers", saying(_header(b"\r\n".join(b"X-%d: x" % n for n in range(100_000))), until_gone), "protocol"
    ),
    Case("200 KB of a header", saying(_header(b"X-Long: " + b"x" * 200 * 1024), until_gone), "protocol"),
    Case("16 KB of headers", saying(_header(b"\r\n".join(b"X-%d: some text" % n for n in range(800))))),
    Case("endless empty lines first", at_once(read_request, forever(b"\r\n" * 2048)), "protocol"),
]

STATUS_LINES = [
    Case("status 503", saying(response(status="503 Service Unavailable")), "status", "503 Service Unavailable", 503),
    Case("status 404 with a large body", saying(response(b"x" * 99_999, status="404 Not Found")), "status", "404", 404),
    Case("status 999", saying(response(status="999 Denied")), "status", "999", 999),
    Case("status 600", saying(response(status="600 What")), "status", "600", 600),
    Case("status 99", saying(_status_line(b"HTTP/1.1 99 What")), "protocol"),
    Case("status 20", saying(_status_line(b"HTTP/1.1 20 OK")), "protocol"),
    Case("status 2000", saying(_status_line(b"HTTP/1.1 2000 OK")), "protocol"),
    Case("status -200", saying(_status_line(b"HTTP/1.1 -200 OK")), "protocol"),
    Case("status of letters", saying(_status_line(b"HTTP/1.1 abc OK")), "protocol"),
    Case("no status", saying(_status_line(b"HTTP/1.1")), "protocol"),
    Case("no reason phrase", saying(_status_line(b"HTTP/1.1 200 "))),
    Case("no reason phrase and no space", saying(_status_line(b"HTTP/1.1 200"))),
    Case("reason phrase in Latin-1", saying(_status_line(b"HTTP/1.1 200 Sch\xf6n"))),
    Case(
        "an empty line before the response", saying(b"\r\n" + _status_line(b"HTTP/1.1 200 OK")), body_matches=b"^hello$"
    ),
    Case(
        "an empty line before the response, in a packet of its own",
        saying(drip(b"\r\n"), _status_line(b"HTTP/1.1 200 OK")),
        body_matches=b"^hello$",
    ),
    Case("HTTP/1.0", saying(b"HTTP/1.0 200 OK\r\n\r\nhello"), http_version="1.0"),
    Case("HTTP/3.0", saying(_status_line(b"HTTP/3.0 200 OK")), "protocol"),
    Case("HTTP/2.0 in text", saying(_status_line(b"HTTP/2.0 200 OK")), "protocol"),
    Case("HTTP/0.9", saying(b"<html>hello</html>\n"), "protocol"),
    Case("no version", saying(_status_line(b"HTTP 200 OK")), "protocol"),
    Case("small letters", saying(_status_line(b"http/1.1 200 OK")), "protocol"),
    Case("ICY", saying(_status_line(b"ICY 200 OK")), "protocol"),
    Case("RTSP", saying(_status_line(b"RTSP/1.0 200 OK")), "protocol"),
    Case("answer before the request", at_once(response(status="503 Busy"), until_gone), "status", "503 Busy", 503),
]

NO_HTTP = [
    Case("noise", saying(NOISE), "protocol"),
    Case("noise before the request", at_once(NOISE, until_gone), "protocol"),
    Case("noise for ever", saying(forever(NOISE)), "protocol"),
    Case("SSH", at_once(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", until_gone), "protocol"),
    Case("SMTP", at_once(b"220 mail.example ESMTP Postfix\r\n", until_gone), "protocol"),
    Case("Redis", saying(b"-ERR wrong number of arguments for 'get' command\r\n"), "protocol"),
    Case("alert of TLS", saying(b"\x15\x03\x01\x00\x02\x02\x46"), "protocol"),
    Case("HTTP/2 without being asked", at_once(b"\0\0\0\4\0\0\0\0\0", until_gone), "protocol"),
    Case("request instead of a response", saying(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "protocol"),
    Case("zeros", saying(bytes(100)), "protocol"),
    Case("empty lines only", saying(b"\r\n" * 10), "protocol"),
]

HEADERS = [
    Case("lines that end in LF alone", saying(b"HTTP/1.1 200 OK\nServer: x\nContent-Length: 5\n\nhello")),
    Case("lines that end in CR alone", saying(b"HTTP/1.1 200 OK\rServer: x\r\rhello"), "protocol"),
    Case("folded header", saying(_header(b"X-Folded: a\r\n b\r\n\tc"))),
    Case("NUL in a header", saying(_header(b"X-Nul: a\0b")), "protocol"),
    Case("NUL in the name of a header", saying(_header(b"X\0Nul: a")), "protocol"),
    Case("CR in a header", saying(_header(b"X-Cr: a\rb")), "protocol"),
    Case("Latin-1 in a header", saying(_header(b"X-Latin: \xe4"))),
    Case("UTF-8 in a header", saying(_header("X-Text: ä€".encode()))),
    Case("empty header", saying(_header(b"X-Empty:"))),
    Case("header without a colon", saying(_header(b"nonsense")), "protocol"),
    Case("header without a name", saying(_header(b": value"))),
    Case("space before the colon", saying(_header(b"Server : x"))),
    Case("space in the name of a header", saying(_header(b"My Server: x"))),
    Case("space before the first header", saying(_header(b" Server: x"))),
    Case("cookies that are none", saying(_header(b"Set-Cookie: \xff=\xfe; Domain=..; Expires=never; Max-Age=x"))),
    Case("nonsense for a content type", saying(_header(b'Content-Type: ;;;=";charset'))),
]

WITHOUT_BODY = [
    Case("204", saying(b"HTTP/1.1 204 No Content\r\n\r\n"), status_code=204),
    Case("204 with a body", saying(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"), status_code=204),
    Case("304", saying(b"HTTP/1.1 304 Not Modified\r\n\r\n"), "status", "304", 304),
    Case("304 with a body", saying(b"HTTP/1.1 304 Not Modified\r\n" + END), "status", "304", 304),
    Case("HEAD", saying(HEAD_ONLY, hang), sending=Sending("HEAD")),
    Case("HEAD and a body", saying(HEAD_ONLY + b"hello"), sending=Sending("HEAD")),
    Case(
        "HEAD and chunks",
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", hang),
        sending=Sending("HEAD"),
    ),
    Case("no body where one is looked for", saying(response(b"")), "regex", body_matches=b"hello"),
]

CASES = [*INTERIM, *FLOODS, *STATUS_LINES, *NO_HTTP, *HEADERS, *WITHOUT_BODY]

"""The lower bound: the cost of a check for the kernel, OpenSSL and Python's socket calls alone.

One process opens a connection, does the TLS handshake if needed, sends a request, reads to the end and closes, one
check after the other at a steady rate. It has no deadline, reads no header, matches no regex, writes no log line and
knows no targets: no monitor in Python can be much cheaper.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.pace import Pace

if TYPE_CHECKING:
    from typing import NoReturn

HOST = "127.0.0.1"
CHUNK_BYTES = 65_536


class Checks:
    """The three kinds of check."""

    def __init__(self, port: int) -> None:
        """Create the shared TLS context, which trusts the authorities in SSL_CERT_FILE."""
        self._port = port
        self._tls = ssl.create_default_context()
        self._kept: socket.socket | None = None
        self._response_bytes = 0

    def http(self, request: bytes) -> None:
        """Check over a new connection."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.connect((HOST, self._port))
            _ask(connection, request)

    def https(self, request: bytes) -> None:
        """Check over a new connection, with a whole handshake and a verified certificate."""
        raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        raw.connect((HOST, self._port))
        with self._tls.wrap_socket(raw, server_hostname=HOST) as connection:
            _ask(connection, request)

    def keep_alive(self, request: bytes) -> None:
        """Check over the one kept connection; every response has the size of the first."""
        if self._kept is None:
            self._kept = socket.create_connection((HOST, self._port))
            self._kept.settimeout(None)
            self._kept.sendall(request)
            self._response_bytes = _whole_response(self._kept)
            return
        self._kept.sendall(request)
        received = 0
        while received < self._response_bytes:
            chunk = self._kept.recv(CHUNK_BYTES)
            if not chunk:
                raise ConnectionError("the server closed the kept connection")
            received += len(chunk)


def _ask(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    while connection.recv(CHUNK_BYTES):
        pass


def _whole_response(connection: socket.socket) -> int:
    """Read one response, and return its size with its head."""
    received = b""
    while True:
        received += connection.recv(CHUNK_BYTES)
        head, found, body = received.partition(b"\r\n\r\n")
        if found:
            size = int(head.lower().partition(b"content-length:")[2].split(maxsplit=1)[0])
            if len(body) >= size:
                return len(received)


def run(origin: str, kind: str, targets: int, rate: float) -> NoReturn:
    """Check for ever."""
    port = urlsplit(origin).port
    assert port is not None
    checks = Checks(port)
    check = {"http": checks.http, "https": checks.https, "keep-alive": checks.keep_alive}[kind]
    ending = "" if kind == "keep-alive" else "Connection: close\r\n"
    pace = Pace(rate, time.monotonic())
    for number in itertools.cycle(range(targets)):
        time.sleep(pace.seconds_to_next(time.monotonic()))
        check(f"GET /t/{number} HTTP/1.1\r\nHost: {HOST}:{port}\r\n{ending}\r\n".encode())
    raise AssertionError("a cycle has no end")


def main() -> None:
    """Read the arguments, and check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--origin", required=True, help="such as http://127.0.0.1:8080")
    parser.add_argument("--kind", required=True)
    parser.add_argument("--targets", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    options = parser.parse_args()
    run(options.origin, options.kind, options.targets, options.rate)


if __name__ == "__main__":
    main()

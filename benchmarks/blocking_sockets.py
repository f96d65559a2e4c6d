"""The lower bound: the cost of a check for the kernel, OpenSSL and Python's socket calls alone.

One process opens a connection, does the TLS handshake if needed, sends a request, reads to the end and closes, one
check after the other at a steady rate. It has no deadline, reads no header, matches no regex, writes no log line and
knows no targets: no monitor in Python can be much cheaper.
"""

import itertools
import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

# Checks overdue by more are skipped: a burst to catch up would measure something else.
MAX_BEHIND_SECONDS = 1.0
CHUNK_BYTES = 65_536
END = b"</p>\n"  # of every body


class Pace:
    """A steady rate, for the programs without a schedule of their own."""

    def __init__(self, rate: float, now: float) -> None:
        """Start now, in seconds on a monotonic clock; the rate is in checks a second."""
        self._gap_seconds = 1 / rate
        self._due = now

    def seconds_to_next(self, now: float) -> float:
        """Return the seconds to the next check, 0 if it is overdue, and advance by one check."""
        wait_seconds = self._due - now
        if wait_seconds < -MAX_BEHIND_SECONDS:
            self._due, wait_seconds = now, 0.0
        self._due += self._gap_seconds
        return max(wait_seconds, 0.0)


def check_of(kind: str, place: tuple[str, int]) -> Callable[[bytes], None]:
    """Return the check of a kind: with a new connection or, for `keep-alive`, all over one."""
    tls = ssl.create_default_context()  # trusts the authorities in SSL_CERT_FILE

    def check(request: bytes) -> None:
        with socket.socket() as plain:
            plain.connect(place)
            with tls.wrap_socket(plain, server_hostname=place[0]) if kind == "https" else plain as connection:
                connection.sendall(request)
                while connection.recv(CHUNK_BYTES):
                    pass

    if kind != "keep-alive":
        return check
    kept = socket.create_connection(place)

    def check_kept(request: bytes) -> None:
        kept.sendall(request)
        while not (received := kept.recv(CHUNK_BYTES)).endswith(END):
            if not received:
                raise ConnectionError("the server closed the kept connection")

    return check_kept


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    address = urlsplit(options["origin"])
    check = check_of(options["kind"], (str(address.hostname), address.port or 80))
    ending = "" if options["kind"] == "keep-alive" else "Connection: close\r\n"
    pace = Pace(options["rate"], time.monotonic())
    for number in itertools.cycle(range(options["targets"])):
        time.sleep(pace.seconds_to_next(time.monotonic()))
        check(f"GET /t/{number} HTTP/1.1\r\nHost: {address.netloc}\r\n{ending}\r\n".encode())

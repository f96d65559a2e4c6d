"""Loads watcher's page from the other core: browsers, a Prometheus, and attackers.

When it is ended, it prints its findings as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
from dataclasses import asdict, dataclass, field
from functools import partial

import trio

# The head of a request is sent a byte at a time, and starts again when the server closes.
DRIP_SECONDS = 0.5
REFRESH_SECONDS = 30.0  # like the script of the page
STARTS_SECONDS = 2.0  # all start within this time
_CHUNK = 65536


@dataclass
class Found:
    """The findings.

    Attributes:
        events: that came over all streams.
        first_byte_seconds, page_seconds: of each page that was answered with 200.
        scrape_seconds, scrape_bytes: of each scrape.
        refused: answers with 503, and refused connections.
    """

    events: int = 0
    first_byte_seconds: list[float] = field(default_factory=list)
    page_seconds: list[float] = field(default_factory=list)
    scrape_seconds: list[float] = field(default_factory=list)
    scrape_bytes: int = 0
    refused: int = 0


async def ask(port: int, path: str) -> tuple[int, float, float, int]:
    """Request a path; return status, seconds to the first byte and to the last, and bytes; 0 without an answer."""
    begun = trio.current_time()
    first, received, size = 0.0, b"", 0
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
            await stream.send_all(head.encode())
            async for data in stream:
                first = first or trio.current_time() - begun
                received = received or data
                size += len(data)
    except (OSError, trio.BrokenResourceError):
        pass
    status = int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1.1 ") else 0
    return status, first, trio.current_time() - begun, size


async def look(port: int, path: str, found: Found) -> None:
    """Load a page once."""
    status, first, whole, _ = await ask(port, path)
    if status == 200:
        found.first_byte_seconds.append(first)
        found.page_seconds.append(whole)
    else:
        found.refused += 1


async def browse(port: int, found: Found, *, refreshes: bool) -> None:
    """Keep a page open: receive its events and, with `refreshes`, load it again and again."""
    await trio.sleep(random.uniform(0, STARTS_SECONDS))  # noqa: S311
    async with trio.open_nursery() as nursery:
        if refreshes:
            nursery.start_soon(_refresh, port, found)
        while True:
            try:
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    await stream.send_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    async for data in stream:
                        found.events += data.count(b"event: change")
            except (OSError, trio.BrokenResourceError):
                pass
            found.refused += 1
            await trio.sleep(1)


async def _refresh(port: int, found: Found) -> None:
    await trio.sleep(random.uniform(0, REFRESH_SECONDS))  # noqa: S311
    while True:
        await look(port, "/", found)
        await trio.sleep(REFRESH_SECONDS)


async def drip(port: int) -> None:
    """Send the head of a request so slowly that it never ends."""
    await trio.sleep(random.uniform(0, STARTS_SECONDS))  # noqa: S311
    while True:
        try:
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"y" * 1000:
                    await stream.send_all(bytes([byte]))
                    await trio.sleep(DRIP_SECONDS)
        except (OSError, trio.BrokenResourceError):
            await trio.sleep(DRIP_SECONDS)


async def scrape(port: int, found: Found) -> None:
    """Scrape once."""
    status, _, whole, size = await ask(port, "/metrics")
    if status == 200:
        found.scrape_seconds.append(whole)
        found.scrape_bytes = size
    else:
        found.refused += 1


async def _again_and_again(seconds: float, work: partial[object]) -> None:
    while True:
        await trio.sleep(seconds)
        await work()  # type: ignore[misc]


async def main(options: argparse.Namespace) -> None:
    """Load the page until ended."""
    found = Found()
    async with trio.open_nursery() as nursery:
        for _ in range(options.streams):
            nursery.start_soon(partial(browse, options.port, found, refreshes=False))
        for _ in range(options.browsers):
            nursery.start_soon(partial(browse, options.port, found, refreshes=True))
        for _ in range(options.drips):
            nursery.start_soon(drip, options.port)
        if options.scrape_seconds:
            nursery.start_soon(_again_and_again, options.scrape_seconds, partial(scrape, options.port, found))
        if options.look_seconds:
            nursery.start_soon(_again_and_again, options.look_seconds, partial(look, options.port, "/", found))
        with trio.open_signal_receiver(signal.SIGTERM) as received:
            await received.__anext__()
        nursery.cancel_scope.cancel()
    sys.stdout.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--streams", type=int, default=0, help="streams of events alone")
    parser.add_argument("--browsers", type=int, default=0, help="streams of events, with a page every few seconds")
    parser.add_argument("--drips", type=int, default=0)
    parser.add_argument("--scrape-seconds", type=float, default=0.0)
    parser.add_argument("--look-seconds", type=float, default=0.0)
    trio.run(main, parser.parse_args())

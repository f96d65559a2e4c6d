"""Loads watcher's page from the other core: browsers, a Prometheus, and attackers.

When it is ended, it prints the seconds of its requests as one line of JSON.
"""

import json
import random
import signal
import sys
from functools import partial
from typing import NoReturn

import trio

DRIP_SECONDS = 0.5  # between two bytes of the head of a request, which starts again when the server closes
AGAIN_SECONDS = 1.0  # until a stream of events is opened again
REFRESH_SECONDS = 30.0  # like the script of the page
STARTS_SECONDS = 2.0  # all start within this time
HEAD = "GET {} HTTP/1.1\r\nHost: localhost\r\n"
WHOLE = HEAD + "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n"


async def request(port: int, head: str, *, drips: bool = False) -> tuple[bytes, float, float]:
    """Send a request, whole or so slowly that it never ends, and read to the end.

    Returns:
        the status, empty without an answer, and the seconds to the first byte and to the last.
    """
    begun, first = trio.current_time(), 0.0
    received: bytes | bytearray = b""
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            for part in head if drips else [head]:
                await stream.send_all(part.encode())
                await trio.sleep(DRIP_SECONDS if drips else 0)
            async for data in stream:
                first, received = first or trio.current_time() - begun, received or data
    except (OSError, trio.BrokenResourceError):
        pass
    return bytes(received[9:12]), first, trio.current_time() - begun


async def ask(port: int, path: str, delay_seconds: float, seconds: float, found: list[float]) -> NoReturn:
    """Request a path again and again; keep the time to the first byte of a page, and to the last of a scrape."""
    while True:
        await trio.sleep(delay_seconds)
        status, first, last = await request(port, WHOLE.format(path))
        if status == b"200":
            found.append(first if path == "/" else last)
        delay_seconds = seconds


async def hold(port: int, head: str, *, drips: bool = False) -> NoReturn:
    """Keep a connection, also after the server has closed it: for events, or to send a head that never ends."""
    await trio.sleep(random.uniform(0, STARTS_SECONDS))  # noqa: S311
    while True:
        await request(port, head, drips=drips)
        await trio.sleep(DRIP_SECONDS if drips else AGAIN_SECONDS)


async def main(
    port: int, streams: int = 0, browsers: int = 0, drips: int = 0, scrape_seconds: float = 0, look_seconds: float = 0
) -> None:
    """Load the page until ended.

    Args:
        port: of the page.
        streams, browsers, drips: the numbers of streams of events, those with a page too, and heads that never end.
        scrape_seconds, look_seconds: between two scrapes and two overviews; 0 for none.
    """
    pages: list[float] = []
    scrapes: list[float] = []
    async with trio.open_nursery() as nursery:
        for _ in range(streams + browsers):
            nursery.start_soon(hold, port, HEAD.format("/events") + "\r\n")
        for _ in range(browsers):
            delay_seconds = random.uniform(0, REFRESH_SECONDS)  # noqa: S311
            nursery.start_soon(ask, port, "/", delay_seconds, REFRESH_SECONDS, pages)
        for _ in range(drips):
            nursery.start_soon(partial(hold, port, HEAD.format("/") + "X-Slow: " + "y" * 1000, drips=True))
        if scrape_seconds:
            nursery.start_soon(ask, port, "/metrics", scrape_seconds, scrape_seconds, scrapes)
        if look_seconds:
            nursery.start_soon(ask, port, "/", look_seconds, look_seconds, pages)
        with trio.open_signal_receiver(signal.SIGTERM) as received:
            await received.__anext__()
        nursery.cancel_scope.cancel()
    sys.stdout.write(json.dumps({"overview": pages, "scrape": scrapes}) + "\n")


if __name__ == "__main__":
    trio.run(partial(main, **json.loads(sys.argv[1])))

"""Requests probes from blackbox_exporter one by one at a steady rate, in place of Prometheus.

It runs on the other core, and its CPU time is not counted. It keeps its connections, as Prometheus does, but asks for
no compression, which Prometheus does: that saves blackbox_exporter some work.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from benchmarks.pace import Pace

if TYPE_CHECKING:
    from typing import TextIO


async def probe(session: aiohttp.ClientSession, parameters: dict[str, str], successes: TextIO) -> None:
    """Request one probe, and record it if it succeeded."""
    try:
        async with session.get("/probe", params=parameters) as response:
            page = await response.text()
    except aiohttp.ClientError:  # for example before the exporter listens
        return
    if "\nprobe_success 1\n" in page:
        successes.write(f"{time.time():.3f} success {parameters['target']}\n")


async def drive(options: argparse.Namespace, successes: TextIO) -> None:
    """Request probes for ever; while all workers are busy, the next probe waits."""
    free = asyncio.Semaphore(options.workers)
    pace = Pace(options.rate, time.monotonic())
    targets = itertools.cycle(range(options.targets))
    connector = aiohttp.TCPConnector(limit=options.workers)
    async with (
        aiohttp.ClientSession(
            options.exporter, connector=connector, headers={"Accept-Encoding": "identity"}
        ) as session,
        asyncio.TaskGroup() as probes,
    ):

        async def probe_and_release(target: str) -> None:
            try:
                await probe(session, {"target": target, "module": "site"}, successes)
            finally:
                free.release()

        while True:
            await asyncio.sleep(pace.seconds_to_next(time.monotonic()))
            await free.acquire()
            probes.create_task(probe_and_release(f"{options.origin}/t/{next(targets)}"))


def main() -> None:
    """Read the arguments, and request probes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exporter", required=True, help="such as http://127.0.0.1:9115")
    parser.add_argument("--origin", required=True, help="such as http://127.0.0.1:8080")
    parser.add_argument("--targets", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--successes", type=Path, required=True)
    options = parser.parse_args()
    with options.successes.open("a", buffering=1, encoding="utf-8") as successes:
        asyncio.run(drive(options, successes))


if __name__ == "__main__":
    main()

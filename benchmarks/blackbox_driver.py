"""Requests probes from blackbox_exporter one by one at a steady rate, in place of Prometheus.

It runs on the other core, and its CPU time is not counted. It keeps its connections, as Prometheus does, but asks for
no compression, which Prometheus does: that saves blackbox_exporter some work.
"""

import asyncio
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import aiohttp

from benchmarks.blocking_sockets import Pace


async def drive(successes: TextIO, options: dict[str, Any]) -> None:
    """Request probes for ever, and record those that succeed; while all workers are busy, the next probe waits."""
    free = asyncio.Semaphore(options["workers"])
    pace = Pace(options["rate"], time.monotonic())
    connector = aiohttp.TCPConnector(limit=options["workers"])
    plain = {"Accept-Encoding": "identity"}
    async with (
        aiohttp.ClientSession(options["exporter"], connector=connector, headers=plain) as session,
        asyncio.TaskGroup() as probes,
    ):

        async def probe(target: str) -> None:
            try:
                async with session.get("/probe", params={"target": target, "module": "site"}) as response:
                    if "\nprobe_success 1\n" in await response.text():
                        successes.write(f"{time.time():.3f} success {target}\n")
            except aiohttp.ClientError:  # for example before the exporter listens
                pass
            finally:
                free.release()

        for number in itertools.cycle(range(options["targets"])):
            await asyncio.sleep(pace.seconds_to_next(time.monotonic()))
            await free.acquire()
            probes.create_task(probe(f"{options['origin']}/t/{number}"))


if __name__ == "__main__":
    with Path("monitor.log").open("a", buffering=1, encoding="utf-8") as file:
        asyncio.run(drive(file, json.loads(sys.argv[1])))

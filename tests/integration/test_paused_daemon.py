"""A daemon that was paused does not blame the sites."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import trio

from tests.integration.daemon import NO_DATABASE, Folder
from tests.integration.sites import read_request, response, serving

if TYPE_CHECKING:
    from pathlib import Path

# Longer than the deadline of a check, which is long enough for a site that shares its machine.
PAUSE_SECONDS, TIMEOUT_SECONDS, INTERVAL_SECONDS = 2.5, 1.9, 2


async def test_a_stopped_process_calls_no_site_slow(tmp_path: Path) -> None:
    asking = 0

    async def answer_slowly(stream: trio.abc.Stream) -> None:
        nonlocal asking
        await read_request(stream)
        asking += 1
        try:
            await trio.sleep(0.3)
            await stream.send_all(response())
        finally:
            asking -= 1

    folder = Folder(tmp_path)
    async with serving(answer_slowly) as port:
        folder.configure(
            [
                {
                    "name": f"site{index}",
                    "address": f"http://127.0.0.1:{port}/",
                    "interval": INTERVAL_SECONDS,
                    "timeout": TIMEOUT_SECONDS,
                }
                for index in range(5)
            ],
            **NO_DATABASE,
        )
        async with folder.daemon() as daemon:
            await daemon.until(lambda: len(folder.successes()) >= 5)
            for _ in range(2):
                await daemon.until(lambda: asking)
                daemon.process.send_signal(signal.SIGSTOP)
                await trio.sleep(PAUSE_SECONDS)
                before = len(folder.successes())
                daemon.process.send_signal(signal.SIGCONT)
                await daemon.until(lambda before=before: len(folder.successes()) >= before + 5)  # type: ignore[misc]
            status, _ = await daemon.stop()
    assert status == 0
    reasons = {re.search(r"reason=(\w+)", line)[1] for line in daemon.lines(" failure ")}  # type: ignore[index]
    assert reasons == {"local"}, daemon.lines()
    assert all("the monitor itself was paused" in line for line in daemon.lines(" failure "))

"""When the disk of the outbox is full, checks continue, one line reports it, and nothing is lost once there is room."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import psutil
import trio

from tests.integration.daemon import START_SECONDS, Daemon, Folder, settings_for
from tests.integration.evidence import failed_in, given_up_ids, left_in, told_ids
from tests.integration.proxy import Proxy, open_proxy
from tests.integration.sites import answering, response, serving
from watcher.daemon.stop_ladder import DRAIN
from watcher.outbox.writer import RETRY_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from watcher.postgres.db import Database

FINE_PER_SECOND = 10
FULL_SECONDS = 2.0
TRIED_SECONDS = 2 * RETRY_SECONDS
MAX_GROWTH_BYTES = 50_000_000
CANNOT, CAN = "the outbox cannot be written", "the outbox can be written again"


class Disk(Protocol):
    """A disk that can be filled under a daemon."""

    def daemon(self, folder: Folder) -> AbstractAsyncContextManager[Daemon]:
        """Run the daemon with its data folder on the disk."""

    def fill(self, daemon: Daemon) -> bool:
        """Fill the disk; return whether there was room."""

    def make_room(self, daemon: Daemon) -> None:
        """Free everything."""

    def save(self, daemon: Daemon, folder: Path) -> None:
        """Copy the data folder while the daemon lives."""


async def live_through_a_full_disk(disk: Disk, test_db: Database, db_config: str, tmp_path: Path) -> None:
    """Run a daemon while its disk is filled and emptied; assert that no check is delayed and nothing is lost."""
    folder = Folder(tmp_path / "daemon")
    folder.path.mkdir()
    async with open_proxy(db_config) as proxy, serving(answering(response())) as port:
        dead = [{"name": f"dead {number}", "address": "http://127.0.0.1:1/", "interval": 0.1} for number in range(10)]
        site = {"address": f"http://127.0.0.1:{port}/", "interval": 1}
        fine = [{"name": f"fine {number}", **site} for number in range(FINE_PER_SECOND)]
        folder.configure([*dead, *fine], **settings_for(proxy))
        async with disk.daemon(folder) as daemon:
            await daemon.until(lambda: len(daemon.lines(" failure ")) > 100 and daemon.lines("database connected"))
            connected_before = len(daemon.lines("database connected"))
            await _fill_and_make_room(disk, daemon, folder, proxy)
            told = len(daemon.lines(" failure "))
            await daemon.until(lambda: len(daemon.lines(" failure ")) > told + 50)
            await daemon.until(lambda: len(daemon.lines("database connected")) > connected_before)
            with trio.fail_after(START_SECONDS):  # a stop has time for a few rows, not for those of an outage
                while (await failed_in(test_db)).total() < told:  # noqa: ASYNC110
                    await trio.sleep(0.1)
            async with stood_still(daemon):
                disk.save(daemon, tmp_path / "saved")
            status, seconds = await daemon.stop()
    assert status == 0
    said = daemon.log.read_text()
    assert given_up_ids(said) == []
    [stopped] = daemon.lines("stopped")
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)(?= |$)", stopped)}
    assert counts["waiting"] == 0 or seconds > DRAIN.seconds, "it gave up before its time"
    # Some, on a machine that pauses now and then; most, where each attempt to write delays them.
    assert counts["late_checks"] < (counts["successes"] + counts["failures"]) / 4
    told_after_all = told_ids(said)
    assert len(told_after_all) == len(set(told_after_all)) == counts["failures"]
    stored = [str(row["id"]) for row in await test_db.fetch("SELECT id FROM failures")]
    assert len(stored) >= counts["failures"] - counts["waiting"]
    assert len(stored) == len(set(stored))
    assert set(stored) <= set(told_after_all)
    assert left_in(tmp_path / "saved").damaged == []
    assert left_in(tmp_path / "saved").set_aside == 0


async def _fill_and_make_room(disk: Disk, daemon: Daemon, folder: Folder, proxy: Proxy) -> None:
    """Fill the disk while the database is down, and restore the database before there is room again."""
    await proxy.shut()
    await daemon.until(lambda: daemon.lines("database unavailable"))
    await _fill_for_good(disk, daemon, folder)
    memory_bytes = psutil.Process(daemon.process.pid).memory_info().rss
    told, successes = len(daemon.lines(" failure ")), len(folder.successes())
    await daemon.until(lambda: len(folder.successes()) > successes + FINE_PER_SECOND * FULL_SECONDS / 2)
    assert len(daemon.lines(" failure ")) == told, "told before it was safe"
    await proxy.open()
    said = len(daemon.lines(CANNOT))
    await daemon.until(lambda: len(folder.successes()) > successes + FINE_PER_SECOND * FULL_SECONDS)
    assert len(daemon.lines(CANNOT)) <= said + 1
    assert psutil.Process(daemon.process.pid).memory_info().rss < memory_bytes + MAX_GROWTH_BYTES
    disk.make_room(daemon)
    await daemon.until(lambda: len(daemon.lines(CAN)) == len(daemon.lines(CANNOT)))


async def _fill_for_good(disk: Disk, daemon: Daemon, folder: Folder) -> None:
    """Use up the outbox's reserve as well, until it has found the disk full for some seconds."""
    told = successes = -1

    def stays_full() -> bool:
        nonlocal told, successes
        told_before, told = told, len(daemon.lines(" failure "))
        if disk.fill(daemon) or told != told_before or len(daemon.lines(CANNOT)) <= len(daemon.lines(CAN)):
            successes = len(folder.successes())
        return len(folder.successes()) > successes + FINE_PER_SECOND * TRIED_SECONDS

    await daemon.until(stays_full, seconds=2 * START_SECONDS)


@asynccontextmanager
async def stood_still(daemon: Daemon) -> AsyncIterator[None]:
    """Stop a daemon (SIGSTOP) while the block runs, so that no file changes while it is copied."""
    process = psutil.Process(daemon.process.pid)
    process.suspend()
    await daemon.until(lambda: process.status() == psutil.STATUS_STOPPED)
    yield
    process.resume()

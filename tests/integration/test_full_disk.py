"""The disk of the outbox is full: checks go on, one line says so, and when there is room again nothing is lost."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import trio

from tests.integration.daemon import START_SECONDS, Daemon, Folder, settings_for
from tests.integration.evidence import failed_in, given_up_ids, left_in, told_ids
from tests.integration.proxy import Proxy, open_proxy
from tests.integration.sites import answering, response, serving
from watcher.storage.keeper import RETRY_SECONDS
from watcher.watching import DRAIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.storage.db import Database

DISK_BYTES = 24 * 1024 * 1024
FILE_BYTES = 512 * 1024
PIECE = bytes(64 * 1024)
FINE_PER_SECOND = 10
FULL_SECONDS = 2.0
TRIED_SECONDS = 2 * RETRY_SECONDS
MAX_GROWTH_BYTES = 50_000_000
CANNOT, CAN = "the outbox cannot be written", "the outbox can be written again"


class SmallDisk:
    """A file system of its own for the data folder, in a mount namespace that ends with the daemon."""

    @asynccontextmanager
    async def daemon(self, folder: Folder) -> AsyncIterator[Daemon]:
        """Run the daemon with its data folder on the small disk."""
        (folder.path / "data").mkdir()
        mount = f"mount -t tmpfs -o size={DISK_BYTES} none data"
        async with _started(folder, ["unshare", "-m", "sh", "-c", f"{mount} && exec {sys.executable} -m watcher"]) as (
            daemon
        ):
            yield daemon

    def fill(self, daemon: Daemon) -> bool:
        """Leave not a byte; return whether there was any."""
        filled = False
        with (self._data(daemon) / "ballast").open("ab", buffering=0) as ballast:
            try:
                while True:
                    filled = bool(ballast.write(PIECE)) or filled
            except OSError:
                return filled

    def make_room(self, daemon: Daemon) -> None:
        """Give all back."""
        (self._data(daemon) / "ballast").unlink()

    def save(self, daemon: Daemon, folder: Path) -> None:
        """Copy what would end with the daemon."""
        shutil.copytree(self._data(daemon), folder)

    @staticmethod
    def _data(daemon: Daemon) -> Path:
        # As the process sees it, whose namespace it is.
        return Path(f"/proc/{daemon.process.pid}/root{daemon.log.parent / 'data'}")


class SmallFiles:
    """The nearest to a full disk for those who may not mount: no file may grow, and SQLite hears of it alike."""

    @asynccontextmanager
    async def daemon(self, folder: Folder) -> AsyncIterator[Daemon]:
        """Run the daemon."""
        async with folder.daemon() as daemon:
            yield daemon

    def fill(self, daemon: Daemon) -> bool:
        """Let no file be longer than the logs of the daemon may become meanwhile; return whether one might before."""
        limits = (FILE_BYTES, resource.RLIM_INFINITY)
        return resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, limits) != limits

    def make_room(self, daemon: Daemon) -> None:
        """Take the limit away."""
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, unlimited)

    def save(self, daemon: Daemon, folder: Path) -> None:
        """Copy the data folder."""
        shutil.copytree(daemon.log.parent / "data", folder)


@cache
def can_mount() -> bool:
    """Whether this user may have a file system of its own."""
    try:
        done = subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


async def test_a_full_disk_holds_up_no_check_and_loses_nothing(
    test_db: Database, db_config: str, tmp_path: Path
) -> None:
    disk = SmallDisk() if can_mount() else SmallFiles()
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
    assert counts["waiting"] == 0 or seconds > DRAIN_SECONDS, "it gave up before its time"
    # Some, on a machine that stands still now and then; most, where each try to write holds them up.
    assert counts["late_checks"] < (counts["successes"] + counts["failures"]) / 4
    told_after_all = told_ids(said)
    assert len(told_after_all) == len(set(told_after_all)) == counts["failures"]
    stored = [str(row["id"]) for row in await test_db.fetch("SELECT id FROM failures")]
    assert len(stored) >= counts["failures"] - counts["waiting"]
    assert len(stored) == len(set(stored))
    assert set(stored) <= set(told_after_all)
    assert left_in(tmp_path / "saved").damaged == []
    assert left_in(tmp_path / "saved").set_aside == 0


async def _fill_and_make_room(disk: SmallDisk | SmallFiles, daemon: Daemon, folder: Folder, proxy: Proxy) -> None:
    """Fill the disk while the database is away, and bring it back before there is room again."""
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


async def _fill_for_good(disk: SmallDisk | SmallFiles, daemon: Daemon, folder: Folder) -> None:
    """Take what the outbox has in reserve as well, until it has tried for seconds of its own and found no room."""
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
    """Stop a daemon in its tracks for the time of a block, so that no file changes while it is copied."""
    process = psutil.Process(daemon.process.pid)
    process.suspend()
    await daemon.until(lambda: process.status() == psutil.STATUS_STOPPED)
    yield
    process.resume()


@asynccontextmanager
async def _started(folder: Folder, command: list[str]) -> AsyncIterator[Daemon]:
    log = folder.path / "stderr.log"
    with log.open("ab") as stderr:
        process = await trio.lowlevel.open_process(command, cwd=folder.path, env=folder.env(), stderr=stderr)
    try:
        yield Daemon(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            with trio.CancelScope(shield=True), trio.move_on_after(5):
                await process.wait()

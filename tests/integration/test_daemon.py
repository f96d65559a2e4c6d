"""The whole daemon as a process: what its user sees, and how it stops whatever the sites and the database do."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import trio

from tests.integration.daemon import NO_DATABASE, START_SECONDS, Daemon, Folder, settings_for
from tests.integration.evidence import left_in, told_ids
from tests.integration.own_server import copy_server
from tests.integration.sites import answering, response, serving, silent
from watcher.daemon.heartbeat import BEAT_SECONDS
from watcher.daemon.stop_ladder import DRAIN
from watcher.embedded_postgres.folder_lock import FolderLock

if TYPE_CHECKING:
    from tests.integration.proxy import Proxy
    from watcher.postgres.db import Database

STOP_SECONDS = 5.0


def a_dead_url(name: str = "dead", interval: float = 0.5) -> dict[str, object]:
    return {"name": name, "address": "http://127.0.0.1:1/", "interval": interval}


def fine_urls(port: int) -> list[dict[str, object]]:
    """Five successes a second, each within a second: the shortest interval would be the shortest timeout."""
    return [{"name": f"fine {number}", "address": f"http://127.0.0.1:{port}/", "interval": 1} for number in range(5)]


@pytest.mark.smoke
async def test_five_urls_with_the_embedded_database(folder: Folder) -> None:
    async with (
        serving(answering(response(b"hello"))) as fine,
        serving(answering(response(status="500 Internal Server Error"))) as broken,
    ):
        folder.configure(
            [
                {"name": "fine", "address": f"http://127.0.0.1:{fine}/", "interval": 60},
                {
                    "name": "matches",
                    "address": f"http://127.0.0.1:{fine}/?token=s3cret",
                    "interval": 60,
                    "regex": "^h.llo$",
                },
                {"name": "broken", "address": f"http://127.0.0.1:{broken}/", "interval": 60},
                a_dead_url(interval=60),
                {"name": "differs", "address": f"http://user:s3cret@127.0.0.1:{fine}/", "interval": 60, "regex": "bye"},
            ]
        )
        async with folder.daemon() as daemon:
            await daemon.until(
                lambda: {_target(line) for line in daemon.lines(" failure ")} == {"broken", "dead", "differs"}
            )
            await daemon.until(lambda: {_target(line) for line in folder.successes()} == {"fine", "matches"})
            expected = {("broken", "status"), ("dead", "connect"), ("differs", "regex")}
            await daemon.until(lambda: daemon.lines("database connected"))
            rows = await folder.failures()  # while it runs
            with trio.fail_after(START_SECONDS):
                while {(row["target"], row["reason"]) for row in rows} != expected:  # on their way from the outbox
                    rows = await folder.failures()
            status, seconds = await daemon.stop()
        assert status == 0
        assert seconds < STOP_SECONDS
    told = {re.search(r"check_id=(\S+)", line)[1] for line in daemon.lines(" failure ")}  # type: ignore[index]
    assert {row["id"] for row in await folder.failures()} == told  # when it has stopped
    assert "failures_not_stored=0 waiting=0" in daemon.lines("stopped")[0]
    everything = "\n".join([*daemon.lines(), *folder.successes(), str(rows)])
    assert "s3cret" not in everything
    await _postgres_gone(folder.path)


@pytest.mark.parametrize(
    ("outage", "number"),
    [
        ("none", signal.SIGTERM),
        ("none", signal.SIGINT),
        ("refused", signal.SIGTERM),
        ("black hole", signal.SIGINT),
    ],
)
async def test_it_stops_in_time_whatever_the_database_does(
    folder: Folder, proxy: Proxy, test_db: Database, outage: str, number: signal.Signals
) -> None:
    folder.configure([a_dead_url()], **settings_for(proxy))
    async with folder.daemon() as daemon:
        await daemon.until(lambda: daemon.lines(" failure ") and daemon.lines("database connected"))
        if outage == "refused":
            await proxy.shut()
            await daemon.until(lambda: daemon.lines("database unavailable"))
        elif outage == "black hole":
            proxy.freeze()
        if outage != "none":
            await _something_waits(daemon)
        status, seconds = await daemon.stop(number)
    assert status == 0, daemon.lines()
    assert seconds < STOP_SECONDS
    assert daemon.lines("stored=no") == []
    waiting = int(re.search(r"failures_not_stored=0 waiting=(\d+)", daemon.lines("stopped")[0])[1])  # type: ignore[index]
    if outage == "none":
        assert waiting == 0 or seconds > DRAIN.seconds, "it gave up before its time"
    else:
        assert waiting > 0
    told = {re.search(r"check_id=(\S+)", line)[1] for line in daemon.lines(" failure ")}  # type: ignore[index]
    if outage == "refused":
        await proxy.open()
    elif outage == "black hole":
        proxy.thaw()
    connected_before = len(daemon.lines("database connected"))
    async with folder.daemon() as daemon:  # what waited on disk is sent after the next start
        await daemon.until(lambda: len(daemon.lines("database connected")) > connected_before)
        await daemon.stop()
    assert told <= {str(row["id"]) for row in await test_db.failures(limit=10_000)}


async def test_checks_cancelled_by_the_stop_are_not_failures(folder: Folder, proxy: Proxy, test_db: Database) -> None:
    asked = 0

    async def counted(stream: trio.abc.Stream) -> None:
        nonlocal asked
        asked += 1
        await silent(stream)

    async with serving(counted) as port:
        slow = {"address": f"http://127.0.0.1:{port}/", "interval": 60, "timeout": 60}
        urls = [{"name": f"slow {number}", **slow} for number in range(50)]
        folder.configure(urls, MAX_WORKERS=50, **settings_for(proxy))
        async with folder.daemon() as daemon:
            await daemon.until(lambda: asked == 50)
            status, seconds = await daemon.stop()
    assert status == 0
    assert seconds < STOP_SECONDS
    assert "failures=0" in daemon.lines("stopped")[0]
    assert await test_db.failures() == []


@pytest.mark.smoke
async def test_a_database_that_comes_late_and_goes_away_loses_nothing(
    folder: Folder, proxy: Proxy, test_db: Database
) -> None:
    await proxy.shut()
    async with serving(answering(response())) as port:
        folder.configure([a_dead_url(interval=0.2), *fine_urls(port)], **settings_for(proxy))
        async with folder.daemon() as daemon:
            await daemon.until(lambda: daemon.lines("database unavailable"))
            await daemon.until(lambda: len(folder.successes()) > 5)
            await daemon.until(lambda: daemon.lines(" failure "))  # safe on disk already, and reported so
            await proxy.open()
            await daemon.until(lambda: daemon.lines("database connected"))
            await proxy.shut()
            await daemon.until(lambda: len(daemon.lines("database unavailable")) > 1)
            before = len(folder.successes())
            await daemon.until(lambda: len(folder.successes()) > before + 5)
            connected_before = len(daemon.lines("database connected"))
            await proxy.open()
            await daemon.until(lambda: len(daemon.lines("database connected")) > connected_before)
            status, seconds = await daemon.stop()
    assert status == 0
    rows = await test_db.failures(limit=100_000)
    waiting = left_in(folder.path / "data").entries["failure"]
    assert waiting == 0 or seconds > DRAIN.seconds, "it gave up before its time"
    failures = int(re.search(r" failures=(\d+)", daemon.lines("stopped")[0])[1])  # type: ignore[index]
    assert failures - waiting <= len(rows) <= failures == len(daemon.lines(" failure "))
    states = [re.search(r"database (\w+)", line)[1] for line in daemon.lines(" database ")]  # type: ignore[index]
    assert len(states) >= 4
    assert set(states[::2]) == {"unavailable"}, "one line for each change of state"
    assert set(states[1::2]) == {"connected"}


async def test_a_second_signal_ends_it_at_once(folder: Folder, proxy: Proxy) -> None:
    folder.configure([a_dead_url()], **settings_for(proxy))
    async with folder.daemon() as daemon:
        await daemon.until(lambda: daemon.lines(" failure "))
        proxy.freeze()
        await _something_waits(daemon)
        daemon.process.send_signal(signal.SIGTERM)
        await daemon.until(lambda: daemon.lines("stopping"))  # the first signal is being obeyed, and hangs
        status, seconds = await daemon.stop()
    assert status == 128 + signal.SIGTERM, "the first one would have ended it with 0"
    assert daemon.lines("stopped") == []
    assert seconds < STOP_SECONDS


@pytest.mark.smoke
async def test_after_kill_9_the_next_daemon_takes_the_database_up_again(folder: Folder, made_server: Path) -> None:
    copy_server(made_server, folder.path / "data")
    folder.configure([a_dead_url()])
    async with folder.daemon() as daemon:
        await daemon.until(lambda: daemon.lines(" failure ") and daemon.lines("database connected"))
        daemon.process.kill()
        await daemon.process.wait()
    assert _postgres_below(folder.path)
    told_before = told_ids(daemon.log.read_text())
    connected_before = len(daemon.lines("database connected"))
    async with folder.daemon() as daemon:
        await daemon.until(lambda: daemon.lines("embedded PostgreSQL still runs"))
        await daemon.until(lambda: len(daemon.lines("database connected")) > connected_before)
        await daemon.until(lambda: len(daemon.lines(" failure ")) > len(told_before))
        status, seconds = await daemon.stop()
    assert status == 0
    stored = {row["id"] for row in await folder.failures()}
    assert set(told_before) <= stored
    assert set(told_ids(daemon.log.read_text())) <= stored or seconds > DRAIN.seconds
    await _postgres_gone(folder.path)


@pytest.mark.smoke
async def test_a_second_daemon_on_the_same_folder_gets_one_line(folder: Folder) -> None:
    folder.configure([a_dead_url()], **NO_DATABASE)
    async with folder.daemon() as daemon:
        await daemon.until(lambda: daemon.lines(" failure "))
        second = await folder.run()
        assert second.returncode == 1
        assert second.stderr.decode() == (
            f"watcher: process {daemon.process.pid} already uses data; stop it, or set another WATCHER_DATA_DIR\n"
        )
        assert daemon.process.poll() is None
        await daemon.stop()


async def test_the_first_check_does_not_wait_for_the_database(folder: Folder) -> None:
    async with serving(answering(response())) as port:
        folder.configure([{"name": "fine", "address": f"http://127.0.0.1:{port}/", "interval": 60}])
        (folder.path / "data").mkdir()
        somebody_else = FolderLock(folder.path / "data" / "postgres.lock")
        somebody_else.acquire()  # so that the daemon cannot start its server
        async with folder.daemon() as daemon:
            await daemon.until(folder.successes)
            assert not daemon.lines("database connected")
            somebody_else.release()
            await daemon.until(lambda: daemon.lines("database connected"))
            await daemon.stop()


async def test_the_heartbeat_beats_until_the_daemon_stops(folder: Folder, proxy: Proxy) -> None:
    folder.configure([a_dead_url()], **settings_for(proxy))
    async with folder.daemon() as daemon:
        file = folder.path / "data" / "heartbeat"
        await daemon.until(file.exists)
        beats = [file.stat().st_mtime]
        for _ in range(2):
            await daemon.until(lambda: file.stat().st_mtime > beats[-1])
            beats.append(file.stat().st_mtime)
        await daemon.stop()
        assert not file.exists()
    # A pause of the machine has made one of them longer.
    assert min(later - earlier for earlier, later in pairwise(beats)) < 2 * BEAT_SECONDS


@pytest.mark.parametrize("key", ["WATCHER_DATA_DIR", "WATCHER_LOG_FILE"])
async def test_a_path_that_cannot_be_written_is_one_line(folder: Folder, key: str) -> None:
    (folder.path / "a file").touch()
    folder.configure([a_dead_url()], **{key: "'a file/below'"})
    done = await folder.run()
    assert done.returncode == 2
    [line] = done.stderr.decode().splitlines()
    assert line.startswith(f"watcher: {key}: a file/below cannot be written: ")
    assert line.endswith("; name another path, or correct its permissions")


async def test_a_reader_of_stderr_that_leaves_does_not_end_it(folder: Folder, proxy: Proxy) -> None:
    async with serving(answering(response())) as port:
        folder.configure([a_dead_url(interval=0.2), *fine_urls(port)], **settings_for(proxy))
        process = await trio.lowlevel.open_process(
            ["sh", "-c", f"{sys.executable} -m watcher 2>&1 >/dev/null | head -n 1; wait"],
            cwd=folder.path,
            env=folder.env(),
            start_new_session=True,
        )
        try:
            with trio.fail_after(START_SECONDS):
                while len(folder.successes()) < 20:  # noqa: ASYNC110  # another process sets no event
                    await trio.sleep(0.02)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def test_a_signal_before_anything_runs_ends_it_cleanly(folder: Folder) -> None:
    names = [a_dead_url(f"site {number}", 1) for number in range(5000)]  # which take a while to read
    folder.configure(names, **NO_DATABASE)
    async with folder.daemon() as daemon:
        await daemon.until(lambda: _hears(daemon, signal.SIGTERM))
        status, seconds = await daemon.stop()
    assert status == 0
    assert seconds < STOP_SECONDS


async def test_closed_streams_do_not_make_it_fail(folder: Folder) -> None:
    folder.configure([a_dead_url()], **NO_DATABASE)
    command = f"exec {sys.executable} -m watcher 0<&- 1>&- 2>&-"
    process = await trio.lowlevel.open_process(["sh", "-c", command], cwd=folder.path, env=folder.env())
    try:
        heartbeat = folder.path / "data" / "heartbeat"
        with trio.fail_after(START_SECONDS):
            while not heartbeat.exists():  # noqa: ASYNC110  # another process sets no event
                await trio.sleep(0.02)
            process.terminate()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()


async def test_readers_at_the_same_time_do_not_disturb_each_other(folder: Folder, made_server: Path) -> None:
    copy_server(made_server, folder.path / "data")
    folder.configure([a_dead_url()])
    async with folder.daemon() as daemon:
        await daemon.until(lambda: daemon.lines(" failure ") and daemon.lines("database connected"))
        await daemon.stop()
    expected = await folder.failures()
    read: list[object] = []

    async def read_once() -> None:
        read.append(await folder.failures())

    async with trio.open_nursery() as nursery:  # one of them starts the server, and stops it while the others use it
        for _ in range(3):
            nursery.start_soon(read_once)
    assert read == [expected] * 3
    await _postgres_gone(folder.path)


async def test_a_reader_that_is_interrupted_leaves_nothing_behind(folder: Folder, made_server: Path) -> None:
    copy_server(made_server, folder.path / "data")
    folder.configure([a_dead_url()])
    async with folder.daemon() as daemon:
        await daemon.until(lambda: daemon.lines(" failure ") and daemon.lines("database connected"))
        await daemon.stop()
    for delay_seconds in (0, 0.1):  # while it starts the server, reads, or stops it
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "watcher", "failures"],
            cwd=folder.path,
            env=folder.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with trio.fail_after(START_SECONDS):
            # One that ended before its server was seen was too quick for this machine.
            while not _postgres_below(folder.path) and process.poll() is None:  # noqa: ASYNC110
                await trio.sleep(0.01)
        await trio.sleep(delay_seconds)
        process.send_signal(signal.SIGINT)
        try:
            with trio.fail_after(START_SECONDS):
                assert process.stderr is not None
                said = b"".join([piece async for piece in process.stderr])
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
        assert b"Traceback" not in said
        await _postgres_gone(folder.path)


async def test_reading_where_nothing_was_stored_is_one_line(folder: Folder) -> None:
    folder.configure([a_dead_url()])
    done = await folder.run("failures")
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert "nothing has been stored" in done.stderr.decode()


def _target(line: str) -> str:
    match = re.search(r'target="([^"]*)"', line)
    assert match is not None
    return match[1]


async def _something_waits(daemon: Daemon) -> None:
    """Wait for the failure of a check that starts only now: it is reported when it is on disk, where it has to stay."""
    now = datetime.now(UTC)
    await daemon.until(lambda: any(_begun_at(line) > now for line in daemon.lines(" failure ")))


def _begun_at(line: str) -> datetime:
    return datetime.fromisoformat(line.partition(" ")[0])


def _hears(daemon: Daemon, number: signal.Signals) -> bool:
    """Return whether a process has its own handler for a signal (proc(5))."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (number - 1) & 1)


async def _postgres_gone(folder: Path) -> None:
    """Wait for the last processes of a server, which end a moment after its pid file is removed."""
    with trio.fail_after(START_SECONDS):
        while _postgres_below(folder):  # noqa: ASYNC110  # they are nobody's children
            await trio.sleep(0.02)


def _postgres_below(folder: Path) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["name", "cwd", "status"])
        if (process.info["name"] or "").startswith("postgres")
        and (process.info["cwd"] or "").startswith(str(folder) + os.sep)
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]

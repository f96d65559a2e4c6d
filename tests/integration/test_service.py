"""The daemon as systemd runs it: its messages at the start, the end and a reload, and in between."""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psutil
import pytest
import trio
import trio.testing

from tests.integration.daemon import NO_DATABASE, START_SECONDS, Daemon, Folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

WATCHDOG_SECONDS = 0.4
# A new server is created, which takes seconds on a quiet machine.
EMBEDDED_START_SECONDS = 150


class Supervisor:
    """Listens as systemd does, and records the messages."""

    def __init__(self, listening: trio.socket.SocketType) -> None:
        self.heard: list[str] = []
        self._listening = listening

    async def listen(self) -> None:
        """Take messages until cancelled."""
        while True:
            self.heard.extend((await self._listening.recv(4096)).decode().split("\n"))

    def words(self) -> list[str]:
        """Return the messages, without the watchdog's and the text of the moment."""
        return [line for line in self.heard if line.endswith("=1") and line != "WATCHDOG=1"]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something to come true."""
        with trio.move_on_after(START_SECONDS):
            while not condition():  # noqa: ASYNC110
                await trio.sleep(0.01)
            return
        raise AssertionError(f"waited in vain; heard was {self.heard}")


@asynccontextmanager
async def supervised(tmp_path: Path, **settings: object) -> AsyncIterator[tuple[Folder, Daemon, Supervisor]]:
    """Run the daemon under a supervisor."""
    folder = Folder(tmp_path / "daemon")
    folder.path.mkdir()
    folder.configure([{"name": "dead", "address": "http://127.0.0.1:1/", "interval": 1}], **settings)
    with trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_DGRAM) as listening:
        # Its path may be longer than that of a socket can be.
        name = f"@watcher-test-{os.getpid()}-{tmp_path.name}"
        await listening.bind("\0" + name[1:])
        folder.environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1e6))}
        supervisor = Supervisor(listening)
        async with trio.open_nursery() as nursery, folder.daemon() as daemon:
            nursery.start_soon(supervisor.listen)
            yield folder, daemon, supervisor
            nursery.cancel_scope.cancel()


@pytest.mark.smoke
async def test_the_supervisor_hears_of_start_reload_and_end(tmp_path: Path) -> None:
    async with supervised(tmp_path, **NO_DATABASE) as (folder, daemon, supervisor):
        await supervisor.until(lambda: "READY=1" in supervisor.heard)
        await daemon.until(lambda: daemon.lines("started"))  # which a thread of the daemon writes
        assert "STATUS=watching 1 target" in supervisor.heard
        await supervisor.until(lambda: supervisor.heard.count("WATCHDOG=1") > 3)
        daemon.process.send_signal(signal.SIGHUP)
        await supervisor.until(lambda: supervisor.words().count("READY=1") == 2)
        assert supervisor.words() == ["READY=1", "RELOADING=1", "READY=1"]
        with (folder.path / "config.yaml").open("a") as config:  # in one step: a truncated file would be read as well
            config.write("urlss: 3\n")
        await supervisor.until(lambda: supervisor.words().count("READY=1") == 3)
        await daemon.until(lambda: daemon.lines("did you mean urls"))
        status, _seconds = await daemon.stop()
        await supervisor.until(lambda: "STOPPING=1" in supervisor.heard)
    assert status == 0
    assert supervisor.words() == ["READY=1", *(["RELOADING=1", "READY=1"] * 2), "STOPPING=1"]


async def test_a_blocked_loop_does_not_feed_the_watchdog(tmp_path: Path) -> None:
    async with supervised(tmp_path, **NO_DATABASE) as (_folder, daemon, supervisor):
        await supervisor.until(lambda: "WATCHDOG=1" in supervisor.heard)
        daemon.process.send_signal(signal.SIGSTOP)
        await supervisor.until(lambda: psutil.Process(daemon.process.pid).status() == psutil.STATUS_STOPPED)
        await trio.testing.wait_all_tasks_blocked(0.05)  # until the pending messages are here
        before = len(supervisor.heard)
        await trio.sleep(3 * WATCHDOG_SECONDS)
        assert len(supervisor.heard) == before
        daemon.process.send_signal(signal.SIGCONT)
        await supervisor.until(lambda: len(supervisor.heard) > before)


async def test_the_journal_gets_the_priority_of_a_line(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.configure([{"name": "dead", "address": "http://127.0.0.1:1/", "interval": 1}], **NO_DATABASE)
    (tmp_path / "stderr.log").touch()
    journal = (tmp_path / "stderr.log").stat()
    folder.environment = {"JOURNAL_STREAM": f"{journal.st_dev}:{journal.st_ino}"}
    async with folder.daemon() as daemon:
        await daemon.until(lambda: daemon.lines(" down ") and daemon.lines("database unavailable"))
        (tmp_path / "config.yaml").write_text("urlss: 3\n")
        await daemon.until(lambda: daemon.lines("did you mean urls"))
        await daemon.stop()
    async with folder.daemon() as daemon:
        assert await daemon.process.wait() == 2
    warned = dict.fromkeys((" failure ", " down ", "database unavailable"), 4)
    expected = {"started": 6, **warned, "did you mean urls": 3, "stopped": 6}
    assert len(daemon.lines("did you mean urls")) == 2  # at the reload, and at the start
    assert {word: {line[:3] for line in daemon.lines(word)} for word in expected} == {
        word: {f"<{priority}>"} for word, priority in expected.items()
    }


async def test_the_embedded_server_does_not_notify_the_supervisor(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (folder, daemon, _supervisor):
        await daemon.until(lambda: daemon.lines("database connected"), seconds=EMBEDDED_START_SECONDS)
        assert "NOTIFY_SOCKET" in psutil.Process(daemon.process.pid).environ()
        pid = (folder.path / "data" / "postgres" / "pgdata" / "postmaster.pid").read_text().split()[0]
        handed_down = psutil.Process(int(pid)).environ()
        await daemon.stop()
    assert handed_down["LC_ALL"] == "C"
    assert [key for key in handed_down if key.startswith(("NOTIFY_", "WATCHDOG_"))] == []

"""A PostgreSQL server for one test, to be stopped, restarted and damaged at will.

Creating one takes longer than most tests: it is done once and copied, except where the creation is tested.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from watcher.embedded_postgres.pid_file import PidFile
from watcher.embedded_postgres.server import MAX_CONNECTIONS, EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The signals of pg_ctl for the two ways of stopping: the second is a crash, and the next start a recovery.
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT
STOP_SECONDS = 30.0
# The files in a data folder that belong to a server.
_MADE = ("postgres", "postgres.password")


class OwnServer:
    """A server in a folder that no other process uses."""

    def __init__(self, folder: Path, max_connections: int = MAX_CONNECTIONS) -> None:
        self.server = EmbeddedPostgres(folder, max_connections=max_connections)
        self.data = self.server.folder / "pgdata"
        self._pid_file = PidFile(self.data / "postmaster.pid")
        self.url = self.server.url()

    async def start(self) -> None:
        """Start it, unless it runs."""
        await self.server.start()

    async def halt(self, number: signal.Signals) -> None:
        """Stop it, and wait until it is gone."""
        pid = self._pid_file.running_pid()
        assert pid is not None
        os.kill(pid, number)
        with trio.fail_after(STOP_SECONDS):
            while self._pid_file.running_pid() is not None:  # noqa: ASYNC110  # it is nobody's child
                await trio.sleep(0.02)


def make_server(folder: Path) -> None:
    """Create a server in a data folder; outside of any trio loop."""
    server = EmbeddedPostgres(folder)
    server.url()  # creates the password
    assert server.try_hold()
    trio.run(server.start)
    trio.run(server.stop)


def copy_server(made: Path, folder: Path) -> None:
    """Copy a stopped server, with its owner, to another data folder."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["cp", "--archive", *(str(made / name) for name in _MADE), str(folder)], check=True)


@contextmanager
def running_server(made: Path, folder: Path) -> Iterator[OwnServer]:
    """Run a copy of a server in a folder while the block runs; outside of any trio loop."""
    copy_server(made, folder)
    server = OwnServer(folder)
    assert server.server.try_hold()
    try:
        trio.run(server.start)
        yield server
    finally:
        trio.run(server.server.stop)

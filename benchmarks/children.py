"""Runs the processes of a benchmark: pins them when they start, and always ends them by their own number."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Process = subprocess.Popen[bytes]

PROJECT = Path(__file__).resolve().parents[1]
STOP_SECONDS = 10.0
MAX_SAID_CHARS = 300

# Variables that would change a program's behaviour, or lead it to another database.
_NOT_HANDED_DOWN = ("POSTGRES_", "PG", "WATCHER_", "SSL_CERT_", "PYTHON")
_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}


class ProgramEndedError(Exception):
    """A program ended before it was measured; the message has the end of its output."""


def environment(certificate_authority: Path) -> dict[str, str]:
    """Return the environment of every program; OpenSSL and Go read the authority from the same variable."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(_NOT_HANDED_DOWN) and key.lower() not in _PROXIES
    }
    return {**inherited, "PYTHONPATH": str(PROJECT), "SSL_CERT_FILE": str(certificate_authority), "GOMAXPROCS": "1"}


@contextmanager
def running(command: Sequence[str], folder: Path, core: int, env: Mapping[str, str], said: Path) -> Iterator[Process]:
    """Run a program on one core, in a folder; it is ended at the end of the block.

    Args:
        command: program and arguments.
        folder: its working folder.
        core: the number of the core.
        env: its environment.
        said: the file that gets its stdout and stderr.
    """
    with said.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            start_new_session=True,  # Ctrl-C in the terminal is for the benchmark, which ends its programs in order
        )
    try:
        yield process
    finally:
        _end(process)


def wait_running(process: Process, seconds: float, said: Path) -> None:
    """Sleep for some seconds, and notice at once if the process ends.

    Raises:
        ProgramEndedError: it has ended.
    """
    try:
        status = process.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        return
    lines = said.read_text("utf-8", "replace").split("\n")
    text = next((line for line in reversed(lines) if line), "no output")
    raise ProgramEndedError(f"ended with status {status}: {text[:MAX_SAID_CHARS]}")


def end_on_signals() -> None:
    """Make SIGTERM and SIGHUP run every `finally`, as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))


def free_port() -> int:
    """Return an unused port of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _end(process: Process) -> None:
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    finally:
        process.kill()  # does nothing if it has ended
        process.wait()

"""Runs the processes of a benchmark: pins them when they start, and always ends them by their own number."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

PROJECT = Path(__file__).resolve().parents[1]
STOP_SECONDS = 10.0
MAX_SAID_CHARS = 300

# Variables that would change a program's behaviour, or lead it to another database or through a proxy.
_NOT_HANDED_DOWN = re.compile(r"POSTGRES_|PG|WATCHER_|SSL_CERT_|PYTHON|(https?|all)_proxy$", re.IGNORECASE)


class ProgramEndedError(Exception):
    """A program ended before it was measured; the message has the end of its output."""


class Cores(NamedTuple):
    """The number of the measured program's core, and that of everything else."""

    program: int
    others: int

    @classmethod
    def here(cls) -> "Cores":
        """Choose from the cores that this process may use; with only one, all share it."""
        numbers = os.sched_getaffinity(0)
        return cls(min(numbers), max(numbers))


@dataclass(frozen=True, slots=True)
class Child:
    """A running program, its working folder, and the file of its stdout and stderr."""

    process: subprocess.Popen[bytes]
    folder: Path
    said: Path

    @property
    def successes(self) -> Path:
        """The file with one line a success, which not every program writes."""
        return self.folder / "monitor.log"

    def go_on(self, seconds: float) -> None:
        """Let it run for some seconds, and notice at once if it ends.

        Raises:
            ProgramEndedError: it has ended.
        """
        try:
            status = self.process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            return
        lines = self.said.read_text("utf-8", "replace").split("\n")
        text = next((line for line in reversed(lines) if line), "no output")
        raise ProgramEndedError(f"ended with status {status}: {text[:MAX_SAID_CHARS]}")

    def cpu_seconds(self, *, alone: bool = False) -> float:
        """Return its CPU time; `alone` leaves out its children."""
        return clock(self.process.pid) if alone else cpu_seconds(self.process.pid)

    def numbers(self, file: str = "status") -> dict[str, int]:
        """Return the numbers in a file of /proc/PID by their names (proc_pid_status(5)); sizes are in KiB."""
        text = Path(f"/proc/{self.process.pid}/{file}").read_text("ascii", "replace")
        return {name: int(number) for name, number in re.findall(r"^(\w+):\s+(\d+)", text, re.MULTILINE)}


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children."""
    return sum(clock(number) for number in [pid, *(one.pid for one in psutil.Process(pid).children(recursive=True))])


def clock(pid: int) -> float:
    """Return the CPU time of a process to the nanosecond, with ended threads: its clock_getcpuclockid(3).

    On Linux this is the complement of the process number and the clock of the scheduler (2), see the kernel's
    include/linux/posix-timers_types.h.
    """
    return time.clock_gettime((~pid << 3) | 2)


@contextmanager
def running(command: Sequence[str], folder: Path, core: int, authority: Path, said: str) -> Iterator[Child]:
    """Run a command in a folder on one core, and end it at the end of the block.

    Args:
        command, folder, core: what to run, and where.
        authority: the certificate authority that it trusts; OpenSSL and Go read it from the same variable.
        said: the name of the file that gets its stdout and stderr.
    """
    env = {key: value for key, value in os.environ.items() if not _NOT_HANDED_DOWN.match(key)}
    with (folder / said).open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env=env | {"PYTHONPATH": str(PROJECT), "SSL_CERT_FILE": str(authority), "GOMAXPROCS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            start_new_session=True,  # Ctrl-C in the terminal is for the benchmark, which ends its programs in order
        )
    try:
        yield Child(process, folder, folder / said)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()  # does nothing if it has ended
        process.wait()


def end_on_signals() -> None:
    """Make SIGTERM and SIGHUP run every `finally`, as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))


def free_port() -> int:
    """Return an unused port of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

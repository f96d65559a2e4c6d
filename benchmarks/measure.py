"""Measures one run: divides the CPU time of a program by the number of checks that the server saw."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psutil

from benchmarks.children import ProgramEndedError, wait_running

if TYPE_CHECKING:
    from benchmarks.nginx import Served
    from benchmarks.programs import Bench, Program, Running
    from benchmarks.workload import Workload

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Timing:
    """The durations of a run.

    Attributes:
        start_seconds: the longest that a program may take to start.
        warm_up_seconds: from its start to the measurement.
        seconds: of the measurement.
    """

    start_seconds: float
    warm_up_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A reading of all counters.

    Attributes:
        at: seconds on a monotonic clock.
        cpu_seconds: of the program, with its ended threads.
        core_busy_seconds: of its core, by any program.
        server_core_busy_seconds: of the core of the server and everything else.
        served: by nginx.
        success_bytes: the size of the file of successes.
    """

    at: float
    cpu_seconds: float
    core_busy_seconds: float
    server_core_busy_seconds: float
    served: Served
    success_bytes: int

    @classmethod
    def take(cls, running: Running, bench: Bench) -> Sample:
        """Read all counters."""
        file = running.successes
        return cls(
            at=time.monotonic(),
            cpu_seconds=cpu_seconds(running.process.pid),
            core_busy_seconds=_busy_seconds(bench.cores.program),
            server_core_busy_seconds=_busy_seconds(bench.cores.others),
            served=bench.site.served(),
            success_bytes=file.stat().st_size if file is not None and file.exists() else 0,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a run.

    Attributes:
        program, kind, targets, rate_asked: the run.
        repeat: its number, from 0.
        error: why there are no figures; the rest is 0 then.
        start_seconds: until the first checks.
        seconds: of the measurement.
        checks: requests that the server saw in it.
        connections: that the server saw.
        successes: lines written in it, or None if the program writes none.
        cpu_seconds: that the program used.
        others_share: the part of its core that others used, from 0 to 1.
        server_core_share: the used part of the other core; at 1 the server is the limit.
        peak_bytes: its peak memory (VmHWM).
        resident_bytes: its memory at the end (VmRSS).
    """

    program: str
    kind: str
    targets: int
    rate_asked: float
    repeat: int
    error: str = ""
    start_seconds: float = 0.0
    seconds: float = 0.0
    checks: int = 0
    connections: int = 0
    successes: int | None = None
    cpu_seconds: float = 0.0
    others_share: float = 0.0
    server_core_share: float = 0.0
    peak_bytes: int = 0
    resident_bytes: int = 0

    @property
    def rate(self) -> float:
        """Checks a second."""
        return self.checks / self.seconds if self.seconds else 0.0

    @property
    def cpu_microseconds(self) -> float:
        """CPU time a check."""
        return self.cpu_seconds / self.checks * 1e6 if self.checks else 0.0

    @property
    def core_share(self) -> float:
        """The used part of the program's core, by it and by others."""
        return self.cpu_seconds / self.seconds + self.others_share if self.seconds else 0.0


def measure(program: Program, workload: Workload, bench: Bench, timing: Timing, repeat: int) -> Figures:
    """Run a program once; if it cannot do the work, the figures have an `error`."""
    head = (program.name, workload.kind.value, workload.targets, workload.rate, repeat)
    with TemporaryDirectory(prefix="benchmark-") as name:
        try:
            with program.start(bench, workload, Path(name)) as running:
                started = time.monotonic()
                wait_begun(program, workload, bench, running, timing.start_seconds)
                start_seconds = time.monotonic() - started
                wait_running(running.process, timing.warm_up_seconds, running.said)
                before = Sample.take(running, bench)
                wait_running(running.process, timing.seconds, running.said)
                after = Sample.take(running, bench)
                peak_bytes, resident_bytes = memory(running.process.pid)
                successes = lines_between(running.successes, before.success_bytes, after.success_bytes)
        except ProgramEndedError as error:
            return Figures(*head, error=str(error))
    served = after.served.since(before.served)
    seconds = after.at - before.at
    used_seconds = after.cpu_seconds - before.cpu_seconds
    others_seconds = after.core_busy_seconds - before.core_busy_seconds - used_seconds
    return Figures(
        *head,
        error="" if served.requests > 0 else "the server saw no request",
        start_seconds=start_seconds,
        seconds=seconds,
        checks=served.requests,
        connections=served.connections,
        successes=successes,
        cpu_seconds=used_seconds,
        others_share=max(others_seconds / seconds, 0.0),
        server_core_share=(after.server_core_busy_seconds - before.server_core_busy_seconds) / seconds,
        peak_bytes=peak_bytes,
        resident_bytes=resident_bytes,
    )


def wait_begun(program: Program, workload: Workload, bench: Bench, running: Running, limit_seconds: float) -> None:
    """Wait for the first check, or for one of every target if the program starts with a burst of all.

    Raises:
        ProgramEndedError: it has ended, or not started in time.
    """
    before = bench.site.served()
    give_up_at = time.monotonic() + limit_seconds
    wanted = workload.targets if program.checks_all_at_start else 1
    polls = 0
    while True:
        wait_running(running.process, 0.25, running.said)
        polls += 1
        requests = bench.site.served().requests - before.requests - polls
        if requests >= wanted:
            return
        if time.monotonic() > give_up_at:
            raise ProgramEndedError(f"only {requests} checks within {limit_seconds:g} s of its start")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children, to the nanosecond, with ended threads.

    It is the clock of clock_getcpuclockid(3): on Linux, the complement of the process number and the
    clock of the scheduler (2), see the kernel's include/linux/posix-timers_types.h.
    """
    pids = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return sum(time.clock_gettime((~number << 3) | 2) for number in pids)


def memory(pid: int) -> tuple[int, int]:
    """Return the peak and the present resident memory of a process, in bytes."""
    return parse_memory(Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace"))


def parse_memory(status: str) -> tuple[int, int]:
    """Return VmHWM and VmRSS in bytes, from the text of /proc/PID/status (proc_pid_status(5))."""
    values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    peak, resident = (int(values[key].split()[0]) * KIB for key in ("VmHWM", "VmRSS"))
    return peak, resident


def lines_between(file: Path | None, begin: int, end: int) -> int | None:
    """Count the lines that end within these bytes of a file; None without a file."""
    if file is None:
        return None
    with file.open("rb") as stream:
        stream.seek(begin)
        return stream.read(end - begin).count(b"\n")


def _busy_seconds(core: int) -> float:
    times = psutil.cpu_times(percpu=True)[core]
    return float(times.user + times.nice + times.system + times.irq + times.softirq)

"""What a daemon costs that has hardly anything to check: how often it wakes, its processor time, its memory."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.children import wait_running
from benchmarks.measure import KIB, MIB, wait_begun
from benchmarks.programs import PROGRAMS, start_watcher
from benchmarks.workload import Kind, Workload, write_targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.programs import Bench

COLUMNS = ("database", "wake-ups/s", "of the loop", "of a core", "resident", "proportional")
# A channel is not called while all is well.
CHANNEL = "channels: [{name: ops, webhook: {url: 'http://127.0.0.1:9/'}, default: true}]\n"


@dataclass(frozen=True, slots=True)
class Rest:
    """The figures of one daemon.

    Attributes:
        database: `external` or `embedded`; the server itself is not counted.
        seconds: of the measurement.
        wake_ups: how often any of its threads went to sleep (voluntary context switches).
        loop_wake_ups: how often the thread of the loop did.
        cpu_seconds: of all threads.
        resident_bytes, proportional_bytes: at the end; the second divides what is shared with other processes.
    """

    database: str
    seconds: float
    wake_ups: int
    loop_wake_ups: int
    cpu_seconds: float
    resident_bytes: int
    proportional_bytes: int


def measure_rest(
    bench: Bench, targets: int, interval_seconds: float, warm_up_seconds: float, seconds: float
) -> Iterator[Rest]:
    """Run the daemon with everything on, with an external database and with the embedded one.

    Args:
        bench: sites, database and cores.
        targets: how many there are.
        interval_seconds: between two checks of one.
        warm_up_seconds: from the first checks to the measurement.
        seconds: of the measurement.
    """
    workload = Workload(Kind.HTTP, targets, targets / interval_seconds, workers=10)
    watcher = next(program for program in PROGRAMS if program.name == "watcher")
    for name, more in (("external", {}), ("embedded", {"POSTGRES_HOST": ""})):
        with TemporaryDirectory(prefix="benchmark-") as folder:
            file = Path(folder, "all.yaml")
            write_targets(file, workload, bench.site.origin(workload.kind))
            file.write_text(CHANNEL + file.read_text("utf-8"), "utf-8")
            settings = {"CONFIG_FILE_PATH": "all.yaml", "WATCHER_RELOAD": "on", **more}
            with start_watcher(bench, workload, Path(folder), **settings) as running:
                wait_begun(watcher, workload, bench, running, limit_seconds=60)
                wait_running(running.process, warm_up_seconds, running.said)
                began, switches, cpu = _counters(running.process.pid)
                wait_running(running.process, seconds, running.said)
                ended, switches_then, cpu_then = _counters(running.process.pid)
                found = {number: count - switches.get(number, 0) for number, count in switches_then.items()}
                sleeps = sum(found.values()), found[running.process.pid]
                yield Rest(name, ended - began, *sleeps, cpu_then - cpu, *_memory(running.process.pid))


def rows(found: Sequence[Rest]) -> list[tuple[str, ...]]:
    """Return the lines of the table."""
    return [
        (
            one.database,
            f"{one.wake_ups / one.seconds:.1f}",
            f"{one.loop_wake_ups / one.seconds:.1f}",
            f"{one.cpu_seconds / one.seconds:.2%}",
            f"{one.resident_bytes / MIB:.0f} MiB",
            f"{one.proportional_bytes / MIB:.0f} MiB",
        )
        for one in found
    ]


def _counters(pid: int) -> tuple[float, dict[int, int], float]:
    """Return the time, how often each thread has gone to sleep, and the processor time of all; see `cpu_seconds`."""
    switches = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        found = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", (task / "status").read_text("ascii", "replace"), re.M)
        switches[int(task.name)] = 0 if found is None else int(found[1])
    return time.monotonic(), switches, time.clock_gettime((~pid << 3) | 2)


def _memory(pid: int) -> tuple[int, int]:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii", "replace")
    values = {key: int(value.split()[0]) * KIB for key, value in re.findall(r"^(Rss|Pss):\s*(.*)$", text, re.M)}
    return values["Rss"], values["Pss"]

"""Measures a daemon that has hardly anything to check: how often it wakes, its processor time, its memory."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.children import Child
from benchmarks.programs import WATCHER
from benchmarks.servers import serving
from benchmarks.showing import Table, benchmark, option
from benchmarks.workload import Kind, Workload

# Voluntary context switches of all threads, and of the thread of the loop; the database server is not counted.
HEAD = (
    "database {} | wake-ups/s {:.1f} | of the loop {:.1f} | of a core {:.2%} | "
    "resident {:.0f} MiB | proportional {:.0f} MiB"
)
# A channel is not called while all is well.
CHANNEL = "channels: [{name: ops, webhook: {url: 'http://127.0.0.1:9/'}, default: true}]\n"
DATABASES = {"external": {}, "embedded": {"POSTGRES_HOST": ""}}


@benchmark()
@option("--targets", default=10)
@option("--interval", default=60.0, help="Seconds between two checks of one.")
@option("--seconds", default=120.0, help="Of each measurement; whole minutes.")
@option("--warm-up", default=30.0, help="Seconds before each measurement.")
def rest(targets: int, interval: float, seconds: float, warm_up: float) -> Iterator[Table]:
    """Count how often a daemon wakes that has hardly anything to check, and what it takes meanwhile.

    Example: python -m benchmarks rest --seconds 60
    """
    workload = Workload(Kind.HTTP, targets, targets / interval, workers=10)
    rows: list[tuple[object, ...]] = []
    with serving() as bench:
        for name, more in DATABASES.items():
            with WATCHER.begun(bench, workload, head=CHANNEL, WATCHER_RELOAD="on", **more) as daemon:
                daemon.go_on(warm_up)
                begun, wakes, used = time.monotonic(), _wakes(daemon), daemon.cpu_seconds(alone=True)
                daemon.go_on(seconds)
                took, found, used = (
                    time.monotonic() - begun,
                    _wakes(daemon) - wakes,
                    daemon.cpu_seconds(alone=True) - used,
                )
                memory = daemon.numbers("smaps_rollup")
            counts = (found.total() / took, found[daemon.process.pid] / took)
            rows.append((name, *counts, used / took, memory["Rss"] / 1024, memory["Pss"] / 1024))
    yield Table(f"{targets:,} targets each {interval:g} s", HEAD, rows)


def _wakes(daemon: Child) -> Counter[int]:
    """Count how often each thread has gone to sleep."""
    threads = Path(f"/proc/{daemon.process.pid}/task").iterdir()
    return Counter(
        {int(one.name): daemon.numbers(f"task/{one.name}/status")["voluntary_ctxt_switches"] for one in threads}
    )

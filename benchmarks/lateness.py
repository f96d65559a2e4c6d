"""Measures the lateness of checks: the times in watcher's log of successes against the slots of its schedule."""

import math
import re
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click

from benchmarks.children import Child
from benchmarks.programs import WATCHER
from benchmarks.servers import serving
from benchmarks.showing import Table, benchmark, milliseconds, option
from benchmarks.workload import Kind, Workload
from watcher.checking.scheduling.schedule import Schedule

# The log cuts its times to whole milliseconds, and wall time is slewed under the clock that the schedule runs on: so a
# check may seem to start before its slot, by at most this much.
EARLY_SECONDS = 0.005
FLUSH_SECONDS = 1.0  # until the daemon's buffers are written
RELOAD_SECONDS = 4.0

_SUCCESS = re.compile(r'(\S+) success target="([^"]*)" .*\n')
_RELOADED = re.compile(r"^(\S+) info configuration reloaded .*changed=\S+ unchanged=(\d+)", re.MULTILINE)


class Lateness(NamedTuple):
    """The lateness of the checks of a window."""

    slots: int  # the number of checks that were due
    seconds: list[float]  # of each check
    twice: int = 0  # checks of a slot that another check had as well

    @property
    def missed(self) -> int:
        """The number of slots without a check."""
        return max(self.slots - len(self.seconds) + self.twice, 0)

    def cells(self) -> dict[str, str]:
        """Return the cells of a table by their names."""
        parts = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "most": 1.0}
        late = {name: milliseconds(self.seconds, part) for name, part in parts.items()}
        return late | {"slots without a success": f"{self.missed:,} of {self.slots:,}"}


def lateness_of(
    logs: Iterable[Path], workload: Workload, ports: Mapping[Kind, int], begin: float, end: float, *, skipped: int = 0
) -> Lateness:
    """Find the checks of a window in the logs of daemons that have written their buffers since.

    Args:
        logs: their files of successes.
        workload, ports: the targets, and the ports of their site.
        begin, end: the window, in seconds since 1970; the slot counts, not the start of the check.
        skipped: the number of targets, from the first one, that do not count.
    """
    interval_seconds, names = workload.interval_seconds, workload.addresses(ports)[skipped:]
    offsets = {name: Schedule.of(name, interval_seconds).offset_seconds for name in names}
    late, found = [], set()
    for log in logs:
        for started_at, name in _SUCCESS.findall(log.read_text("utf-8")):
            if name in offsets:
                started = datetime.fromisoformat(started_at).timestamp() - offsets[name]
                number, since = divmod(started + EARLY_SECONDS, interval_seconds)
                if begin <= offsets[name] + number * interval_seconds < end:
                    late.append(since - EARLY_SECONDS)
                    found.add((name, number))
    before_end, before_begin = (
        sum(math.ceil((moment - offset) / interval_seconds) for offset in offsets.values()) for moment in (end, begin)
    )
    return Lateness(before_end - before_begin, late, len(late) - len(found))


@benchmark()
@option("--rate", default=1000.0, help="Checks a second of all targets.")
@option("--targets", default=1000)
@option("--seconds", default=20.0, help="Length of the measurement.")
@option("--warm-up", default=6.0, help="Seconds before the measurement.")
def lateness(rate: float, targets: int, seconds: float, warm_up: float) -> Iterator[Table]:
    """Measure how long after its slot a check of watcher starts.

    Example: python -m benchmarks lateness --rate 1000 --targets 1000
    """
    workload = Workload(Kind.HTTP, targets, rate)
    with serving() as bench, WATCHER.begun(bench, workload) as daemon:
        daemon.go_on(warm_up)
        begin = time.time()
        daemon.go_on(seconds)
        end = time.time()
        daemon.go_on(FLUSH_SECONDS)
        found = lateness_of([daemon.successes], workload, bench.site.ports, begin, end)
    title = f"lateness at {rate:g} checks a second, {targets:,} targets, {workload.kind}"
    yield Table(title, "what {} | lateness {}", list(found.cells().items()))


@benchmark()
@option("--targets", default=10_000)
@option("--rate", default=500.0, help="Checks a second of all targets.")
@option("--times", default=5, help="Number of reloads.")
def reload(targets: int, rate: float, times: int) -> Iterator[Table]:
    """Change one target repeatedly: measure the time until it is applied, and the lateness of checks meanwhile.

    Example: python -m benchmarks reload --targets 10000 --times 5
    """
    workload = Workload(Kind.HTTP, targets, rate)
    with serving() as bench, WATCHER.begun(bench, workload) as daemon:
        begin = time.time()
        daemon.go_on(times * RELOAD_SECONDS)
        middle = time.time()
        sent = [_change_one(daemon, number) for number in range(times)]
        end = time.time()
        daemon.go_on(FLUSH_SECONDS)
        reloads = _RELOADED.findall(daemon.said.read_text("utf-8"))
        done = [datetime.fromisoformat(at).timestamp() for at, unchanged in reloads if int(unchanged) == targets - 1]
        # The changed target, the first one, starts again at once, outside any slot.
        without, during = (
            lateness_of([daemon.successes], workload, bench.site.ports, *window, skipped=1)
            for window in ((begin, middle), (middle, end))
        )
    if len(done) != times:
        raise click.ClickException(f"{len(done)} of {times} reloads logged; see the log of the daemon")
    took = [after - before for before, after in zip(sent, done, strict=True)]
    rows = [
        ("taken over after, median", "", f"{median(took):.2f} s"),
        ("at most", "", f"{max(took):.2f} s"),
        *((f"lateness, {name}", cell, during.cells()[name]) for name, cell in without.cells().items()),
    ]
    title = f"one of {targets:,} targets changed, {rate:g} checks a second"
    yield Table(title, "what {} | without reloads {} | with reloads {}", rows)


def _change_one(daemon: Child, number: int) -> float:
    """Give the first target another pattern, send the signal, and return its time."""
    config = daemon.folder / "config.yaml"
    changed = re.sub(r"(regex: )\S+.*", rf"\1'<title>|{number}'", config.read_text("utf-8"), count=1)
    config.with_suffix(".new").write_text(changed, "utf-8")
    config.with_suffix(".new").replace(config)
    sent = time.time()
    daemon.process.send_signal(signal.SIGHUP)
    daemon.go_on(RELOAD_SECONDS)
    return sent

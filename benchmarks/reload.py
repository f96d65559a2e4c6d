"""Measures a reload: the time until it is applied, and the lateness of checks meanwhile."""

from __future__ import annotations

import re
import signal
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from benchmarks import lateness as late
from benchmarks.children import wait_running
from benchmarks.measure import wait_begun
from benchmarks.programs import PROGRAMS, start_watcher
from benchmarks.workload import Kind, Workload

if TYPE_CHECKING:
    from benchmarks.lateness import Lateness
    from benchmarks.programs import Bench, Running

COLUMNS = ("what", "without reloads", "with reloads")
STEP_SECONDS = 4.0

_TAKEN_OVER = re.compile(rb"^(\S+) info configuration reloaded .*changed=\S+ unchanged=(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reloads:
    """The result of the measurement.

    Attributes:
        seconds: from each signal to the log line that reports the reload, in rising order.
        without, during: the lateness of checks in equal times without reloads, and with them.
    """

    seconds: tuple[float, ...]
    without: Lateness
    during: Lateness


def measure_reloads(bench: Bench, targets: int, rate: float, reloads: int) -> Reloads:
    """Run the daemon, and change one target repeatedly.

    Args:
        bench: sites, database and cores.
        targets: their number.
        rate: checks a second of all targets.
        reloads: their number.
    """
    workload = Workload(Kind.HTTP, targets, rate, workers=100)
    watcher = next(program for program in PROGRAMS if program.name == "watcher")
    with TemporaryDirectory(prefix="benchmark-") as name, start_watcher(bench, workload, Path(name)) as running:
        assert running.successes is not None
        wait_begun(watcher, workload, bench, running, limit_seconds=600)
        window = reloads * STEP_SECONDS
        begin = time.time()
        wait_running(running.process, window, running.said)
        middle = time.time()
        sent = [_change_one(Path(name) / "config.yaml", running, number) for number in range(reloads)]
        end = time.time()
        wait_running(running.process, 1, running.said)  # until its buffers are written
        done = [datetime.fromisoformat(match[1].decode()).timestamp() for match in _matches(running.said, targets)]
        if len(done) != reloads:
            raise click.ClickException(f"{len(done)} of {reloads} reloads logged; see the log of the daemon")
        changed, *names = workload.addresses(bench.site.origin(workload.kind))
        # The changed target starts again at once, outside any slot.
        lines = [line for line in running.successes.read_text("utf-8").split("\n")[:-1] if f'"{changed}"' not in line]
    found = [
        late.lateness_of(lines, names, workload.interval_seconds, *times) for times in ((begin, middle), (middle, end))
    ]
    seconds = sorted(later - earlier for earlier, later in zip(sent, done, strict=True))
    return Reloads(tuple(seconds), *found)


def _change_one(config: Path, running: Running, number: int) -> float:
    """Give the first target another pattern, send the signal, and return its time."""
    text = config.read_text("utf-8")
    changed = re.sub(r"(regex: )\S+.*", rf"\1'<title>|{number}'", text, count=1)
    config.with_suffix(".new").write_text(changed, "utf-8")
    config.with_suffix(".new").replace(config)
    sent = time.time()
    running.process.send_signal(signal.SIGHUP)
    wait_running(running.process, STEP_SECONDS, running.said)
    return sent


def _matches(said: Path, targets: int) -> list[re.Match[bytes]]:
    found = _TAKEN_OVER.finditer(said.read_bytes())
    return [match for match in found if int(match[2]) == targets - 1]


def rows(found: Reloads) -> list[tuple[str, str, str]]:
    """Return the cells of the table."""
    middle, most = found.seconds[len(found.seconds) // 2], found.seconds[-1]
    lateness = [
        (f"lateness, {name}", without, during)
        for (name, without), (_, during) in zip(late.rows(found.without), late.rows(found.during), strict=True)
    ]
    return [("taken over after, median", "", f"{middle:.2f} s"), ("at most", "", f"{most:.2f} s"), *lateness]

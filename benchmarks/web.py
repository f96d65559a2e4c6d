"""Measures the cost of the page for the checks: under attack, and with a few viewers."""

from __future__ import annotations

import json
import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks import lateness as late
from benchmarks.children import environment, free_port, running, wait_running
from benchmarks.measure import Sample, wait_begun
from benchmarks.programs import PROGRAMS, start_watcher
from benchmarks.workload import Kind, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.children import Process
    from benchmarks.lateness import Lateness
    from benchmarks.programs import Bench, Running

WRK = shutil.which("wrk")
WRK_CONNECTIONS = 100
IN_TIME_SECONDS = 0.05
START_SECONDS = 600.0
SETTLE_SECONDS = 4.0  # until all viewers have connected

ATTACK = ("--streams", "500", "--drips", "300", "--scrape-seconds", "1", "--look-seconds", "0.5")
TEN_BROWSERS = ("--browsers", "10", "--scrape-seconds", "15")
QUIET = ("--scrape-seconds", "5", "--look-seconds", "1")


@dataclass(frozen=True, slots=True)
class Window:
    """The figures of one window.

    Attributes:
        name: of the load.
        lateness: of the checks.
        cpu_microseconds: of the daemon, a check.
        core_share: of its core that the daemon used.
        seen: by the viewers, see `benchmarks/viewers.py`.
        wrk: its requests a second, empty if it did not run.
    """

    name: str
    lateness: Lateness
    cpu_microseconds: float
    core_share: float
    seen: dict[str, Any]
    wrk: str

    @property
    def in_time_share(self) -> float:
        """The share of all slots whose checks started in time."""
        in_time = sum(seconds <= IN_TIME_SECONDS for seconds in self.lateness.seconds)
        return in_time / max(self.lateness.slots, self.lateness.checks, 1)


def measure_web(bench: Bench, targets: int, rate: float, seconds: float) -> Iterator[Window]:
    """Run the daemon, and load its page: a little, by ten browsers, and by far too many.

    Args:
        bench: sites, database and cores.
        targets: their number.
        rate: checks a second of all targets.
        seconds: of each measurement.
    """
    workload = Workload(Kind.HTTP, targets, rate, workers=100)
    for name, viewers, with_wrk in (
        ("a scrape now and then", QUIET, False),
        ("ten browsers", TEN_BROWSERS, False),
        ("attack", ATTACK, True),
    ):
        port = free_port()
        with (
            TemporaryDirectory(prefix="benchmark-") as folder,
            start_watcher(bench, workload, Path(folder), WATCHER_HTTP=f"127.0.0.1:{port}") as daemon,
        ):
            wait_begun(PROGRAMS[0], workload, bench, daemon, START_SECONDS)
            yield _window(name, bench, workload, daemon, seconds, Path(folder), port, viewers, with_wrk=with_wrk)


def measure_cost(bench: Bench, targets: int, rate: float, seconds: float, repeat: int) -> Iterator[tuple[str, float]]:
    """Measure the cost of a check in turns, without a page and with ten browsers; yield setting and microseconds."""
    workload = Workload(Kind.HTTP, targets, rate, workers=100)
    for _ in range(repeat):
        for name, viewers in (("off", ()), ("on", TEN_BROWSERS)):
            port = free_port()
            address = f"127.0.0.1:{port}" if viewers else "off"
            with (
                TemporaryDirectory(prefix="benchmark-") as folder,
                start_watcher(bench, workload, Path(folder), WATCHER_HTTP=address) as daemon,
            ):
                wait_begun(PROGRAMS[0], workload, bench, daemon, START_SECONDS)
                found = _window(name, bench, workload, daemon, seconds, Path(folder), port, viewers)
            yield name, found.cpu_microseconds


def _window(
    name: str,
    bench: Bench,
    workload: Workload,
    daemon: Running,
    seconds: float,
    folder: Path,
    port: int,
    viewers: Sequence[str],
    *,
    with_wrk: bool = False,
) -> Window:
    said, wrk_said = folder / "viewers.json", folder / "wrk.said"
    env = environment(bench.site.certificate_authority)

    def beside(command: Sequence[str], said: Path) -> Any:
        return running(command, folder, bench.cores.others, env, said)

    with ExitStack() as stack:
        if viewers:
            module = [sys.executable, "-m", "benchmarks.viewers", "--port", str(port), *viewers]
            stack.enter_context(beside(module, said))
        if with_wrk and WRK:
            length = str(int(seconds + 2 * SETTLE_SECONDS))
            options = ["-t1", f"-c{WRK_CONNECTIONS}", f"-d{length}s", f"http://127.0.0.1:{port}/"]
            wrk: Process = stack.enter_context(beside([WRK, *options], wrk_said))
        wait_running(daemon.process, SETTLE_SECONDS, daemon.said)
        before, begin = Sample.take(daemon, bench), time.time()
        wait_running(daemon.process, seconds, daemon.said)
        after, end = Sample.take(daemon, bench), time.time()
        if with_wrk and WRK:
            wrk.wait(START_SECONDS)
    wait_running(daemon.process, 1, daemon.said)  # until its buffers are written
    assert daemon.successes is not None
    names = workload.addresses(bench.site.origin(workload.kind))
    lines = daemon.successes.read_text("utf-8").split("\n")[:-1]
    found = late.lateness_of(lines, names, workload.interval_seconds, begin, end)
    used = after.cpu_seconds - before.cpu_seconds
    return Window(
        name,
        found,
        used / max(found.checks, 1) * 1e6,
        used / (after.at - before.at),
        json.loads(said.read_text("utf-8").splitlines()[-1]) if viewers else {},
        _requests_a_second(wrk_said) if with_wrk and WRK else "",
    )


def _requests_a_second(said: Path) -> str:
    lines = said.read_text("utf-8").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("Requests/sec")), "?")


def rows(windows: Sequence[Window]) -> list[tuple[str, ...]]:
    """Return the cells of the table: a line for each figure, a column for each window."""

    def milliseconds(values: Sequence[float], part: float) -> str:
        ordered = sorted(values)
        return f"{ordered[min(int(part * len(ordered)), len(ordered) - 1)] * 1000:.0f} ms" if ordered else "-"

    def row(what: str, cell: Any) -> tuple[str, ...]:
        return (what, *(cell(window) for window in windows))

    return [
        row("checks begun within 50 ms of their slot", lambda window: f"{window.in_time_share:.2%}"),
        row("lateness, p50", lambda window: f"{window.lateness.quantile(0.5) * 1000:.0f} ms"),
        row("lateness, p99", lambda window: f"{window.lateness.quantile(0.99) * 1000:.0f} ms"),
        row("lateness, most", lambda window: f"{window.lateness.quantile(1.0) * 1000:.0f} ms"),
        row(
            "slots without a success",
            lambda window: f"{max(window.lateness.slots - window.lateness.checks, 0):,} of {window.lateness.slots:,}",
        ),
        row("the daemon's share of its core", lambda window: f"{window.core_share:.0%}"),
        row("scrape, median", lambda window: milliseconds(window.seen.get("scrape_seconds", ()), 0.5)),
        row(
            "overview, first byte, median", lambda window: milliseconds(window.seen.get("first_byte_seconds", ()), 0.5)
        ),
        row("overview, first byte, p99", lambda window: milliseconds(window.seen.get("first_byte_seconds", ()), 0.99)),
        row("overview, whole, median", lambda window: milliseconds(window.seen.get("page_seconds", ()), 0.5)),
        row("refused", lambda window: f"{window.seen.get('refused', 0)}"),
        row("wrk, pages a second", lambda window: window.wrk or "-"),
    ]


def cost_rows(costs: Sequence[tuple[str, float]]) -> list[tuple[str, str]]:
    """Return the cells of the table of costs: each run, then the ratio of the medians."""
    medians = {name: median(cost for one, cost in costs if one == name) for name in ("off", "on")}
    cells = [(name, f"{cost:.0f} µs") for name, cost in costs]
    return [*cells, ("on ÷ off", f"{medians['on'] / medians['off']:.3f}")]

"""Measures the cost of the page for the checks: under attack, and with a few viewers."""

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from statistics import median

from benchmarks.children import free_port
from benchmarks.lateness import FLUSH_SECONDS, lateness_of
from benchmarks.programs import WATCHER, module
from benchmarks.servers import Bench, serving
from benchmarks.showing import Table, benchmark, milliseconds, option
from benchmarks.workload import Kind, Workload

WRK = shutil.which("wrk")
WRK_CONNECTIONS = 100
IN_TIME_SECONDS = 0.05
SETTLE_SECONDS = 4.0  # until all viewers have connected

Viewers = Mapping[str, float]  # options of `benchmarks.viewers`
OFF: Viewers = {}
ATTACK: Viewers = {"streams": 500, "drips": 300, "scrape_seconds": 1, "look_seconds": 0.5}
TEN_BROWSERS: Viewers = {"browsers": 10, "scrape_seconds": 15}
NOW_AND_THEN = {"scrape_seconds": 5, "look_seconds": 1}
LOADS = {"a scrape now and then": NOW_AND_THEN, "ten browsers": TEN_BROWSERS, "attack": ATTACK}


@benchmark()
@option("--targets", default=10_000)
@option("--rate", default=500.0, help="Checks a second of all targets.")
@option("--seconds", default=20.0, help="Length of each measurement.")
@option("--repeat", default=0, help="Runs with and without the page.")
def web(targets: int, rate: float, seconds: float, repeat: int) -> Iterator[Table]:
    """Load and attack the page: measure the lateness of checks meanwhile, and the cost of a check.

    Example: python -m benchmarks web --targets 10000 --rate 500 --repeat 3
    """
    workload = Workload(Kind.HTTP, targets, rate)
    with serving() as bench:
        windows = {name: _window(bench, workload, seconds, viewers)[1] for name, viewers in LOADS.items()}
        costs = [
            (name, _window(bench, workload, seconds, viewers)[0])
            for _ in range(repeat)
            for name, viewers in (("off", OFF), ("on", TEN_BROWSERS))
        ]
    rows = [(what, *(window[what] for window in windows.values())) for what in next(iter(windows.values()))]
    title = f"the page, {targets:,} targets, {rate:g} checks a second"
    yield Table(title, " | ".join(f"{column} {{}}" for column in ("what", *windows)), rows)
    if costs:
        off, on = (median(cost for name, cost in costs if name == which) for which in ("off", "on"))
        lines = [*((name, f"{cost:.0f} µs") for name, cost in costs), ("on ÷ off", f"{on / off:.3f}")]
        yield Table("CPU time a check", "WATCHER_HTTP {} | CPU a check {}", lines)


def _window(bench: Bench, workload: Workload, seconds: float, viewers: Viewers) -> tuple[float, dict[str, str]]:
    """Run the daemon with viewers, or without its page; return the microseconds of a check, and all figures."""
    port = free_port()
    with WATCHER.begun(bench, workload, WATCHER_HTTP=f"127.0.0.1:{port}" if viewers else "off") as daemon:
        with ExitStack() as beside:
            if viewers:
                command = module("viewers", port=port, **viewers)
                beside.enter_context(bench.running(command, daemon.folder, "viewers"))
            if viewers is ATTACK and WRK:
                options = ["-t1", f"-c{WRK_CONNECTIONS}", f"-d{seconds + 2 * SETTLE_SECONDS:.0f}s"]
                command = [WRK, *options, f"http://127.0.0.1:{port}/"]
                wrk = beside.enter_context(bench.running(command, daemon.folder, "wrk"))
            daemon.go_on(SETTLE_SECONDS)
            begin, before = time.time(), daemon.cpu_seconds()
            daemon.go_on(seconds)
            end, used = time.time(), daemon.cpu_seconds() - before
            if viewers is ATTACK and WRK:
                wrk.process.wait(3 * SETTLE_SECONDS)
        daemon.go_on(FLUSH_SECONDS)
        found = lateness_of([daemon.successes], workload, bench.site.ports, begin, end)
        said = {file.stem: file.read_text("utf-8") for file in daemon.folder.glob("*.said")}
    cells = found.cells()
    in_time = sum(late <= IN_TIME_SECONDS for late in found.seconds) / max(found.slots, len(found.seconds), 1)
    pages = re.search(r"^Requests/sec:\s*(\S+)", said.get("wrk", ""), re.MULTILINE)
    seen = json.loads(said["viewers"].splitlines()[-1]) if viewers else {"scrape": (), "overview": ()}
    return used / max(len(found.seconds), 1) * 1e6, {
        "checks begun within 50 ms of their slot": f"{in_time:.2%}",
        **{f"lateness, {name}": cells[name] for name in ("p50", "p99", "most")},
        "slots without a success": cells["slots without a success"],
        "the daemon's share of its core": f"{used / (end - begin):.0%}",
        "scrape, median": milliseconds(seen["scrape"], 0.5),
        "overview, first byte, median": milliseconds(seen["overview"], 0.5),
        "overview, first byte, p99": milliseconds(seen["overview"], 0.99),
        "wrk, pages a second": pages[1] if pages else "-",
    }

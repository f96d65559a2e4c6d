"""The command line: compares programs; measures lateness, reloads, rest, the page, replicas, outbox and queries."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from benchmarks import lateness as late
from benchmarks import reload as reloads
from benchmarks import rest as rests
from benchmarks import scale as scales
from benchmarks import tables
from benchmarks import web as webs
from benchmarks.assignment import assignment
from benchmarks.children import ProgramEndedError, end_on_signals, wait_running
from benchmarks.machine import Cores, describe
from benchmarks.measure import Timing, measure, wait_begun
from benchmarks.nginx import serving
from benchmarks.postgres import database
from benchmarks.programs import NGINX_MISSING, PROGRAMS, Bench, start_watcher
from benchmarks.queries import queries
from benchmarks.showing import say, show, show_machine, write
from benchmarks.storage import storage
from benchmarks.workload import Kind, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.measure import Figures
    from benchmarks.programs import Program

    Run = tuple[Program, Workload, int]

TARGETS = "100,1000,10000,100000"
MEMORY_COLUMNS = ("kind", "program", "targets", "memory a target")
# The commands that need no site.
WITHOUT_NGINX = ("storage", "queries", "assignment")
LATENESS_COLUMNS = ("what", "lateness")


class _Names(click.ParamType[tuple[str, ...]]):
    """Several names, separated by commas."""

    name = "names"

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        names = tuple(value.split(",")) if isinstance(value, str) else tuple(value)
        for name in names:
            if name not in self._known:
                self.fail(f"{name!r} is not among {', '.join(self._known)}", param, ctx)
        return names


class _Counts(click.ParamType[tuple[int, ...]]):
    """Several whole numbers, separated by commas."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = value.split(",") if isinstance(value, str) else [str(number) for number in value]
        if not all(part.isdecimal() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is not a list of numbers such as 100,1000", param, ctx)
        return tuple(map(int, parts))


@click.group(invoke_without_command=True)
@click.option("--kinds", type=_Names([kind.value for kind in Kind]), default=",".join(Kind), show_default=True)
@click.option("--targets", type=_Counts(), default=TARGETS, show_default=True)
@click.option(
    "--programs",
    type=_Names([program.name for program in PROGRAMS]),
    default=",".join(program.name for program in PROGRAMS),
    show_default=True,
)
@click.option("--rate", type=float, default=750.0, show_default=True, help="Checks a second of all targets.")
@click.option("--workers", type=int, default=100, show_default=True, help="Checks in flight at once.")
@click.option("--seconds", type=float, default=20.0, show_default=True, help="Length of each measurement.")
@click.option("--warm-up", type=float, default=6.0, show_default=True, help="Seconds before each measurement.")
@click.option("--start", type=float, default=600.0, show_default=True, help="Seconds that a program may take to start.")
@click.option("--repeat", type=int, default=1, show_default=True, help="Runs of each program, in turns.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
@click.option("--markdown", is_flag=True, help="Print the tables in Markdown.")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Compare the cost of a check: CPU time and memory, each program alone on one core.

    Example: python -m benchmarks --kinds http --targets 1000 --programs watcher,aiohttp --seconds 10
    """
    end_on_signals()
    if NGINX_MISSING and context.invoked_subcommand not in WITHOUT_NGINX:
        raise click.ClickException(NGINX_MISSING)
    if context.invoked_subcommand is None:
        _compare(**options)


@main.command()
@click.option("--rate", type=float, default=1000.0, show_default=True, help="Checks a second of all targets.")
@click.option("--targets", type=int, default=1000, show_default=True)
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), default="http", show_default=True)
@click.option("--workers", type=int, default=100, show_default=True, help="Checks in flight at once.")
@click.option("--seconds", type=float, default=20.0, show_default=True, help="Length of the measurement.")
@click.option("--warm-up", type=float, default=6.0, show_default=True, help="Seconds before the measurement.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
@click.option("--markdown", is_flag=True, help="Print the table in Markdown.")
def lateness(
    rate: float,
    targets: int,
    kind: str,
    workers: int,
    seconds: float,
    warm_up: float,
    json_file: Path | None,
    markdown: bool,
) -> None:
    """Measure how long after its slot a check of watcher starts.

    Example: python -m benchmarks lateness --rate 1000 --targets 1000
    """
    workload = Workload(Kind(kind), targets, rate, workers)
    with _bench() as bench, TemporaryDirectory(prefix="benchmark-") as name:
        machine = describe(bench.cores)
        watcher = next(program for program in PROGRAMS if program.name == "watcher")
        with start_watcher(bench, workload, Path(name)) as running:
            assert running.successes is not None
            try:
                wait_begun(watcher, workload, bench, running, limit_seconds=600)
                wait_running(running.process, warm_up, running.said)
                begin = time.time()
                wait_running(running.process, seconds, running.said)
                end = time.time()
                wait_running(running.process, 1, running.said)  # until its buffers are written
            except ProgramEndedError as error:
                raise click.ClickException(f"watcher {error}") from error
            names = workload.addresses(bench.site.origin(workload.kind))  # the address is the name by default
            with running.successes.open(encoding="utf-8") as lines:
                whole = (line for line in lines if line.endswith("\n"))
                found = late.lateness_of(whole, names, workload.interval_seconds, begin, end)
    title = f"lateness at {rate:g} checks a second, {targets:,} targets, {kind}"
    show(title, LATENESS_COLUMNS, late.rows(found), markdown=markdown)
    show_machine(machine, markdown=markdown)
    write(json_file, {"machine": machine, "rate": rate, "targets": targets, "kind": kind, "lateness": asdict(found)})


@main.command()
@click.option("--targets", type=int, default=10_000, show_default=True)
@click.option("--rate", type=float, default=500.0, show_default=True, help="Checks a second of all targets.")
@click.option("--times", type=int, default=5, show_default=True, help="Number of reloads.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
@click.option("--markdown", is_flag=True, help="Print the table in Markdown.")
def reload(targets: int, rate: float, times: int, json_file: Path | None, markdown: bool) -> None:
    """Change one target repeatedly: measure the time until it is applied, and the lateness of checks meanwhile.

    Example: python -m benchmarks reload --targets 10000 --times 5
    """
    with _bench() as bench:
        machine = describe(bench.cores)
        try:
            found = reloads.measure_reloads(bench, targets, rate, times)
        except ProgramEndedError as error:
            raise click.ClickException(f"watcher {error}") from error
    title = f"one of {targets:,} targets changed, {rate:g} checks a second"
    show(title, reloads.COLUMNS, reloads.rows(found), markdown=markdown)
    show_machine(machine, markdown=markdown)
    write(json_file, {"machine": machine, "targets": targets, "rate": rate, **asdict(found)})


@main.command()
@click.option("--targets", type=int, default=10, show_default=True)
@click.option("--interval", type=float, default=60.0, show_default=True, help="Seconds between two checks of one.")
@click.option("--seconds", type=float, default=120.0, show_default=True, help="Of each measurement; whole minutes.")
@click.option("--warm-up", type=float, default=30.0, show_default=True, help="Seconds before each measurement.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures here.")
@click.option("--markdown", is_flag=True, help="Print the table in Markdown.")
def rest(targets: int, interval: float, seconds: float, warm_up: float, json_file: Path | None, markdown: bool) -> None:
    """Count how often a daemon wakes that has hardly anything to check, and what it takes meanwhile.

    Example: python -m benchmarks rest --seconds 60
    """
    with _bench() as bench:
        machine = describe(bench.cores)
        try:
            found = list(rests.measure_rest(bench, targets, interval, warm_up, seconds))
        except ProgramEndedError as error:
            raise click.ClickException(f"watcher {error}") from error
    show(f"{targets:,} targets each {interval:g} s", rests.COLUMNS, rests.rows(found), markdown=markdown)
    show_machine(machine, markdown=markdown)
    write(json_file, {"machine": machine, "targets": targets, "runs": [asdict(one) for one in found]})


@main.command()
@click.option("--targets", type=int, default=10_000, show_default=True)
@click.option("--rate", type=float, default=500.0, show_default=True, help="Checks a second of all targets.")
@click.option("--seconds", type=float, default=20.0, show_default=True, help="Length of each measurement.")
@click.option("--repeat", type=int, default=0, show_default=True, help="Runs with and without the page.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
@click.option("--markdown", is_flag=True, help="Print the tables in Markdown.")
def web(targets: int, rate: float, seconds: float, repeat: int, json_file: Path | None, markdown: bool) -> None:
    """Load and attack the page: measure the lateness of checks meanwhile, and the cost of a check.

    Example: python -m benchmarks web --targets 10000 --rate 500 --repeat 3
    """
    with _bench() as bench:
        machine = describe(bench.cores)
        try:
            windows = list(webs.measure_web(bench, targets, rate, seconds))
            costs = list(webs.measure_cost(bench, targets, rate, seconds, repeat))
        except ProgramEndedError as error:
            raise click.ClickException(f"watcher {error}") from error
    title = f"the page, {targets:,} targets, {rate:g} checks a second"
    show(title, ("what", *(window.name for window in windows)), webs.rows(windows), markdown=markdown)
    if costs:
        show("CPU time a check", ("WATCHER_HTTP", "CPU a check"), webs.cost_rows(costs), markdown=markdown)
    show_machine(machine, markdown=markdown)
    write(json_file, {"machine": machine, "windows": [asdict(window) for window in windows], "costs": costs})


@main.command()
@click.option("--targets", type=_Counts(), default="10000,100000", show_default=True)
@click.option("--replicas", type=_Counts(), default="1,2,4", show_default=True)
@click.option("--rate", type=float, default=500.0, show_default=True, help="Checks a second of all replicas.")
@click.option("--seconds", type=float, default=60.0, show_default=True, help="Each measurement; whole minutes.")
@click.option("--warm-up", type=float, default=30.0, show_default=True, help="Seconds before each measurement.")
@click.option("--limit", type=float, default=120.0, show_default=True, help="Seconds that each step may take.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
@click.option("--markdown", is_flag=True, help="Print the tables in Markdown.")
def scale(
    targets: tuple[int, ...],
    replicas: tuple[int, ...],
    rate: float,
    seconds: float,
    warm_up: float,
    limit: float,
    json_file: Path | None,
    markdown: bool,
) -> None:
    """Run replicas on one database: measure the cost of a check in both, and the time of a handover.

    Example: python -m benchmarks scale --targets 500 --replicas 2 --rate 50 --seconds 5 --warm-up 2
    """
    found = []
    with _bench() as bench:
        machine = describe(bench.cores)
        for one in scales.runs(bench, targets, replicas, rate, warm_up, seconds, limit):
            found.append(one)
            say(f"{one.targets:,} targets, {one.replicas} replicas: {one.checks / one.seconds:.0f} checks/s")
            write(json_file, {"machine": machine, "rate": rate, "runs": [asdict(one) for one in found]})
    show(f"replicas, {rate:g} checks a second", scales.COLUMNS, scales.rows(found), markdown=markdown)
    show("handovers", scales.HANDOVER_COLUMNS, scales.handover_rows(found), markdown=markdown)
    show_machine(machine, markdown=markdown)


def _compare(
    kinds: tuple[str, ...],
    targets: tuple[int, ...],
    programs: tuple[str, ...],
    rate: float,
    workers: int,
    repeat: int,
    json_file: Path | None,
    markdown: bool,
    **times: float,
) -> None:
    timing = Timing(times["start"], times["warm_up"], times["seconds"])
    chosen = [program for program in PROGRAMS if program.name in programs]
    workloads = [Workload(Kind(kind), count, rate, workers) for kind in kinds for count in targets]
    for program in (program for program in chosen if program.missing):
        say(f"{program.name} skipped: {program.missing}")
    for kind in kinds:
        unable = [program.name for program in chosen if kind not in program.kinds]
        if unable:
            say(f"{kind} not supported by {', '.join(unable)}")
    runs = list(_in_turns(chosen, workloads, repeat))
    figures: list[Figures] = []
    with _bench() as bench:
        machine = describe(bench.cores)
        for number, (program, workload, turn) in enumerate(runs, 1):
            run = measure(program, workload, bench, timing, turn)
            figures.append(run)
            outcome = run.error or f"{run.rate:.0f} checks/s, {run.cpu_microseconds:.0f} µs a check"
            name = f"{program.name}, {workload.kind}, {workload.targets:,} targets"
            say(f"{number} of {len(runs)}: {name}: {outcome}")
            write(json_file, {"machine": machine, "runs": [_plain(one) for one in figures]})
    found = tables.summaries(figures)
    show("CPU time and memory", tables.COLUMNS, list(tables.rows(found)), markdown=markdown)
    if per_target := list(tables.memory_rows(found)):
        show("Memory a target", MEMORY_COLUMNS, per_target, markdown=markdown)
    show_machine(machine, markdown=markdown)
    for line in tables.complaints(figures):
        say(line)


def _in_turns(programs: Sequence[Program], workloads: Sequence[Workload], repeat: int) -> Iterator[Run]:
    """Run the programs in turns at each workload, so that a drift of the machine affects all alike."""
    for workload in workloads:
        for turn in range(repeat):
            for program in programs:
                if workload.kind in program.kinds and not program.missing:
                    yield program, workload, turn


@contextmanager
def _bench() -> Iterator[Bench]:
    """Run nginx and PostgreSQL on one core; this process moves there first, and they inherit it."""
    cores = Cores.of(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores.others})
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(TemporaryDirectory(prefix="benchmark-"))) for _ in range(2)]
        site = stack.enter_context(serving(folders[0], cores.others))
        yield Bench(site, stack.enter_context(database(folders[1])), cores)


def _plain(run: Figures) -> dict[str, Any]:
    return {**asdict(run), "rate": run.rate, "cpu_microseconds": run.cpu_microseconds}


main.add_command(storage)
main.add_command(queries)
main.add_command(assignment)

if __name__ == "__main__":
    main(prog_name="python -m benchmarks")

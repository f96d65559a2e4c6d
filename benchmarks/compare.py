"""Compares programs: divides the CPU time of each by the number of checks that the server saw."""

import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple

import click
import psutil

from benchmarks.children import Child, ProgramEndedError
from benchmarks.programs import PROGRAMS, Program
from benchmarks.servers import Bench, serving
from benchmarks.showing import Several, Table, benchmark, option, say
from benchmarks.workload import Kind, Workload

NAMES = [program.name for program in PROGRAMS]
# Other programs disturb a program's caches and take time from its core: a larger share is reported.
DISTURBED_SHARE = 0.05
COMPARED_TO = ("aiohttp", "blackbox", "sockets")
HEAD = (
    "kind {} | targets {:,} | program {} | checks/s {:.0f} | CPU a check {:.0f} µs | "
    "÷ aiohttp {:.2f} | ÷ blackbox {:.2f} | ÷ sockets {:.2f} | peak memory {:.0f} MiB"
)
MEMORY_HEAD = "kind {} | program {} | targets {} | memory a target {:.2f} KiB"


class Figures(NamedTuple):
    """The figures of a run, or the medians of several: memory is at its peak, and at the end (VmHWM, VmRSS)."""

    rate: float
    cpu_microseconds: float
    peak_mib: float
    resident_kib: float


Runs = Mapping[tuple[str, int, str], Sequence[Figures]]  # by kind, targets and program


class Counters(NamedTuple):
    """A reading of all counters, or the difference of two."""

    seconds: float  # on a monotonic clock
    cpu_seconds: float  # of the program, with its ended threads
    core_busy_seconds: float  # of its core, by any program
    server_busy_seconds: float  # of the core of the server and everything else
    checks: float  # requests that the server saw
    success_bytes: float  # the size of the file of successes


def read(child: Child, bench: Bench) -> Counters:
    """Read all counters."""
    busy = [times.user + times.nice + times.system + times.irq + times.softirq for times in psutil.cpu_times(True)]
    size = child.successes.stat().st_size if child.successes.exists() else 0
    cores = busy[bench.cores.program], busy[bench.cores.others]
    return Counters(time.monotonic(), child.cpu_seconds(), *cores, bench.site.requests(), size)


@benchmark(cls=click.Group, invoke_without_command=True)
@option("--kinds", type=Several(click.Choice([kind.value for kind in Kind])), default=",".join(Kind))
@option("--targets", type=Several(click.IntRange(1)), default="100,1000,10000,100000")
@option("--programs", type=Several(click.Choice(NAMES)), default=",".join(NAMES))
@option("--rate", default=750.0, help="Checks a second of all targets.")
@option("--seconds", default=20.0, help="Length of each measurement.")
@option("--warm-up", default=6.0, help="Seconds before each measurement.")
@option("--repeat", default=1, help="Runs of each program, in turns.")
def compare(
    kinds: Sequence[str],
    targets: Sequence[int],
    programs: Sequence[str],
    rate: float,
    seconds: float,
    warm_up: float,
    repeat: int,
) -> Iterator[Table]:
    """Compare the cost of a check: CPU time and memory, each program alone on one core.

    Example: python -m benchmarks --kinds http --targets 1000 --programs watcher,aiohttp --seconds 10
    """
    runs: dict[tuple[str, int, str], list[Figures]] = {}
    with serving() as bench:
        for workload in (Workload(Kind(kind), count, rate) for kind in kinds for count in targets):
            # In turns, so that a drift of the machine affects all programs alike.
            for program in [program for program in PROGRAMS if program.name in programs] * repeat:
                name = f"{program.name}, {workload.kind}, {workload.targets:,} targets"
                if program.missing or workload.kind in program.unable:
                    say(f"{name}: {program.missing or 'not supported'}")
                    continue
                found = runs.setdefault((workload.kind, workload.targets, program.name), [])
                try:
                    figures = measure(program, workload, bench, warm_up, seconds)
                except ProgramEndedError as error:
                    say(f"{name}: {error}")
                else:
                    found.append(figures)
                    say(f"{name}: {figures.rate:.0f} checks/s, {figures.cpu_microseconds:.0f} µs a check")
    yield Table("CPU time and memory", HEAD, list(rows(runs)))
    if memory := list(memory_rows(runs)):
        yield Table("Memory a target", MEMORY_HEAD, memory)


def measure(program: Program, workload: Workload, bench: Bench, warm_up: float, seconds: float) -> Figures:
    """Run a program once, and say what is wrong with its figures.

    Args:
        program, workload, bench: what to run, and where.
        warm_up, seconds: from the first checks to the measurement, and its length.

    Raises:
        ProgramEndedError: it cannot do the work.
    """
    with program.begun(bench, workload) as child:
        child.go_on(warm_up)
        first = read(child, bench)
        child.go_on(seconds)
        last = read(child, bench)
        memory = child.numbers()
        written = child.successes.read_bytes() if child.successes.exists() else None
    used = Counters(*(now - then for now, then in zip(last, first, strict=True)))
    successes = None if written is None else written[int(first.success_bytes) : int(last.success_bytes)].count(b"\n")
    for complaint in complaints(used, workload.rate, successes):
        say(f"{program.name}: {complaint}")
    if used.checks == 0:
        raise ProgramEndedError("the server saw no request")
    cost = used.cpu_seconds / used.checks * 1e6
    return Figures(used.checks / used.seconds, cost, memory["VmHWM"] / 1024, memory["VmRSS"])


def complaints(used: Counters, rate: float, successes: int | None) -> Iterator[str]:
    """Yield what is wrong with a run: too few checks, failed checks, or a disturbance."""
    core, server = used.core_busy_seconds / used.seconds, used.server_busy_seconds / used.seconds
    if used.checks < 0.98 * rate * used.seconds:
        behind = f"fell behind, {used.checks / used.seconds:.0f} of {rate:g} checks a second"
        yield f"{behind}; its core was used to {core:.0%}, the server's to {server:.0%}"
    if successes is not None and abs(successes - used.checks) > 0.02 * used.checks:
        yield f"{successes} successes written of {used.checks} checks that the server saw"
    if (others_share := core - used.cpu_seconds / used.seconds) > DISTURBED_SHARE:
        yield f"disturbed, others used {others_share:.0%} of its core"


def medians(runs: Runs) -> dict[tuple[str, int, str], Figures]:
    """Join the repeats of every run that has figures."""
    return {key: Figures(*map(median, zip(*found, strict=True))) for key, found in runs.items() if found}


def rows(runs: Runs) -> Iterator[tuple[object, ...]]:
    """Yield each row of the main table, as in HEAD."""
    joined = medians(runs)
    for kind, targets, name in runs:
        one = joined.get((kind, targets, name))
        if one is None:
            yield (kind, targets, name, None, None, *(None for _ in COMPARED_TO), None)
            continue
        others = [joined.get((kind, targets, other)) for other in COMPARED_TO]
        ratios = [other and one.cpu_microseconds / other.cpu_microseconds for other in others]
        yield (kind, targets, name, one.rate, one.cpu_microseconds, *ratios, one.peak_mib)


def memory_rows(runs: Runs) -> Iterator[tuple[object, ...]]:
    """Yield the memory a target: of each program, between its fewest and its most targets."""
    memory: dict[tuple[str, str], dict[int, float]] = {}
    for (kind, targets, name), one in medians(runs).items():
        memory.setdefault((kind, name), {})[targets] = one.resident_kib
    for (kind, name), kib in memory.items():
        few, many = min(kib), max(kib)
        if few < many:
            yield kind, name, f"{few:,} to {many:,}", (kib[many] - kib[few]) / (many - few)

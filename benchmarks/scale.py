"""Measures the cost of several replicas on one database, and the time of a handover between them."""

import itertools
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import psutil

from benchmarks.children import Child, ProgramEndedError, cpu_seconds
from benchmarks.lateness import lateness_of
from benchmarks.programs import WATCHER
from benchmarks.servers import EMPTY, Bench, ask, serving
from benchmarks.showing import Several, Table, benchmark, option, quantile, say
from benchmarks.workload import Kind, Workload

HEAD = (
    "targets {:,} | replicas {:.0f} | checks/s {:.0f} | CPU a check {:.0f} µs | database {:.1%} of a core | "
    "a check {:.0f} µs | rows/s {:,.1f} | commits/s {:,.1f} | connections {:.0f} | memory {:,.0f} MiB"
)
HANDOVER_HEAD = (
    "what {} | targets {:,} | replicas {} | moved {:,} | taken over after {} | CPU {:.2f} s | "
    "latest check {:.2f} s | missed {} | twice {:,}"
)
# The first checks run at no more than 500 a second.
FIRST_CHECKS_A_SECOND = 250
POLL_SECONDS = 0.1
# Time to catch up on checks, and to write the buffers of the log, before it is read.
SETTLE_SECONDS = 4.0

_STARTED = re.compile(rb"^(\S+) info started targets=", re.MULTILINE)
_SHARE = re.compile(rb"^(\S+) info share epoch=(\d+) replicas=(\d+) targets=(\d+)", re.MULTILINE)
# The connection that asks is not counted.
_COUNTERS = """
SELECT tup_inserted + tup_updated + tup_deleted AS rows, xact_commit AS commits,
       split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid,
       (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS connections
FROM pg_stat_database WHERE datname = current_database()
"""


class Share(NamedTuple):
    """The last log line of a replica's share: its time in seconds since 1970, its replicas and targets."""

    at: float
    epoch: int
    replicas: int
    targets: int


class Fleet:
    """The running replicas of one database on one core, each in a folder of its own, and their handovers."""

    def __init__(self, bench: Bench, workload: Workload, limit_seconds: float, stack: ExitStack) -> None:
        """Start with none; a step that takes longer than the limit is reported, and the next one begins."""
        self.bench = bench
        self.workload = workload
        self.limit_seconds = limit_seconds
        self._stack = stack
        self._logs: list[Path] = []
        self.replicas: list[Child] = []
        self.handovers: list[tuple[object, ...]] = []  # the rows of their table

    def start(self, folder: Path | None = None) -> None:
        """Start one more replica, in a new folder or in that of one that has ended."""
        if folder is None:
            folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="benchmark-")))
            self._logs.append(folder / "monitor.log")
        self.replicas.append(self._stack.enter_context(WATCHER.start(self.bench, self.workload, folder)))

    def go_on(self, seconds: float) -> None:
        """Let all replicas run for some seconds."""
        wait_until = time.monotonic() + seconds
        for one in self.replicas:
            one.go_on(wait_until - time.monotonic())

    def wait(self, what: str, done: Callable[[], bool] | None = None, more_seconds: float = 0.0) -> bool:
        """Wait until all replicas share all targets, or for another condition; return whether it came in time."""
        limit_seconds = self.limit_seconds + more_seconds
        give_up_at = time.monotonic() + limit_seconds
        while not (done or self._has_shared)():
            if time.monotonic() > give_up_at:
                say(f"{what}: did not end within {limit_seconds:g} s")
                return False
            self.go_on(POLL_SECONDS)
        return True

    def _has_shared(self) -> bool:
        return is_shared(shares(self.replicas), len(self.replicas), self.workload.targets)

    def cpu_seconds(self) -> float:
        """Return the CPU time of all running replicas."""
        return sum(one.cpu_seconds() for one in self.replicas)

    def counters(self) -> dict[str, float]:
        """Read all counters of the replicas and of the database."""
        # This query is counted as well, in all readings alike.
        (found,) = ask(self.bench.database, _COUNTERS)
        server = found.pop("pid")
        ended = psutil.Process(server).cpu_times()  # of PostgreSQL's processes that have ended
        return {
            **found,
            "seconds": time.monotonic(),
            "checks": self.bench.site.requests(),
            "cpu_seconds": self.cpu_seconds(),
            "database_seconds": cpu_seconds(server) + ended.children_user + ended.children_system,
        }

    def come(self, more: int) -> None:
        """Start more replicas, and measure the time until all share the targets."""
        before, used, began = len(self.replicas), self.cpu_seconds(), time.time()
        for _ in range(more):
            self.start()
        has_ended = self.wait(f"the coming of {more}")
        coming = self.replicas[before:]
        moved = sum(share.targets for share in shares(coming))
        # They take over from when the last of them has read its file.
        started = [_seconds(at) for one in coming for at in _STARTED.findall(one.said.read_bytes())]
        self._handed_over("joined", before, moved, max([began, *started]), used, has_ended=has_ended)

    def hand_over(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the last replica, and measure the time until the others have its targets."""
        before, leaving = len(self.replicas), self.replicas.pop()
        moved = sum(share.targets for share in shares([leaving]))
        sent, used = time.time(), self.cpu_seconds()
        leaving.process.send_signal(number)
        has_ended = self.wait(f"one of {before} {name}")
        self._handed_over(name, before, moved, sent, used, has_ended=has_ended)
        leaving.process.wait(self.limit_seconds)

    def _handed_over(self, name: str, before: int, moved: int, began: float, used: float, *, has_ended: bool) -> None:
        """Keep the row of a handover: with the CPU time of all, and the checks until a second after its end."""
        done = max(share.at for share in shares(self.replicas)) if has_ended else time.time()
        used = self.cpu_seconds() - used
        self.go_on(1 + SETTLE_SECONDS)
        late = lateness_of(self._logs, self.workload, self.bench.site.ports, began, done + 1)
        took = f"{done - began:.2f} s" if has_ended else f"not within {done - began:.0f} s"
        head = (name, self.workload.targets, f"{before} → {len(self.replicas)}", moved, took, used)
        checks = (quantile(late.seconds, 1.0), f"{late.missed:,} of {late.slots:,}", late.twice)
        self.handovers.append((*head, *checks))

    def start_again(self) -> None:
        """Restart the replica that has ended, with its data folder."""
        self.start(self._logs[-1].parent)
        self.wait("a start on the same data folder")
        self.go_on(SETTLE_SECONDS)


def shares(replicas: Iterable[Child]) -> list[Share]:
    """Return the last share in the log of each replica that logged one."""
    return [share for one in replicas for share in newest_share(one.said.read_bytes())]


def newest_share(said: bytes) -> list[Share]:
    """Return the last share in a daemon's log; empty if there is none."""
    return [Share(_seconds(at), *map(int, numbers)) for at, *numbers in _SHARE.findall(said)[-1:]]


def is_shared(found: Sequence[Share], replicas: int, targets: int) -> bool:
    """Return whether so many replicas agree, and have all targets together."""
    agreed = len({share.epoch for share in found}) == 1 and all(share.replicas == replicas for share in found)
    return agreed and len(found) == replicas and sum(share.targets for share in found) == targets


def _seconds(at: bytes) -> float:
    return datetime.fromisoformat(at.decode()).timestamp()


def row(workload: Workload, replicas: int, before: Mapping[str, float], after: Mapping[str, float]) -> list[float]:
    """Return a row of the main table from two readings of all counters, without the memory."""
    used = {name: after[name] - before[name] for name in after}
    checks, seconds = max(used["checks"], 1), used["seconds"]
    cost = [used["checks"] / seconds, used["cpu_seconds"] / checks * 1e6]
    database = [used["database_seconds"] / seconds, used["database_seconds"] / checks * 1e6]
    work = [used["rows"] / seconds, used["commits"] / seconds, after["connections"]]
    return [workload.targets, replicas, *cost, *database, *work]


def measure(fleet: Fleet, replicas: int, warm_up: float, seconds: float) -> list[float]:
    """Let replicas share targets on an empty database; then stop one, start it again, and kill it.

    The first one starts alone; the others start when it has checked all targets. One alone has no handovers.

    Args:
        fleet, replicas: the empty fleet, and the number of its replicas.
        warm_up, seconds: seconds before the measurement, and its length.

    Returns:
        the row of the main table.

    Raises:
        ProgramEndedError: a replica has ended.
    """
    site, targets = fleet.bench.site, fleet.workload.targets
    for command in EMPTY:
        ask(fleet.bench.database, command)
    wanted = site.requests() + targets
    fleet.start()
    fleet.wait("the first checks", lambda: site.requests() >= wanted, more_seconds=targets / FIRST_CHECKS_A_SECOND)
    if replicas > 1:
        fleet.come(replicas - 1)
    fleet.go_on(warm_up)
    first = fleet.counters()
    fleet.go_on(seconds)
    last = fleet.counters()
    peak_kib = sum(one.numbers()["VmHWM"] for one in fleet.replicas)
    if replicas > 1:
        fleet.hand_over("stopped (SIGTERM)", signal.SIGTERM)
        fleet.start_again()
        fleet.hand_over("killed (SIGKILL)", signal.SIGKILL)
    return [*row(fleet.workload, replicas, first, last), peak_kib / 1024]


@benchmark()
@option("--targets", type=Several(click.IntRange(1)), default="10000,100000")
@option("--replicas", type=Several(click.IntRange(1)), default="1,2,4")
@option("--rate", default=500.0, help="Checks a second of all replicas.")
@option("--seconds", default=60.0, help="Each measurement; whole minutes, so that the number of rollups is right.")
@option("--warm-up", default=30.0, help="Seconds before each measurement.")
@option("--limit", default=120.0, help="Seconds that each step may take.")
def scale(
    targets: Sequence[int], replicas: Sequence[int], rate: float, seconds: float, warm_up: float, limit: float
) -> Iterator[Table]:
    """Run replicas on one database: measure the cost of a check in both, and the time of a handover.

    Example: python -m benchmarks scale --targets 500 --replicas 2 --rate 50 --seconds 5 --warm-up 2
    """
    rows, handovers = [], []
    with serving() as bench:
        for count, several in itertools.product(targets, replicas):
            with ExitStack() as stack:
                fleet = Fleet(bench, Workload(Kind.HTTP, count, rate), limit, stack)
                try:
                    rows.append(measure(fleet, several, warm_up, seconds))
                    say(f"{count:,} targets, {several} replicas: {rows[-1][2]:.0f} checks/s")
                except ProgramEndedError as error:
                    say(f"{count:,} targets, {several} replicas: one {error}")
                handovers += fleet.handovers
    yield Table(f"replicas, {rate:g} checks a second", HEAD, rows)
    yield Table("handovers", HANDOVER_HEAD, handovers)

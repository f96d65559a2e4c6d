"""Measures the cost of several replicas on one database, and the time of a handover between them."""

from __future__ import annotations

import re
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import trio

from benchmarks import lateness as late
from benchmarks.children import ProgramEndedError, wait_running
from benchmarks.measure import MIB, cpu_seconds, memory
from benchmarks.programs import start_watcher
from benchmarks.showing import say
from benchmarks.workload import Kind, Workload
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.lateness import Lateness
    from benchmarks.programs import Bench, Running

COLUMNS = (
    *("targets", "replicas", "checks/s", "CPU a check", "database", "a check", "rows/s", "commits/s"),
    *("connections", "memory"),
)
HANDOVER_COLUMNS = (
    "what",
    "targets",
    "replicas",
    "moved",
    "taken over after",
    "CPU",
    "latest check",
    "missed",
    "twice",
)
# The longest that each step may take, except the first checks, which run at no more than 500 a second.
LIMIT_SECONDS = 120.0
FIRST_CHECKS_A_SECOND = 250
POLL_SECONDS = 0.1
# Time to catch up on checks, and to write the buffers of the log, before it is read.
SETTLE_SECONDS = 4.0

_STARTED = re.compile(rb"^(\S+) info started targets=", re.MULTILINE)
_SHARE = re.compile(rb"^(\S+) info share epoch=(\d+) replicas=(\d+) targets=(\d+)", re.MULTILINE)
_EMPTY = ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
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


@dataclass(frozen=True, slots=True)
class Handover:
    """A move of targets from some replicas to others.

    Attributes:
        name: of the event.
        before, after: the number of replicas.
        targets: how many moved; if it did not end in time, how many had to.
        seconds: from the signal, or from when the last new replica had read its file, until the others had all
            targets; or the whole wait, if they did not have them by then.
        has_ended: whether they had them in time.
        cpu_seconds: of all running replicas meanwhile, their checks included; of new replicas also their start.
        lateness: of all checks from the start until a second after the end.
    """

    name: str
    before: int
    after: int
    targets: int
    seconds: float
    has_ended: bool
    cpu_seconds: float
    lateness: Lateness


@dataclass(frozen=True, slots=True)
class Scale:
    """The figures of a number of replicas together.

    Attributes:
        targets, replicas: their numbers.
        seconds: of the measurement.
        checks: requests that the server saw in it.
        cpu_seconds: of all daemons.
        database_cpu_seconds: of PostgreSQL, with all its processes.
        rows: written, changed or deleted.
        commits: transactions.
        connections: of all daemons, at the end of the measurement.
        peak_bytes: the sum of the daemons' peak memory.
        handovers: when replicas joined, when one was stopped, and when one was killed; empty for one replica.
    """

    targets: int
    replicas: int
    seconds: float
    checks: int
    cpu_seconds: float
    database_cpu_seconds: float
    rows: int
    commits: int
    connections: int
    peak_bytes: int
    handovers: tuple[Handover, ...]


class _Counters(NamedTuple):
    at: float
    checks: int
    cpu_seconds: float
    database_cpu_seconds: float
    database: Mapping[str, int]


class _Fleet:
    """The replicas of a run, each in a folder of its own."""

    def __init__(self, bench: Bench, workload: Workload, limit_seconds: float, stack: ExitStack) -> None:
        self.bench = bench
        self.workload = workload
        self.limit_seconds = limit_seconds
        self._stack = stack
        self._folders: list[Path] = []
        self.replicas: list[Running] = []

    def start(self, folder: Path | None = None) -> None:
        """Start one more replica, in a new folder or in that of one that has ended."""
        if folder is None:
            folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="benchmark-")))
            self._folders.append(folder)
        self.replicas.append(self._stack.enter_context(start_watcher(self.bench, self.workload, folder)))

    def wait(self, done: Callable[[], bool], what: str, limit_seconds: float | None = None) -> bool:
        """Wait for a condition while all replicas run; return whether it came within the limit."""
        limit_seconds = limit_seconds or self.limit_seconds
        give_up_at = time.monotonic() + limit_seconds
        while not done():
            if time.monotonic() > give_up_at:
                say(f"{what}: did not end within {limit_seconds:g} s")
                return False
            self.go_on(POLL_SECONDS)
        return True

    def go_on(self, seconds: float) -> None:
        """Let all replicas run for some seconds."""
        wait_until = time.monotonic() + seconds
        for one in self.replicas:
            wait_running(one.process, wait_until - time.monotonic(), one.said)

    def shares(self) -> list[Share]:
        """Return the last share in the log of each replica that logged one."""
        return [share for one in self.replicas for share in newest_share(one.said.read_bytes())]

    def has_shared(self) -> bool:
        """Return whether all targets are checked, each by one of the running replicas."""
        return is_shared(self.shares(), len(self.replicas), self.workload.targets)

    def counters(self) -> _Counters:
        """Read all counters."""
        # This query is counted as well, in both readings alike.
        database = trio.run(_ask, self.bench.database.url(), (_COUNTERS,))[0]
        return _Counters(
            at=time.monotonic(),
            checks=self.bench.site.served().requests,
            cpu_seconds=self.cpu_seconds(),
            database_cpu_seconds=server_cpu_seconds(psutil.Process(database["pid"])),
            database=database,
        )

    def cpu_seconds(self) -> float:
        """Return the CPU time of all running replicas."""
        return sum(cpu_seconds(one.process.pid) for one in self.replicas)

    def lines(self) -> Iterator[str]:
        """Yield the complete lines of all replicas' successes, also of ended ones."""
        for folder in self._folders:
            with (folder / "monitor.log").open(encoding="utf-8") as lines:
                yield from (line for line in lines if line.endswith("\n"))

    def come(self, more: int) -> Handover:
        """Start more replicas, and wait until all share the targets."""
        before, used, began = len(self.replicas), self.cpu_seconds(), time.time()
        for _ in range(more):
            self.start()
        has_ended = self.wait(self.has_shared, f"the coming of {more}")
        moved = sum(share.targets for one in self.replicas[before:] for share in newest_share(one.said.read_bytes()))
        started = [moment for one in self.replicas[before:] for moment in started_at(one.said.read_bytes())]
        return self._handed_over("joined", before, moved, max([began, *started]), has_ended, used)

    def hand_over(self, name: str, number: signal.Signals) -> Handover:
        """Send a signal to the last replica, and wait until the others have its targets."""
        leaving = self.replicas.pop()
        moved = sum(share.targets for share in newest_share(leaving.said.read_bytes()))
        sent, used = time.time(), self.cpu_seconds()
        leaving.process.send_signal(number)
        has_ended = self.wait(self.has_shared, f"one of {len(self.replicas) + 1} {name}")
        handover = self._handed_over(name, len(self.replicas) + 1, moved, sent, has_ended, used)
        leaving.process.wait(self.limit_seconds)
        return handover

    def _handed_over(self, name: str, before: int, moved: int, began: float, has_ended: bool, used: float) -> Handover:
        done, used = time.time(), self.cpu_seconds() - used
        if has_ended:
            done = max(share.at for share in self.shares())
        self.go_on(1 + SETTLE_SECONDS)
        names = self.workload.addresses(self.bench.site.origin(self.workload.kind))
        found = late.lateness_of(self.lines(), names, self.workload.interval_seconds, began, done + 1)
        return Handover(name, before, len(self.replicas), moved, done - began, has_ended, used, found)

    def start_again(self) -> None:
        """Restart the replica that has ended, with its data folder."""
        self.start(self._folders[-1])
        self.wait(self.has_shared, "a start on the same data folder")
        self.go_on(SETTLE_SECONDS)


def started_at(said: bytes) -> list[float]:
    """Return when a daemon started, in seconds since 1970, from its log; empty if it did not."""
    return [datetime.fromisoformat(match[1].decode()).timestamp() for match in _STARTED.finditer(said)]


def newest_share(said: bytes) -> list[Share]:
    """Return the last share in a daemon's log; empty if there is none."""
    found = [*_SHARE.finditer(said)][-1:]
    return [
        Share(datetime.fromisoformat(match[1].decode()).timestamp(), *(int(match[part]) for part in (2, 3, 4)))
        for match in found
    ]


def is_shared(shares: Sequence[Share], replicas: int, targets: int) -> bool:
    """Return whether so many replicas agree, and have all targets together."""
    return (
        len(shares) == replicas
        and len({share.epoch for share in shares}) == 1
        and all(share.replicas == replicas for share in shares)
        and sum(share.targets for share in shares) == targets
    )


def server_cpu_seconds(server: psutil.Process) -> float:
    """Return the CPU time of PostgreSQL: its first process, its present children, and those that have ended."""
    ended = server.cpu_times()
    return cpu_seconds(server.pid) + float(ended.children_user + ended.children_system)


async def _ask(url: str, queries: Sequence[str]) -> list[dict[str, Any]]:
    async with open_bridge(), open_database(url, command_seconds=60) as database:
        return [await database.fetch(query) for query in queries][-1]


def measure_scale(
    bench: Bench, workload: Workload, replicas: int, warm_up_seconds: float, seconds: float, limit_seconds: float
) -> Scale:
    """Let replicas share targets on an empty database; then stop one, start it again, and kill it.

    The first one starts alone; the others start when it has checked all targets. A step that does not end in time is
    reported, and the others are measured all the same.

    Args:
        bench: sites, database and cores; all replicas are on one core.
        workload: of all of them together.
        replicas: their number.
        warm_up_seconds: before the measurement.
        seconds: of the measurement; whole minutes, so that the number of rollups is right.
        limit_seconds: the longest that each step may take.

    Raises:
        ProgramEndedError: a replica has ended.
    """
    trio.run(_ask, bench.database.url(), _EMPTY)
    before = bench.site.served().requests
    with ExitStack() as stack:
        fleet = _Fleet(bench, workload, limit_seconds, stack)
        fleet.start()
        first_checks_seconds = limit_seconds + workload.targets / FIRST_CHECKS_A_SECOND
        checked = lambda: bench.site.served().requests - before >= workload.targets  # noqa: E731
        fleet.wait(checked, "the first checks", first_checks_seconds)
        handovers = []
        if replicas > 1:  # a replica alone logs no share
            handovers.append(fleet.come(replicas - 1))
        fleet.go_on(warm_up_seconds)
        first = fleet.counters()
        fleet.go_on(seconds)
        last = fleet.counters()
        peak_bytes = sum(memory(one.process.pid)[0] for one in fleet.replicas)
        if replicas > 1:
            handovers.append(fleet.hand_over("stopped (SIGTERM)", signal.SIGTERM))
            fleet.start_again()
            handovers.append(fleet.hand_over("killed (SIGKILL)", signal.SIGKILL))
    return Scale(
        workload.targets,
        replicas,
        last.at - first.at,
        last.checks - first.checks - 1,  # the request for the counters
        last.cpu_seconds - first.cpu_seconds,
        last.database_cpu_seconds - first.database_cpu_seconds,
        last.database["rows"] - first.database["rows"],
        last.database["commits"] - first.database["commits"],
        last.database["connections"],
        peak_bytes,
        tuple(handovers),
    )


def runs(
    bench: Bench,
    targets: Sequence[int],
    replicas: Sequence[int],
    rate: float,
    warm_up: float,
    seconds: float,
    limit: float,
) -> Iterator[Scale]:
    """Measure each number of targets with each number of replicas, all at the same rate."""
    for count in targets:
        for several in replicas:
            workload = Workload(Kind.HTTP, count, rate, workers=100)
            try:
                yield measure_scale(bench, workload, several, warm_up, seconds, limit)
            except ProgramEndedError as error:
                say(f"{count:,} targets, {several} replicas: one {error}")


def rows(found: Sequence[Scale]) -> list[tuple[str, ...]]:
    """Return the cells of each row, as in COLUMNS."""
    return [
        (
            f"{one.targets:,}",
            f"{one.replicas}",
            f"{one.checks / one.seconds:.0f}",
            f"{one.cpu_seconds / max(one.checks, 1) * 1e6:.0f} µs",
            f"{one.database_cpu_seconds / one.seconds:.1%} of a core",
            f"{one.database_cpu_seconds / max(one.checks, 1) * 1e6:.0f} µs",
            f"{one.rows / one.seconds:,.1f}",
            f"{one.commits / one.seconds:,.1f}",
            f"{one.connections}",
            f"{one.peak_bytes / MIB:,.0f} MiB",
        )
        for one in found
    ]


def handover_rows(found: Sequence[Scale]) -> list[tuple[str, ...]]:
    """Return the cells of each handover, as in HANDOVER_COLUMNS."""
    return [
        (
            handover.name,
            f"{one.targets:,}",
            f"{handover.before} → {handover.after}",
            f"{handover.targets:,}",
            f"{handover.seconds:.2f} s" if handover.has_ended else f"not within {handover.seconds:.0f} s",
            f"{handover.cpu_seconds:.2f} s",
            f"{handover.lateness.quantile(1.0):.2f} s",
            f"{handover.lateness.missed:,} of {handover.lateness.slots:,}",
            f"{handover.lateness.twice:,}",
        )
        for one in found
        for handover in one.handovers
    ]

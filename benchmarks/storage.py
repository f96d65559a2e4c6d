"""Measures the cost of the outbox, how much it takes in, and how fast it is stored in PostgreSQL."""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import trio
import trio.lowlevel

from benchmarks.children import Cores
from benchmarks.servers import EMPTY, opened, serving_database
from benchmarks.showing import MIB, Table, benchmark, option, quantile, say
from watcher import log
from watcher.history.rollup import measurement_of
from watcher.model.conclusion import Conclusion
from watcher.model.outcome import Fault, Outcome, Phases, Reason
from watcher.outbox.encoding import encode_failure, joined
from watcher.outbox.minutes import ALL_MINUTES, close_minutes
from watcher.outbox.outbox import Outbox
from watcher.outbox.thread import OutboxThread
from watcher.outbox.writer import Bounds, OutboxWriter
from watcher.postgres.drain import Drain
from watcher.postgres.registration import Registration
from watcher.postgres.store import TableStore
from watcher.postgres.tables.failures import INSERT_FAILURES

Result = TypeVar("Result")

BURST_HEAD = (
    "what {} | failures {:,} | until kept {:.2f} s | most waiting {:,} | "
    "late p50 {:.1f} ms | late p99 {:.1f} ms | late most {:.1f} ms | CPU {:.0f} µs"
)
COST_HEAD = "what {} | at once {:,} | CPU a check {:.1f} µs | of 750 checks/s {:.1%}"
DRAIN_HEAD = "what {} | rows {:,} | seconds {:.2f} | rows/s {:,.0f} | CPU here {:.0f} µs | ÷ the outbox {:.2f}"
CHECKS_A_SECOND = 750
AT_ONCE = (38, 2000)  # the conclusions of 50 ms at that rate, and the most in one transaction
ROWS_ONE_BY_ONE = 5000
WRITE_SECONDS = 600.0
BOUNDS = Bounds(max_bytes=2**40, max_age_seconds=1e9)
# The period of the recorder's hand-over, and of the shared timer of the checks.
GATHER_SECONDS = 0.05
TICK_SECONDS = 0.005
APPENDED_AT_ONCE = 2000
BEGIN = datetime(2026, 11, 24, tzinfo=UTC)
_PHASES = Phases(resolve=0.0031, connect=0.012, tls=0.0402, processing=0.0801, transfer=0.0078)
_FINE = Outcome("", "https://shop.example/health", "default", BEGIN, BEGIN, 0.1432)._replace(
    status_code=200, body_bytes=1256, phases=_PHASES
)
_FAULT = Fault(Reason.STATUS, "503 Service Unavailable")


@benchmark()
@option("--rate", default=10_000, help="Failures a second in the burst.")
@option("--seconds", default=10.0, help="Length of the burst.")
@option("--rows", default=200_000, help="Failures to drain.")
@option("--checks", default=100_000, help="Conclusions to store for their cost.")
@option("--targets", default=1000, help="Targets in the outage of an hour.")
def storage(rate: int, seconds: float, rows: int, checks: int, targets: int) -> Iterator[Table]:
    """Measure the cost of the outbox, how much it takes in, and how fast it is stored in PostgreSQL.

    Example: python -m benchmarks storage --rows 50000 --markdown
    """
    log.configure()
    cores = Cores.here()
    os.sched_setaffinity(0, {cores.others})
    with serving_database() as url:
        for thread in os.listdir("/proc/self/task"):  # noqa: PTH208  # only their numbers
            os.sched_setaffinity(int(thread), {cores.program})
        bursts = [
            (name, *_run(burst, rate=rate, seconds=seconds, kept=kept))
            for name, kept in (("made, and nothing else", False), ("made and kept", True))
        ]
        costs = [
            (name, at_once, _run(cost_of_keeping, count=checks, at_once=at_once, failing=failing))
            for name, failing in (("a success", False), ("a failure", True))
            for at_once in AT_ONCE
        ]
        drained = _run(drain_failures, url=url, rows=rows)
        hour = _run(drain_an_hour, url=url, targets=targets)
        os.sched_setaffinity(0, {cores.others})
    shares = [(*cost, cost[-1] * CHECKS_A_SECOND / 1e6) for cost in costs]
    yield Table(f"a burst of {rate:,} failures a second", BURST_HEAD, bursts)
    yield Table("the cost of keeping a result", COST_HEAD, shares)
    yield Table("into PostgreSQL", DRAIN_HEAD, drain_rows(drained))
    title = f"an outage of an hour, {targets:,} targets, 10 failures a second"
    yield Table(title, "what {} | figure {}", hour)


def _run(work: Callable[..., Any], **arguments: Any) -> Any:
    """Run a part in a loop of its own, with an outbox in a folder."""
    say(work.__name__.replace("_", " "))

    async def run() -> Any:
        with TemporaryDirectory(prefix="benchmark-") as folder:
            disk = NotingThread(Path(folder, "outbox.sqlite"))
            result = await work(disk, **arguments)
            await disk.run(Outbox.close)
            return result

    return trio.run(run)


class NotingThread(OutboxThread):
    """An outbox with an event for each finished job."""

    def __init__(self, path: Path) -> None:
        super().__init__(Outbox(path))
        self.path = path
        self.done = trio.Event()

    async def run(self, job: Callable[[Outbox], Result]) -> Result:
        result = await super().run(job)
        self.done.set()
        self.done = trio.Event()
        return result


class Stopwatch:
    """Measures since its creation: the time, and the CPU time of all threads."""

    def __init__(self) -> None:
        self._begun, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return the seconds, and the CPU seconds."""
        return time.perf_counter() - self._begun, time.process_time() - self._cpu


def conclusions(count: int, *, failing: bool, first: int = 0, targets: int = 1000) -> Iterator[Conclusion]:
    """Create conclusions of checks of many targets, in the order of time."""
    for number in range(first, first + count):
        at = BEGIN + timedelta(milliseconds=number)
        outcome = _FINE._replace(target=f"site {number % targets:04}", scheduled_at=at, started_at=at)
        yield Conclusion(outcome._replace(fault=_FAULT, status_code=503) if failing else outcome)


async def burst(disk: NotingThread, rate: int, seconds: float, *, kept: bool) -> tuple[object, ...]:
    """Let `rate` checks a second fail, and measure the lateness of a schedule in the same loop.

    Args:
        disk, rate, seconds: the outbox, and the burst.
        kept: whether to store the failures; otherwise the cost of making them is measured.

    Returns:
        a row of the table, without its name.
    """
    told = made = most_waiting = 0
    late: list[float] = []

    def tell(_outcome: Outcome, _stored: bool) -> None:
        nonlocal told
        told += 1

    async def tick() -> None:
        due = trio.current_time()
        while True:
            due += TICK_SECONDS
            await trio.sleep_until(due)
            late.append(trio.current_time() - due)

    writer, watch = OutboxWriter(disk, BOUNDS, tell, lambda: None), Stopwatch()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        nursery.start_soon(tick)
        began = trio.current_time()
        while made < rate * seconds:
            await trio.sleep_until(began + made / rate)
            for conclusion in conclusions(int(rate * GATHER_SECONDS), failing=True, first=made):
                if kept:
                    writer.put(conclusion)
                made += 1
            most_waiting = max(most_waiting, made - told)
        while kept and told < made:
            await disk.done.wait()
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    took, cpu_seconds = watch.read()
    lateness = (1000 * (quantile(late, part) or 0.0) for part in (0.5, 0.99, 1.0))
    return (made, *((took, most_waiting) if kept else (None, None)), *lateness, cpu_seconds / made * 1e6)


async def cost_of_keeping(disk: NotingThread, count: int, at_once: int, *, failing: bool) -> float:
    """Return the CPU time in microseconds, of all threads, for storing a conclusion; each burst is a transaction."""
    watch = Stopwatch()
    for _ in conclusions(count, failing=failing):
        pass
    _, making = watch.read()
    writer, watch = OutboxWriter(disk, BOUNDS, lambda _outcome, _stored: None, lambda: None), Stopwatch()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        for first in range(0, count, at_once):
            done = disk.done
            for conclusion in conclusions(at_once, failing=failing, first=first):
                writer.put(conclusion)
            await done.wait()
        writer.close()
    return (watch.read()[1] - making) / count * 1e6


async def drain_failures(disk: NotingThread, url: str, rows: int) -> list[tuple[str, int, float, float]]:
    """Store failures through an outbox and directly; return the name, rows, seconds and CPU seconds of each way."""
    for first in range(0, rows, APPENDED_AT_ONCE):
        await disk.run(partial(Outbox.append, entries=_entries(APPENDED_AT_ONCE, first), now=time.time(), minute=0))
    found = [("from the outbox", *await _drain(disk, url))]
    few = min(rows, ROWS_ONE_BY_ONE)
    ways = (("straight, a thousand in a statement", rows, 1000), ("straight, row by row", few, 1))
    for name, count, at_once in ways:
        batches = [joined(entry[1] for entry in _entries(at_once, first)) for first in range(0, count, at_once)]

        async def insert(connection: Any, batches: list[Any] = batches) -> None:
            for batch in batches:  # each in a transaction
                await connection.execute(INSERT_FAILURES, batch)

        async with opened(url, *EMPTY) as database:
            await database.init_db()
            watch = Stopwatch()
            await database.operate(insert, WRITE_SECONDS)
            found.append((name, count, *watch.read()))
    return found


def _entries(count: int, first: int) -> list[Any]:
    return [encode_failure(one.outcome) for one in conclusions(count, failing=True, first=first)]


async def _drain(disk: NotingThread, url: str) -> tuple[int, float, float]:
    """Empty an outbox into an empty database; return its rows, the seconds and the CPU seconds."""
    rows, ready = disk.outbox.rows, trio.Event()
    ready.set()
    async with opened(url, *EMPTY) as database:
        await database.init_db()
        worker = Drain(disk, TableStore(database, Registration("default", disk.outbox.id, BEGIN, ())))
        worker.close()  # so that it ends when everything is stored
        watch = Stopwatch()
        await worker.run(ready)
        assert disk.outbox.rows == 0, "the database went away"
        return rows, *watch.read()


def drain_rows(drained: list[tuple[str, int, float, float]]) -> list[tuple[object, ...]]:
    """Return the rows of the rates, each against the first one."""
    first = drained[0][1] / drained[0][2]
    return [
        (name, rows, seconds, rows / seconds, cpu_seconds / rows * 1e6, rows / seconds / first)
        for name, rows, seconds, cpu_seconds in drained
    ]


async def drain_an_hour(disk: NotingThread, url: str, targets: int) -> list[tuple[str, str]]:
    """Put the results of an hour's checks into an outbox, and empty it; return the rows of the table."""
    rolling_up = 0.0
    for minute in range(60):
        every = {"first": minute * 60_000, "targets": targets}
        batch = [*conclusions(4 * targets, failing=False, **every), *conclusions(10 * 60, failing=True, **every)]
        measurements = json.dumps([measurement_of(one.outcome) for one in batch])
        entries = [encode_failure(one.outcome) for one in batch if not one.outcome.ok]
        append = partial(Outbox.append, entries=entries, now=time.time(), minute=minute, measurements=measurements)
        await disk.run(append)
        watch = Stopwatch()
        await disk.run(lambda outbox: close_minutes(outbox, time.time(), before_minute=ALL_MINUTES))
        rolling_up += watch.read()[1]
    text_bytes = disk.outbox.payload_bytes
    file_bytes = sum(part.stat().st_size for part in disk.path.parent.iterdir())
    entries_count, seconds, _ = await _drain(disk, url)
    return [
        ("entries in the outbox", f"{entries_count:,}"),
        ("their text", f"{text_bytes / MIB:.1f} MiB"),
        ("the file", f"{file_bytes / MIB:.1f} MiB"),
        ("CPU for the rollups of a minute", f"{rolling_up / 60 * 1000:.0f} ms"),
        ("until all is in PostgreSQL", f"{seconds:.1f} s"),
    ]

"""Measures the cost of storing check results: the parts of `benchmarks.storage` that run on the program's core."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio

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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database

Result = TypeVar("Result")

BOUNDS = Bounds(max_bytes=2**40, max_age_seconds=1e9)
# The period of the recorder's hand-over, and of the shared timer of the checks.
GATHER_SECONDS = 0.05
TICK_SECONDS = 0.005
APPENDED_AT_ONCE = 2000
BEGIN = datetime(2026, 11, 24, tzinfo=UTC)
_FINE = Outcome(
    target="",
    address="https://shop.example/health",
    location="default",
    scheduled_at=BEGIN,
    started_at=BEGIN,
    duration_seconds=0.1432,
    status_code=200,
    body_bytes=1256,
    phases=Phases(resolve=0.0031, connect=0.012, tls=0.0402, processing=0.0801, transfer=0.0078),
)
_FAULT = Fault(Reason.STATUS, "503 Service Unavailable")


@dataclass(frozen=True, slots=True)
class Burst:
    """The effect of a burst of failures on the checks beside it.

    Attributes:
        kept: whether they were stored, or only made.
        failures: their number.
        seconds: from the first until the last was on disk.
        most_waiting: the most that were not on disk yet.
        late_seconds: the lateness of each tick of the schedule, in rising order.
        cpu_seconds: of all threads of the process.
    """

    kept: bool
    failures: int
    seconds: float
    most_waiting: int
    late_seconds: tuple[float, ...]
    cpu_seconds: float

    def quantile(self, part: float) -> float:
        """Return the lateness that this part of the ticks did not exceed (the nearest rank)."""
        rank = max(math.ceil(part * len(self.late_seconds)), 1)
        return self.late_seconds[rank - 1]


@dataclass(frozen=True, slots=True)
class Drained:
    """The speed of storing rows in PostgreSQL.

    Attributes:
        name: of the way.
        rows: their number.
        seconds: that it took.
        cpu_seconds: of this process.
    """

    name: str
    rows: int
    seconds: float
    cpu_seconds: float


class NotingThread(OutboxThread):
    """An outbox with an event for each finished job."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self.done = trio.Event()

    async def run(self, job: Callable[[Outbox], Result]) -> Result:
        """Run a job."""
        result = await super().run(job)
        self.done.set()
        self.done = trio.Event()
        return result


def conclusions(count: int, *, failing: bool, first: int = 0, targets: int = 1000) -> Iterator[Conclusion]:
    """Create conclusions of checks of many targets, in the order of time."""
    for number in range(first, first + count):
        at = BEGIN + timedelta(milliseconds=number)
        outcome = _FINE._replace(target=f"site {number % targets:04}", scheduled_at=at, started_at=at)
        yield Conclusion(outcome._replace(fault=_FAULT, status_code=503) if failing else outcome)


async def burst(folder: Path, rate: int, seconds: float, *, kept: bool) -> Burst:
    """Let checks fail fast, and measure the lateness of a schedule in the same loop.

    Args:
        folder: for the outbox.
        rate: failures a second.
        seconds: length of the burst.
        kept: whether to store them; otherwise the cost of making them is measured.
    """
    disk, told, most_waiting = OutboxThread(Outbox(folder / "outbox.sqlite")), 0, 0
    late: list[float] = []

    def tell(_outcome: Outcome, _stored: bool) -> None:
        nonlocal told
        told += 1

    outbox_writer = OutboxWriter(disk, BOUNDS, tell, lambda: None)
    begun, cpu = time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        scope = nursery.cancel_scope
        nursery.start_soon(outbox_writer.run)
        nursery.start_soon(_tick, late)
        made, began = 0, trio.current_time()
        while made < rate * seconds:
            await trio.sleep_until(began + made / rate)
            for conclusion in conclusions(int(rate * GATHER_SECONDS), failing=True, first=made):
                if kept:
                    outbox_writer.put(conclusion)
                made += 1
            most_waiting = max(most_waiting, made - told)
        while kept and told < made:  # noqa: ASYNC110  # there is no event for it
            await trio.sleep(TICK_SECONDS)
        scope.cancel()
    figures = Burst(
        kept, made, time.perf_counter() - begun, most_waiting, tuple(sorted(late)), time.process_time() - cpu
    )
    await disk.run(Outbox.close)
    return figures


async def _tick(late: list[float]) -> None:
    due = trio.current_time()
    while True:
        due += TICK_SECONDS
        await trio.sleep_until(due)
        late.append(trio.current_time() - due)


async def cost_of_keeping(folder: Path, count: int, at_once: int, *, failing: bool) -> float:
    """Return the CPU seconds, of all threads, for storing a conclusion.

    Args:
        folder: for the outbox.
        count: the number to store.
        at_once: the size of a burst; each is a transaction.
        failing: whether the checks failed.
    """
    making = time.process_time()
    for _ in conclusions(count, failing=failing):
        pass
    making = time.process_time() - making
    disk = NotingThread(Outbox(folder / "outbox.sqlite"))
    outbox_writer = OutboxWriter(disk, BOUNDS, lambda _outcome, _stored: None, lambda: None)
    cpu = time.process_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox_writer.run)
        for first in range(0, count, at_once):
            done = disk.done
            for conclusion in conclusions(at_once, failing=failing, first=first):
                outbox_writer.put(conclusion)
            await done.wait()
        outbox_writer.close()
    cost = (time.process_time() - cpu - making) / count
    await disk.run(Outbox.close)
    return cost


async def fill_with_failures(disk: OutboxThread, count: int, at_once: int = APPENDED_AT_ONCE) -> None:
    """Put failures into an outbox."""
    for first in range(0, count, at_once):
        entries = [encode_failure(one.outcome) for one in conclusions(at_once, failing=True, first=first)]
        await disk.run(partial(Outbox.append, entries=entries, now=time.time(), minute=0))


async def fill_with_an_hour(disk: OutboxThread, targets: int, checks_a_minute: int, failures_a_second: int) -> float:
    """Put the results of an hour's checks into an outbox; return the seconds for a minute's rollups."""
    spent = 0.0
    for minute in range(60):
        batch = [*conclusions(targets * checks_a_minute, failing=False, first=minute * 60_000, targets=targets)]
        failures = [*conclusions(failures_a_second * 60, failing=True, first=minute * 60_000, targets=targets)]
        await disk.run(partial(_append_minute, batch=[*batch, *failures], minute=minute))
        begun = time.process_time()
        await disk.run(lambda outbox: close_minutes(outbox, time.time(), before_minute=ALL_MINUTES))
        spent += time.process_time() - begun
    return spent / 60


def _append_minute(outbox: Outbox, batch: Sequence[Conclusion], minute: int) -> None:
    outbox.append(
        [encode_failure(one.outcome) for one in batch if not one.outcome.ok],
        now=time.time(),
        minute=minute,
        measurements=json.dumps([measurement_of(one.outcome) for one in batch]),
    )


async def drain(disk: OutboxThread, database: Database, name: str) -> Drained:
    """Empty an outbox into PostgreSQL."""
    count, ready = disk.outbox.rows, trio.Event()
    worker = Drain(disk, TableStore(database, Registration("default", disk.outbox.id, BEGIN, ())))
    ready.set()
    worker.close()  # so that it ends when everything is stored
    begun, cpu = time.perf_counter(), time.process_time()
    await worker.run(ready)
    assert disk.outbox.rows == 0, "the database went away"
    return Drained(name, count, time.perf_counter() - begun, time.process_time() - cpu)


async def insert_directly(database: Database, count: int, at_once: int, name: str) -> Drained:
    """Write failures to PostgreSQL without an outbox, `at_once` in a statement and transaction."""
    batches = [
        joined(encode_failure(one.outcome)[1] for one in conclusions(at_once, failing=True, first=first))
        for first in range(0, count, at_once)
    ]

    async def write(connection: Connection) -> Any:
        for batch in batches:
            await connection.execute(INSERT_FAILURES, batch)

    begun, cpu = time.perf_counter(), time.process_time()
    await database.operate(write, 600)
    return Drained(name, count, time.perf_counter() - begun, time.process_time() - cpu)

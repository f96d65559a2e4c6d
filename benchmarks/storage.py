"""Measures the cost of the outbox, how much it takes in, and how fast it is stored in PostgreSQL."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
import trio

from benchmarks.machine import Cores, describe
from benchmarks.measure import MIB
from benchmarks.outbox import (
    Burst,
    Drained,
    burst,
    cost_of_keeping,
    drain,
    fill_with_an_hour,
    fill_with_failures,
    insert_directly,
)
from benchmarks.postgres import database as postgres
from benchmarks.showing import say, show, show_machine, write
from watcher import log
from watcher.outbox.outbox import Outbox
from watcher.outbox.thread import OutboxThread
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import Database, open_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

BURST_COLUMNS = ("what", "failures", "until kept", "most waiting", "late p50", "late p99", "late most", "CPU")
COST_COLUMNS = ("what", "at once", "CPU a check", "of 750 checks/s")
DRAIN_COLUMNS = ("what", "rows", "seconds", "rows/s", "CPU here", "÷ the outbox")
HOUR_COLUMNS = ("what", "figure")
# The conclusions of 50 ms at 750 checks a second, and the most in one transaction.
AT_ONCE = (38, 2000)
CHECKS_A_SECOND = 750
ROWS_ONE_BY_ONE = 5000


@dataclass(frozen=True, slots=True)
class Cost:
    """The CPU time for storing one conclusion, when `at_once` come together."""

    name: str
    at_once: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Hour:
    """The content of the outbox after an outage of an hour, and the time to store it.

    Attributes:
        entries, payload_bytes, file_bytes: the waiting entries, and the size of the files.
        roll_up_seconds: CPU time for the rollups of one minute.
        drained: into PostgreSQL.
    """

    entries: int
    payload_bytes: int
    file_bytes: int
    roll_up_seconds: float
    drained: Drained


def burst_rows(found: Sequence[tuple[str, Burst]]) -> list[tuple[str, ...]]:
    """Return the cells of the table of bursts."""
    return [
        (
            name,
            f"{one.failures:,}",
            f"{one.seconds:.2f} s" if one.kept else "-",
            f"{one.most_waiting:,}" if one.kept else "-",
            *(f"{one.quantile(part) * 1000:.1f} ms" for part in (0.5, 0.99, 1.0)),
            f"{one.cpu_seconds / one.failures * 1e6:.0f} µs",
        )
        for name, one in found
    ]


def cost_rows(found: Sequence[Cost]) -> list[tuple[str, ...]]:
    """Return the cells of the table of costs."""
    return [
        (one.name, f"{one.at_once:,}", f"{one.cpu_seconds * 1e6:.1f} µs", f"{one.cpu_seconds * CHECKS_A_SECOND:.1%}")
        for one in found
    ]


def drain_rows(found: Sequence[Drained]) -> list[tuple[str, ...]]:
    """Return the cells of the table of rates, each against the first one."""
    first = found[0].rows / found[0].seconds
    return [
        (
            one.name,
            f"{one.rows:,}",
            f"{one.seconds:.2f}",
            f"{one.rows / one.seconds:,.0f}",
            f"{one.cpu_seconds / one.rows * 1e6:.0f} µs",
            f"{one.rows / one.seconds / first:.2f}",
        )
        for one in found
    ]


def hour_rows(hour: Hour) -> list[tuple[str, ...]]:
    """Return the cells of the table of an hour's outage."""
    return [
        ("entries in the outbox", f"{hour.entries:,}"),
        ("their text", f"{hour.payload_bytes / MIB:.1f} MiB"),
        ("the file", f"{hour.file_bytes / MIB:.1f} MiB"),
        ("CPU for the rollups of a minute", f"{hour.roll_up_seconds * 1000:.0f} ms"),
        ("until all is in PostgreSQL", f"{hour.drained.seconds:.1f} s"),
    ]


@contextmanager
def _bench() -> Iterator[tuple[str, Path, Cores]]:
    """Run PostgreSQL on one core, and all threads of this process on the other."""
    cores = Cores.of(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores.others})
    with TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        (folder / "postgres").mkdir()
        with postgres(folder / "postgres") as server:
            for thread in os.listdir("/proc/self/task"):  # noqa: PTH208  # only their numbers
                os.sched_setaffinity(int(thread), {cores.program})
            yield server.url(), folder, cores
            os.sched_setaffinity(0, {cores.others})


@asynccontextmanager
async def _empty_database(url: str) -> AsyncIterator[Database]:
    async with open_bridge(), open_database(url, command_seconds=60) as database:
        await database.execute_query("DROP SCHEMA public CASCADE")
        await database.execute_query("CREATE SCHEMA public")
        await database.init_db()
        yield database


async def _drain_all(url: str, folder: Path, count: int) -> list[Drained]:
    disk = OutboxThread(Outbox(folder / "many.sqlite"))
    await fill_with_failures(disk, count)
    async with _empty_database(url) as database:
        found = [await drain(disk, database, "from the outbox")]
    await disk.run(Outbox.close)
    for name, rows, at_once in (
        ("straight, a thousand in a statement", count, 1000),
        ("straight, row by row", min(count, ROWS_ONE_BY_ONE), 1),
    ):
        async with _empty_database(url) as database:
            found.append(await insert_directly(database, rows, at_once, name))
    return found


async def _drain_an_hour(url: str, folder: Path, targets: int) -> Hour:
    path = folder / "hour.sqlite"
    disk = OutboxThread(Outbox(path))
    roll_up_seconds = await fill_with_an_hour(disk, targets, checks_a_minute=4, failures_a_second=10)
    entries, payload_bytes = disk.outbox.rows, disk.outbox.payload_bytes
    file_bytes = _size_bytes(path)
    async with _empty_database(url) as database:
        drained = await drain(disk, database, "an hour")
    await disk.run(Outbox.close)
    return Hour(entries, payload_bytes, file_bytes, roll_up_seconds, drained)


def _size_bytes(path: Path) -> int:
    return sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))


def _bursts(folder: Path, rate: int, seconds: float) -> list[tuple[str, Burst]]:
    found = []
    for name, kept in (("made, and nothing else", False), ("made and kept", True)):
        with TemporaryDirectory(dir=folder) as below:
            found.append((name, trio.run(partial(burst, Path(below), rate, seconds, kept=kept))))
        say(f"burst, {name}: {found[-1][1].seconds:.1f} s")
    return found


def _costs(folder: Path, count: int) -> list[Cost]:
    found = []
    for name, failing in (("a success", False), ("a failure", True)):
        for at_once in AT_ONCE:
            with TemporaryDirectory(dir=folder) as below:
                keep = partial(cost_of_keeping, Path(below), count, at_once, failing=failing)
                found.append(Cost(name, at_once, trio.run(keep)))
            say(f"{name}, {at_once} at once: {found[-1].cpu_seconds * 1e6:.1f} µs")
    return found


@click.command()
@click.option("--rate", type=int, default=10_000, show_default=True, help="Failures a second in the burst.")
@click.option("--seconds", type=float, default=10.0, show_default=True, help="Length of the burst.")
@click.option("--rows", type=int, default=200_000, show_default=True, help="Failures to drain.")
@click.option("--checks", type=int, default=100_000, show_default=True, help="Conclusions to store for their cost.")
@click.option("--targets", type=int, default=1000, show_default=True, help="Targets in the outage of an hour.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
@click.option("--markdown", is_flag=True, help="Print the tables in Markdown.")
def storage(
    *, rate: int, seconds: float, rows: int, checks: int, targets: int, json_file: Path | None, markdown: bool
) -> None:
    """Measure the cost of the outbox, how much it takes in, and how fast it is stored in PostgreSQL.

    Example: python -m benchmarks storage --rows 50000 --markdown
    """
    log.configure()
    with _bench() as (url, folder, cores):
        machine = describe(cores)
        bursts = _bursts(folder, rate, seconds)
        costs = _costs(folder, checks)
        drained = trio.run(_drain_all, url, folder, rows)
        hour = trio.run(_drain_an_hour, url, folder, targets)
    show(f"a burst of {rate:,} failures a second", BURST_COLUMNS, burst_rows(bursts), markdown=markdown)
    show("to keep what a check came to", COST_COLUMNS, cost_rows(costs), markdown=markdown)
    show("into PostgreSQL", DRAIN_COLUMNS, drain_rows(drained), markdown=markdown)
    title = f"an outage of an hour, {targets:,} targets, 10 failures a second"
    show(title, HOUR_COLUMNS, hour_rows(hour), markdown=markdown)
    show_machine(machine, markdown=markdown)
    document: dict[str, Any] = {
        "machine": machine,
        "bursts": [{"name": name, **_plain(one)} for name, one in bursts],
        "costs": [asdict(one) for one in costs],
        "drained": [asdict(one) for one in drained],
        "hour": asdict(hour),
    }
    write(json_file, document)


def _plain(one: Burst) -> dict[str, Any]:
    quantiles = {f"late_p{100 * part:g}_seconds": one.quantile(part) for part in (0.5, 0.99, 1.0)}
    return {key: value for key, value in asdict(one).items() if key != "late_seconds"} | quantiles

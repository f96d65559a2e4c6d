"""Measures the queries of commands and of a status page, over a year of history."""

from __future__ import annotations

import os
import re
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
import trio

from benchmarks.history import Extent, fill
from benchmarks.machine import Cores, describe
from benchmarks.postgres import database as postgres
from benchmarks.showing import say, show, show_machine, write
from watcher import log
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import Database
from watcher.postgres.queries.rollups import means_by_bucket, rollups_between
from watcher.postgres.queries.states_and_flips import alive_at_by_location, flips_between, present_states

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from watcher.postgres.bridge import Connection

    Ask = Callable[[Database], Awaitable[Any]]

ASKED_SECONDS = 0.05
READ_SECONDS = 120.0
# Runs of a query before it counts: the server then has the pages in memory, and its plan.
WARM_UP = 6
REPORT_WARM_UP, REPORT_REPEAT = 1, 3  # for queries that take seconds
BUCKETS = 40
WINDOWS = {
    "24 h": timedelta(days=1),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
    "365 d": timedelta(days=365),
}
COLUMNS = ("what", "rows", "first", "median", "most", "below 50 ms")
MAX_PLAN_CHARS = 110
# Parts of a plan that readers do not need.
_NOISE = re.compile(
    r" \(never executed\)|(?:Settings|Query Identifier|Sort Method|Planning|JIT|Heap Fetches|Memory|Storage: Memory"
    r"|Index Searches).*|Batches: 1$"
)


@dataclass(frozen=True, slots=True)
class Query:
    """A query on the history.

    Attributes:
        name: of its answer.
        ask: runs it, as the commands do.
        of_a_page: whether a viewer waits for it at a page; otherwise it is part of a report of all targets.
    """

    name: str
    ask: Ask
    of_a_page: bool = True


@dataclass(frozen=True, slots=True)
class Times:
    """The durations of a query.

    Attributes:
        name: of the query.
        rows: the number of rows in its answer.
        first_seconds: on a new connection, with the rest of the history in memory or not.
        seconds: of the runs that count, in rising order.
        plans: of the server.
    """

    name: str
    rows: int
    first_seconds: float
    seconds: tuple[float, ...]
    plans: tuple[str, ...] = field(default=())
    of_a_page: bool = True


def questions(extent: Extent) -> list[Query]:
    """List the queries of `watcher status`, `failures` and `report`, and of a status page."""
    until, one = extent.until, [f"site {extent.targets // 2:04}"]
    found = [
        Query("where all targets stand", present_states),
        Query("until when each location watched", alive_at_by_location),
    ]
    for name in ("24 h", "7 d", "30 d"):
        since = until - WINDOWS[name]
        found.append(Query(f"flips of all targets, {name}", _flips(since, until, None)))
    found += [
        Query("flips of one target, 365 d", _flips(extent.since, until, one)),
        Query("newest 100 failures of all targets", lambda database: database.failures(limit=100)),
        Query("newest 100 failures of one target", lambda database: database.failures(limit=100, target=one[0])),
        Query(
            "newest 100 failures of one target, 24 h",
            lambda database: database.failures(limit=100, target=one[0], since=until - timedelta(days=1)),
        ),
    ]
    for name, window in WINDOWS.items():
        found.append(Query(f"percentiles of one target, {name}", _rollups(until - window, until, one)))
    for name, window in WINDOWS.items():
        found.append(Query(f"sparkline of one target, {name}", _means(until - window, until, one)))
    day = until - timedelta(days=1)
    return [
        *found,
        Query("percentiles of all targets, 24 h", _rollups(day, until, None), of_a_page=False),
        Query("percentiles of all targets, 30 d", _rollups(until - WINDOWS["30 d"], until, None), of_a_page=False),
        Query("sparklines of all targets, 24 h", _means(day, until, None), of_a_page=False),
    ]


def _flips(since: datetime, until: datetime, targets: list[str] | None) -> Ask:
    return lambda database: flips_between(database, since, until, targets)


def _rollups(since: datetime, until: datetime, targets: list[str] | None) -> Ask:
    return lambda database: rollups_between(database, since, until, targets, limit_seconds=READ_SECONDS)


def _means(since: datetime, until: datetime, targets: list[str] | None) -> Ask:
    return lambda database: means_by_bucket(database, since, until, BUCKETS, targets, limit_seconds=READ_SECONDS)


class Explaining(Database):
    """A database that makes the server explain each query before running it."""

    def __init__(self, url: str, *, command_seconds: float) -> None:
        super().__init__(url, command_seconds=command_seconds)
        self.plans: list[str] = []

    async def operate(self, operation: Any, limit_seconds: float | None = None) -> Any:
        """Run an operation on a connection that explains."""
        return await super().operate(
            lambda connection: operation(_ExplainingConnection(connection, self.plans)), limit_seconds
        )

    async def fetch(self, query: str, *arguments: object, limit_seconds: float | None = None) -> list[dict[str, Any]]:
        """Run one query, and keep its plan."""

        async def run(connection: Any) -> list[dict[str, Any]]:
            return [dict(row) for row in await connection.fetch(query, *arguments, timeout=limit_seconds)]

        found: list[dict[str, Any]] = await self.operate(run, limit_seconds)
        return found


class _ExplainingConnection:
    def __init__(self, connection: Connection, plans: list[str]) -> None:
        self._connection = connection
        self._plans = plans

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetch(self, query: str, *arguments: object, timeout: float | None = None) -> Any:
        explain = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {query}"
        lines = await self._connection.fetch(explain, *arguments, timeout=timeout)
        self._plans.append("\n".join(line[0] for line in lines))
        return await self._connection.fetch(query, *arguments, timeout=timeout)


def shortened(plan: str) -> str:
    """Reduce a plan to the lines that show how the rows are found."""
    lines = []
    for line in plan.splitlines():
        kept = _NOISE.sub("", line).rstrip()
        if kept.strip() and "never executed" not in line:
            lines.append(kept if len(kept) <= MAX_PLAN_CHARS else f"{kept[: MAX_PLAN_CHARS - 3]}...")
    return "\n".join(lines)


def rows(found: list[Times]) -> list[tuple[str, ...]]:
    """Return the cells of the table."""
    return [
        (
            one.name,
            f"{one.rows:,}",
            f"{one.first_seconds * 1000:.1f} ms",
            f"{median(one.seconds) * 1000:.1f} ms",
            f"{one.seconds[-1] * 1000:.1f} ms",
            "yes" if median(one.seconds) < ASKED_SECONDS else "no" if one.of_a_page else "no, a report",
        )
        for one in found
    ]


async def measure(url: str, extent: Extent, repeat: int) -> list[Times]:
    """Fill an empty database with history, and time each query."""
    async with open_bridge():
        database = Database(url, command_seconds=READ_SECONDS)
        await database.connect()
        await database.init_db()
        await fill(database, extent, lambda what: say(f"making {what}"))
        await database.close()
        return [await _time(url, query, repeat) for query in questions(extent)]


async def _time(url: str, query: Query, repeat: int) -> Times:
    database = Database(url, command_seconds=READ_SECONDS)
    await database.connect()
    await database.ping()
    seconds = []
    answers: Any = ()
    warm_up = WARM_UP if query.of_a_page else REPORT_WARM_UP
    for _ in range(warm_up + (repeat if query.of_a_page else min(repeat, REPORT_REPEAT))):
        begun = time.perf_counter()
        answers = await query.ask(database)
        seconds.append(time.perf_counter() - begun)
    await database.close()
    explaining = Explaining(url, command_seconds=READ_SECONDS)
    await explaining.connect()
    await query.ask(explaining)
    await explaining.close()
    say(f"{query.name}: {median(seconds[warm_up:]) * 1000:.1f} ms")
    plans = tuple(map(shortened, explaining.plans))
    return Times(query.name, len(answers), seconds[0], tuple(sorted(seconds[warm_up:])), plans, query.of_a_page)


@click.command()
@click.option("--targets", type=int, default=1000, show_default=True)
@click.option("--failures", type=int, default=1_000_000, show_default=True)
@click.option("--days", type=int, default=365, show_default=True, help="Days of history.")
@click.option("--hour-days", type=int, default=400, show_default=True, help="Days of rollups of hours.")
@click.option("--minute-days", type=int, default=1, show_default=True, help="Days of rollups of minutes.")
@click.option("--repeat", type=int, default=20, show_default=True, help="Counted runs of each query.")
@click.option("--plans", is_flag=True, help="Print the server's plan of each query.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
@click.option("--markdown", is_flag=True, help="Print the table in Markdown.")
def queries(*, repeat: int, plans: bool, json_file: Path | None, markdown: bool, **extents: int) -> None:
    """Create a year of history, and measure how long it takes to read it.

    It takes about 12 GB of disk for a while, and some minutes.

    Example: python -m benchmarks queries --hour-days 60 --plans
    """
    log.configure()
    cores = Cores.of(os.sched_getaffinity(0))
    extent = replace(Extent(datetime.now(UTC)), **extents)  # type: ignore[arg-type]
    with TemporaryDirectory(prefix="benchmark-") as name, postgres(Path(name)) as server:
        found = trio.run(measure, server.url(), extent, repeat)
    machine = describe(cores) | {"pinning": "none"}
    show(f"queries over {extent.days} days of {extent.targets:,} targets", COLUMNS, rows(found), markdown=markdown)
    if plans:
        for one in found:
            click.echo("\n".join([f"{one.name}:", *one.plans, ""]))
    show_machine(machine, markdown=markdown)
    history = {key: value for key, value in asdict(extent).items() if key != "until"}
    write(json_file, {"machine": machine, "history": history, "queries": [asdict(one) for one in found]})

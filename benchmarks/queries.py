"""Measures the queries of commands and of a status page, over a year of history."""

import re
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import click
import trio

from benchmarks.history import Extent, fill
from benchmarks.servers import opened, serving_database
from benchmarks.showing import Table, benchmark, option, say
from watcher import log
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import Database, open_database
from watcher.postgres.queries.rollups import means_by_bucket, rollups_between
from watcher.postgres.queries.states_and_flips import alive_at_by_location, flips_between, present_states

ASKED_SECONDS = 0.05
READ_SECONDS = 120.0
# Runs of a query before it counts: the server then has the pages in memory, and its plan.
WARM_UP = 6
REPORT_WARM_UP, REPORT_REPEAT = 1, 3  # for queries that take seconds
SPARKLINES = partial(means_by_bucket, buckets=40)
WINDOWS = {f"{days} d" if days > 1 else "24 h": timedelta(days=days) for days in (1, 7, 30, 365)}
HEAD = "what {} | rows {:,} | first {:.1f} ms | median {:.1f} ms | most {:.1f} ms | below 50 ms {}"
MAX_PLAN_CHARS = 110
# Parts of a plan that readers do not need.
_NOISE = re.compile(
    r" \(never executed\)|(?:Settings|Query Identifier|Sort Method|Planning|JIT|Heap Fetches|Memory|Storage: Memory"
    r"|Index Searches).*|Batches: 1$"
)


class Query(NamedTuple):
    """A query on the history, as the commands ask it."""

    name: str
    ask: Callable[[Database], Awaitable[Any]]
    of_a_page: bool = True  # a viewer waits for it at a page; otherwise it is part of a report of all targets


def questions(extent: Extent) -> Iterator[Query]:
    """List the queries of `watcher status`, `failures` and `report`, and of a status page."""
    until, one = extent.until, f"site {extent.targets // 2:04}"
    since = {name: until - window for name, window in WINDOWS.items()}
    of_all: dict[str, Any] = {"until": until, "limit_seconds": READ_SECONDS}
    of_one = {**of_all, "targets": [one]}
    newest = partial(Database.failures, limit=100)
    yield Query("where all targets stand", present_states)
    yield Query("until when each location watched", alive_at_by_location)
    for name in ("24 h", "7 d", "30 d"):
        yield Query(f"flips of all targets, {name}", partial(flips_between, since=since[name], until=until))
    yield Query("flips of one target, 365 d", partial(flips_between, since=extent.since, until=until, targets=[one]))
    yield Query("newest 100 failures of all targets", newest)
    yield Query("newest 100 failures of one target", partial(newest, target=one))
    yield Query("newest 100 failures of one target, 24 h", partial(newest, target=one, since=since["24 h"]))
    for name in WINDOWS:
        yield Query(f"percentiles of one target, {name}", partial(rollups_between, since=since[name], **of_one))
    for name in WINDOWS:
        yield Query(f"sparkline of one target, {name}", partial(SPARKLINES, since=since[name], **of_one))
    for name in ("24 h", "30 d"):
        report = partial(rollups_between, since=since[name], **of_all)
        yield Query(f"percentiles of all targets, {name}", report, of_a_page=False)
    yield Query("sparklines of all targets, 24 h", partial(SPARKLINES, since=since["24 h"], **of_all), of_a_page=False)


class Explaining(Database):
    """A database that makes the server explain each query before running it."""

    def __init__(self, url: str) -> None:
        super().__init__(url, command_seconds=READ_SECONDS)
        self.plans: list[str] = []

    async def operate(self, operation: Any, limit_seconds: float | None = None) -> Any:
        """Run an operation on a connection that explains."""
        return await super().operate(lambda connection: operation(_Connection(connection, self.plans)), limit_seconds)

    async def fetch(self, query: str, *arguments: object, limit_seconds: float | None = None) -> list[dict[str, Any]]:
        """Run one query, and keep its plan."""

        async def run(connection: Any) -> list[dict[str, Any]]:
            return [dict(row) for row in await connection.fetch(query, *arguments, timeout=limit_seconds)]

        found: list[dict[str, Any]] = await self.operate(run, limit_seconds)
        return found


class _Connection:
    def __init__(self, connection: Any, plans: list[str]) -> None:
        self._connection = connection
        self._plans = plans

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetch(self, query: str, *arguments: object, timeout: float | None = None) -> Any:
        explain = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {query}"
        lines = await self._connection.fetch(explain, *arguments, timeout=timeout)
        self._plans.append(shortened("\n".join(line[0] for line in lines)))
        return await self._connection.fetch(query, *arguments, timeout=timeout)


def shortened(plan: str) -> str:
    """Reduce a plan to the lines that show how the rows are found."""
    lines = []
    for line in plan.splitlines():
        kept = _NOISE.sub("", line).rstrip()
        if kept.strip() and "never executed" not in line:
            lines.append(kept if len(kept) <= MAX_PLAN_CHARS else f"{kept[: MAX_PLAN_CHARS - 3]}...")
    return "\n".join(lines)


def row(query: Query, rows: int, first: float, seconds: list[float]) -> tuple[object, ...]:
    """Return a row as in HEAD, from the seconds on a new connection and those of the runs that count."""
    fast = "yes" if median(seconds) < ASKED_SECONDS else "no" if query.of_a_page else "no, a report"
    return query.name, rows, first * 1000, median(seconds) * 1000, max(seconds) * 1000, fast


async def measure(url: str, extent: Extent, repeat: int, plans: list[str]) -> list[tuple[object, ...]]:
    """Fill an empty database with history, and time each query; collect the server's plans."""
    async with opened(url) as database:
        await database.init_db()
        await fill(database, extent)
    rows = []
    async with open_bridge():
        for query in questions(extent):
            rows.append(await _time(url, query, repeat))
            explaining = Explaining(url)
            await explaining.connect()
            await query.ask(explaining)
            await explaining.close()
            plans += [f"{query.name}:", *explaining.plans, ""]
    return rows


async def _time(url: str, query: Query, repeat: int) -> tuple[object, ...]:
    warm_up, counted = (WARM_UP, repeat) if query.of_a_page else (REPORT_WARM_UP, min(repeat, REPORT_REPEAT))
    seconds = []
    answers: Any = ()
    async with open_database(url, command_seconds=READ_SECONDS) as database:
        await database.ping()
        for _ in range(warm_up + counted):
            begun = time.perf_counter()
            answers = await query.ask(database)
            seconds.append(time.perf_counter() - begun)
    say(f"{query.name}: {median(seconds[warm_up:]) * 1000:.1f} ms")
    return row(query, len(answers), seconds[0], seconds[warm_up:])


@benchmark(pinned=False)
@option("--targets", default=1000)
@option("--failures", default=1_000_000)
@option("--days", default=365, help="Days of history.")
@option("--hour-days", default=400, help="Days of rollups of hours.")
@option("--minute-days", default=1, help="Days of rollups of minutes.")
@option("--repeat", default=20, help="Counted runs of each query.")
@click.option("--plans", is_flag=True, help="Print the server's plan of each query.")
def queries(*, repeat: int, plans: bool, **extents: int) -> Iterator[Table | str]:
    """Create a year of history, and measure how long it takes to read it.

    It takes about 12 GB of disk for a while, and some minutes.

    Example: python -m benchmarks queries --hour-days 60 --plans
    """
    log.configure()
    extent = replace(Extent(datetime.now(UTC)), **extents)  # type: ignore[arg-type]
    found: list[str] = []
    with serving_database() as url:
        rows = trio.run(measure, url, extent, repeat, found)
    yield Table(f"queries over {extent.days} days of {extent.targets:,} targets", HEAD, rows)
    if plans:
        yield "\n".join(found)

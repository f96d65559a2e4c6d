"""Adds up the rollups of whole checks of many targets, on both sides: here while the server goes on.

The server reads them in the order in which they were written, a portion of the window at a time, and adds up the
packed histograms of each target. Rollups without a packed histogram have their arrays joined; taking the arrays apart
would take several times as long.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.history.tally import Tally, timed_of
from watcher.postgres.bridge import transaction
from watcher.postgres.queries.rollups import READ_SECONDS, bounds_of, merged_rollups, pieces_between
from watcher.postgres.tables.rollup_pieces import DAY, joined_steps, portion_weight_for, portions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from watcher.history.rollup import Rollup, TargetPlace
    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database
    from watcher.postgres.tables.rollup_pieces import Piece

# The limits of all portions, and of one when it has all targets: a disk may have to be read for it.
ALL_SECONDS = 1800.0
PORTION_SECONDS = 120.0
# A line of means has at least this many steps.
LEAST_STEPS = 8
# This many rows are added up before other tasks run: the server's next answer, or a cancellation.
ROWS_AT_ONCE = 1000
_JSON = json.JSONDecoder()
MOST_GROUPS = 100_000
DIFFERENT_RESULTS = 10_000  # the most results in the cache: most targets only have checks that were up

# Makes the planner group about 50,000 targets in memory, and never sort them by name.
_SETTINGS = """
SET LOCAL enable_sort = off;
SELECT set_config('work_mem', '64MB', true) WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB')
"""
_PORTION = """
SELECT target, location, min(min_ms), max(max_ms), numeric_send(watcher_added(packed)),
       coalesce(watcher_joined(keys), '{{}}'), coalesce(watcher_joined(counts), '{{}}'), {steps}
FROM ({source}) AS source
GROUP BY target, location
"""
_STEP = """
sum(sum_ms) FILTER (WHERE step = {step}), watcher_joined(results::text) FILTER (WHERE step = {step})
"""
# The buckets of whole checks come first in a rollup, so a binary search finds where they end. Those that a former
# version merged are unordered: what is found of them is incomplete, and is read again.
_SOURCE = """
SELECT {step} AS step, target, location, results, packed,
       sums_ms[1] AS sum_ms, mins_ms[1] AS min_ms, maxs_ms[1] AS max_ms,
       CASE WHEN packed IS NULL THEN keys[1:width_bucket(255::smallint, keys)] END AS keys,
       CASE WHEN packed IS NULL THEN counts[1:width_bucket(255::smallint, keys)] END AS counts
FROM rollups
WHERE period_seconds = {period} AND began_at >= ${begin} AND began_at < ${end}
      AND ($1::text[] IS NULL OR target = ANY($1))
"""


class WholeRollups(NamedTuple):
    """The results of a window's checks, for each target and location that had some.

    Attributes:
        rollups: of whole checks: they have only the first of SERIES.
        means_ms: their mean durations in equal parts of the window, None if unknown; if rollups are longer than a
            part, neighbours have the same.
    """

    rollups: dict[TargetPlace, Rollup]
    means_ms: dict[TargetPlace, list[float | None]]


async def whole_rollups(
    database: Database,
    since: datetime,
    until: datetime,
    targets: Sequence[str] | None = None,
    *,
    parts: int = 0,
    groups: int = MOST_GROUPS,
    progress: Callable[[int, int], None] | None = None,
) -> WholeRollups:
    """Add up the whole checks of a window.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        since, until: any times, with a time zone; rounded as by `rollups_between`.
        targets: their names; all by default.
        parts: of the means.
        groups: the approximate number of (target, location) pairs.
        progress: called now and then with the amount that has been read, and the total.
    """

    async def read(connection: Connection) -> WholeRollups:
        # One snapshot of the rollups and the marks, or a merge in between could hide rows.
        async with transaction(connection, limit_seconds=None, isolation="REPEATABLE READ", readonly=True):
            await connection.execute(_SETTINGS)
            reading = _Reading(connection, targets, since, until, parts, portion_weight_for(groups), progress)
            pieces = await pieces_between(connection, since, until, DAY)
            await reading.run(pieces)
            return WholeRollups(await reading.rollups(pieces), reading.means_ms)

    return await database.operate(read, ALL_SECONDS if targets is None else READ_SECONDS)


class _Reading:
    """One reading; its methods are asyncio-flavoured."""

    def __init__(
        self,
        connection: Connection,
        targets: Sequence[str] | None,
        since: datetime,
        until: datetime,
        parts: int,
        portion_weight: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._connection = connection
        self._targets = None if targets is None else list(targets)
        self._since = since.timestamp()
        self._length_seconds = (until - since).total_seconds()
        self._parts = parts
        self._portion_weight = portion_weight
        self._progress = progress
        self._tallies: dict[TargetPlace, Tally] = {}
        self.means_ms: dict[TargetPlace, list[float | None]] = {}

    async def run(self, pieces: list[Piece]) -> None:
        """Read all pieces, adding up each answer while the server works on the next."""
        if self._parts:
            steps = portions_of(pieces, self._length_seconds / LEAST_STEPS)
            portions = joined_steps(steps, self._portion_weight)
        else:
            portions = [[portion] for portion in portions_of(pieces, most=self._portion_weight)]
        came: list[Any] = []
        for number, portion in enumerate(portions):
            fetching = asyncio.create_task(self._fetch(portion))
            try:
                await self._add(came, portions[number - 1])
                came = await fetching
            finally:
                fetching.cancel()
            if self._progress is not None:
                self._progress(number + 1, len(portions))
        if came:
            await self._add(came, portions[-1])

    async def rollups(self, pieces: list[Piece]) -> dict[TargetPlace, Rollup]:
        """Return the sums; read incomplete rollups again."""
        added_up = {key: tally.rollup() for key, tally in self._tallies.items()}
        found = {key: rollup for key, rollup in added_up.items() if rollup is not None}
        if len(found) < len(self._tallies):
            names = sorted({target for target, location in self._tallies if (target, location) not in found})
            for first in range(0, len(names), ROWS_AT_ONCE):
                some = names[first : first + ROWS_AT_ONCE]
                merged = await merged_rollups(self._connection, pieces, some, limit_seconds=PORTION_SECONDS)
                found |= {key: rollup.whole() for key, rollup in merged.items()}
        return found

    async def _fetch(self, steps: list[list[Piece]]) -> list[Any]:
        pieces = [(step, piece) for step, some in enumerate(steps) for piece in some]
        source = " UNION ALL ".join(
            _SOURCE.format(step=step, period=piece.period, begin=2 * number + 2, end=2 * number + 3)
            for number, (step, piece) in enumerate(pieces)
        )
        query = _PORTION.format(source=source, steps=", ".join(_STEP.format(step=step) for step in range(len(steps))))
        bounds = bounds_of([piece for _, piece in pieces])
        return await self._connection.fetch(query, self._targets, *bounds, timeout=PORTION_SECONDS)

    async def _add(self, rows: list[Any], steps: list[list[Piece]]) -> None:
        columns = [self._columns_of(step) for step in steps]
        gap: list[float | None] = [None] * self._parts
        for first in range(0, len(rows), ROWS_AT_ONCE):
            await asyncio.sleep(0)
            for target, location, low_ms, high_ms, packed, keys, counts, *by_step in rows[first : first + ROWS_AT_ONCE]:
                key = target, location
                tally = self._tallies.get(key)
                if tally is None:
                    tally = self._tallies[key] = Tally()
                    if self._parts:
                        self.means_ms[key] = gap.copy()
                sums_ms, texts = by_step[::2], by_step[1::2]
                results, _ = _added_up("".join(filter(None, texts)))
                tally.add(results, (sum(filter(None, sums_ms)), low_ms, high_ms), packed, keys, counts)
                if self._parts:
                    line = self.means_ms[key]
                    for place, sum_ms, text in zip(columns, sums_ms, texts, strict=True):
                        if sum_ms is not None and (timed := _added_up(text)[1]):
                            line[place] = [sum_ms / timed] * (place.stop - place.start)

    def _columns_of(self, portion: list[Piece]) -> slice:
        """Return the parts of the window that a portion overlaps."""
        begin, end = (
            (moment - self._since) * self._parts / self._length_seconds
            for moment in (portion[0].begin, portion[-1].end)
        )
        first = min(max(math.floor(begin), 0), max(self._parts - 1, 0))
        return slice(first, max(min(math.ceil(end), self._parts), first + 1))


@lru_cache(DIFFERENT_RESULTS)
def _added_up(texts: str) -> tuple[Mapping[str, int], int]:
    """Add up the results of rollups, JSON objects in a row; return the sum and the number of timed checks."""
    results: Counter[str] = Counter()
    end = 0
    while end < len(texts):
        one, end = _JSON.raw_decode(texts, end)
        results.update(one)
    return dict(results), timed_of(results)

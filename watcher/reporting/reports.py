"""Reads the report on each target over a window from the database: uptime, incidents and durations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio

from watcher.history.incidents import entries
from watcher.history.uptime import Timeline, Uptime
from watcher.model.state import State
from watcher.postgres.errors import StorageError
from watcher.postgres.queries.rollups import means_by_bucket
from watcher.postgres.queries.states_and_flips import (
    alive_at_by_location,
    count_of_states,
    flips_between,
    present_states,
)
from watcher.postgres.queries.whole_rollups import whole_rollups
from watcher.reporting.report_forms import TargetReport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from watcher.history.incidents import Flapping, Incident
    from watcher.history.present_state import Present
    from watcher.postgres.db import Database

    _Told = tuple[Uptime, Sequence[Incident | Flapping]]

_T = TypeVar("_T")

SPARK_COLUMNS = 40  # the number of parts of the window in a sparkline
# With more targets, sparklines are only as fine as the rollups that are read anyway, mostly days.
MOST_IN_DETAIL = 1000
TARGETS_AT_ONCE = 500  # computed before other tasks get a turn


async def read_reports(
    database: Database,
    since: datetime,
    until: datetime,
    targets: Sequence[str] | None = None,
    *,
    with_means: bool = True,
    most_in_detail: int = MOST_IN_DETAIL,
    progress: Callable[[int, int], None] | None = None,
) -> list[TargetReport]:
    """Read the report on each target, including those no longer watched, by name.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        since, until: the window, with a time zone.
        targets: their names; all by default.
        with_means: whether to read the means for sparklines.
        most_in_detail: the largest number of targets with means of all parts; see `WholeRollups`.
        progress: called now and then with the amount read, and the total.

    Returns:
        a report for each target and location ever watched; `TargetReport.is_told` tells whether it concerns the window.
    """
    timelines: list[_Told] = []
    presents: list[Present] = []
    count = await count_of_states(database) if targets is None else len(targets)
    in_detail = count <= most_in_detail
    read_timelines = partial(_read_timelines, database, presents, since, until, targets, timelines)
    parts = SPARK_COLUMNS if with_means and not in_detail else 0
    read_rollups = partial(whole_rollups, database, since, until, targets, parts=parts, groups=count, progress=progress)
    rollups, means_ms = await _both(read_timelines, read_rollups, at_once=not in_detail)
    if with_means and in_detail:
        means_ms = await means_by_bucket(database, since, until, SPARK_COLUMNS, targets)
    return [
        TargetReport(present, *timeline, rollups.get(key := (present.target, present.location)), means_ms.get(key, ()))
        for present, timeline in zip(presents, timelines, strict=True)
    ]


async def _both(first: Callable[[], Awaitable[None]], second: Callable[[], Awaitable[_T]], *, at_once: bool) -> _T:
    """Run two functions and return the result of the second; both may raise if the database is unreachable."""
    if not at_once:
        await first()
        return await second()
    failed: list[Exception] = []
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first)
            found = await second()  # the server works on it while the first computes
    except* StorageError as group:
        failed = [*group.exceptions]
    if failed:
        raise failed[0]
    return found


async def _read_timelines(
    database: Database,
    presents: list[Present],
    since: datetime,
    until: datetime,
    targets: Sequence[str] | None,
    timelines: list[_Told],
) -> None:
    """Read the present states of the targets, and their timelines in the same order."""
    presents += await present_states(database, targets, with_unwatched=True)
    alive_at = await alive_at_by_location(database)
    flips = await flips_between(database, since, until, targets)
    steady: dict[tuple[State, datetime | None], _Told] = {}
    for number, present in enumerate(presents):
        if number % TARGETS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
        of_one = flips.get((present.target, present.location), [])
        alive = alive_at.get(present.location)
        # Most targets have only one flip, from before the window: all in the same state have the same timeline.
        is_steady = len(of_one) == 1 and of_one[0].at <= since and of_one[0].state is not State.DOWN
        told = steady.get((of_one[0].state, alive)) if is_steady else None
        if told is None:
            timeline = Timeline.of(of_one, since=since, until=until, alive_at=alive)
            told = Uptime.of(timeline), entries(timeline)
            if is_steady:
                steady[of_one[0].state, alive] = told
        timelines.append(told)

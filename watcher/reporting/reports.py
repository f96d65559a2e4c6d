"""The report on each target over a window of time: uptime, incidents and durations, read from the database."""

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

SPARK_COLUMNS = 40  # parts of the window that a sparkline shows the mean duration of
# The sparklines of more targets are as fine as the rollups that are read anyway, days for the most part.
MOST_IN_DETAIL = 1000
TARGETS_AT_ONCE = 500  # are reckoned before others have their turn


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
    """Read the report on each target, also on those that are no longer watched, in the order of their names.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        since, until: the window, with a time zone.
        targets: their names; all by default.
        with_means: whether the means for sparklines are wanted.
        most_in_detail: of how many targets the means are those of all parts; see `WholeRollups`.
        progress: called now and then with how much has been read, and of how much.

    Returns:
        a report for each target and location that was ever watched; `TargetReport.is_told` says which of them have
        anything to do with the window.
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
    """Do two things and return what comes of the second; both may find the database away."""
    if not at_once:
        await first()
        return await second()
    failed: list[Exception] = []
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first)
            found = await second()  # the server is at it while the first reckons
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
    """Read where the targets stand, and what the flips tell of each, in the same order."""
    presents += await present_states(database, targets, with_unwatched=True)
    alive_at = await alive_at_by_location(database)
    flips = await flips_between(database, since, until, targets)
    steady: dict[tuple[State, datetime | None], _Told] = {}
    for number, present in enumerate(presents):
        if number % TARGETS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
        of_one = flips.get((present.target, present.location), [])
        alive = alive_at.get(present.location)
        # Most targets have one flip, from before the window: all that have been in its state are alike.
        is_steady = len(of_one) == 1 and of_one[0].at <= since and of_one[0].state is not State.DOWN
        told = steady.get((of_one[0].state, alive)) if is_steady else None
        if told is None:
            timeline = Timeline.of(of_one, since=since, until=until, alive_at=alive)
            told = Uptime.of(timeline), entries(timeline)
            if is_steady:
                steady[of_one[0].state, alive] = told
        timelines.append(told)

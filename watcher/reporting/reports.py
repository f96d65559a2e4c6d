"""The report on each target over a window of time: uptime, incidents and durations, read from the database."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING

from watcher.history.incidents import entries
from watcher.history.uptime import Timeline, Uptime
from watcher.postgres.queries.rollups import means_by_bucket, rollups_between
from watcher.postgres.queries.states_and_flips import alive_at_by_location, flips_between, present_states
from watcher.reporting.report_forms import TargetReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from watcher.history.present_state import Present
    from watcher.postgres.db import Database

SPARK_COLUMNS = 40  # parts of the window that a sparkline shows the mean duration of
# As many are read at a time: to add up what they have takes a query a few seconds, however many there are in all.
PORTION_TARGETS = 2500


async def read_reports(
    database: Database,
    since: datetime,
    until: datetime,
    targets: Sequence[str] | None = None,
    *,
    with_means: bool = True,
    portion_targets: int = PORTION_TARGETS,
    progress: Callable[[int, int], None] | None = None,
) -> list[TargetReport]:
    """Read the report on each target, also on those that are no longer watched, in the order of their names.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        since, until: the window, with a time zone.
        targets: their names; all by default.
        with_means: whether the means for sparklines are wanted.
        portion_targets: how many are read at a time.
        progress: called after each portion with how many of the targets have been read, and how many there are.

    Returns:
        a report for each target and location that was ever watched; `TargetReport.is_told` says which of them have
        anything to do with the window.
    """
    presents = await present_states(database, targets, with_unwatched=True)
    alive_at = await alive_at_by_location(database)
    by_target: defaultdict[str, list[Present]] = defaultdict(list)
    for present in presents:
        by_target[present.target].append(present)
    names = list(by_target)
    reports: list[TargetReport] = []
    for first in range(0, len(names), portion_targets):
        portion = names[first : first + portion_targets]
        flips = await flips_between(database, since, until, portion)
        rollups = await rollups_between(database, since, until, portion, whole_only=True)
        means_ms = await means_by_bucket(database, since, until, SPARK_COLUMNS, portion) if with_means else {}
        for present in chain.from_iterable(by_target[name] for name in portion):
            key = present.target, present.location
            alive = alive_at.get(present.location)
            timeline = Timeline.of(flips.get(key, ()), since=since, until=until, alive_at=alive)
            reports.append(
                TargetReport(present, Uptime.of(timeline), entries(timeline), rollups.get(key), means_ms.get(key, ()))
            )
        if progress is not None:
            progress(first + len(portion), len(names))
    return reports

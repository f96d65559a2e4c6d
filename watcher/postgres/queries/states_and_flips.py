"""Reads states and flips."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from watcher.history.present_state import Present
from watcher.model.outcome import NO_NETWORK, Fault, fault_named
from watcher.model.resumption import RENAMED
from watcher.model.state import Flip, state_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from watcher.history.rollup import TargetPlace
    from watcher.postgres.db import Database

DIFFERENT_CAUSES = 1000  # the most causes in the cache: many flips share one

_PRESENT = """
SELECT target, location, address, group_name, state, since, reason, detail, watched
FROM states
WHERE (watched OR $1) AND ($2::text[] IS NULL OR target = ANY($2))
ORDER BY target, location <> '*', location
"""

# As in `watcher.alerting.policy.incidents.follow`: the flip that opens an incident, after the last one that ended one.
_OPENED = """
SELECT target, location, (
    SELECT min(at)
    FROM flips
    WHERE flips.target = states.target AND flips.location = states.location
          AND at > coalesce((
              SELECT ended.at
              FROM flips AS ended
              WHERE ended.target = states.target AND ended.location = states.location
                    AND (ended.state = 'up' OR ended.state = 'paused' AND ended.detail IS DISTINCT FROM $1)
              ORDER BY ended.at DESC
              LIMIT 1
          ), '-infinity')
          AND (state IN ('down', 'degraded')
               OR state = 'unknown' AND check_id IS NOT NULL AND NOT starts_with(detail, $2))
) AS opened_at
FROM states
WHERE watched AND state IN ('down', 'degraded')
"""

# The last flip before the window comes from the index, one descent a target; a year of flips is not read for it.
_FLIPS = """
SELECT before.*
FROM states CROSS JOIN LATERAL (
    SELECT target, location, at, confirmed_at, state, before, reason, detail, check_id, number
    FROM flips
    WHERE flips.target = states.target AND flips.location = states.location AND at <= $1
    ORDER BY at DESC, confirmed_at DESC
    LIMIT 1
) AS before
WHERE $3::text[] IS NULL OR states.target = ANY($3)
UNION ALL
SELECT target, location, at, confirmed_at, state, before, reason, detail, check_id, number
FROM flips
WHERE at > $1 AND at < $2 AND ($3::text[] IS NULL OR target = ANY($3))
"""


async def present_states(
    database: Database, targets: Sequence[str] | None = None, *, with_unwatched: bool = False
) -> list[Present]:
    """Read the states of targets, in the order of their names, the combined state of several places before theirs.

    Args:
        database: with its tables.
        targets: names to read, None for all.
        with_unwatched: whether to read targets that were removed from the configuration too.
    """
    return [present_of_row(row) for row in await database.fetch(_PRESENT, with_unwatched, _array(targets))]


async def count_of_states(database: Database) -> int:
    """Count the targets that were ever watched, once for each location."""
    [row] = await database.fetch("SELECT count(*) FROM states")
    count: int = row["count"]
    return count


def present_of_row(row: Mapping[str, Any]) -> Present:
    """Return the state of a target, from a row of `states`."""
    return Present(
        row["target"],
        row["location"],
        row["address"],
        row["group_name"],
        state_named(row["state"]),
        row["since"],
        row["reason"],
        row["detail"],
        row["watched"],
    )


async def opened_at(database: Database) -> dict[tuple[str, str], datetime]:
    """Read when the incidents of down or degraded targets began, by target and location."""
    rows = await database.fetch(_OPENED, RENAMED.detail, NO_NETWORK)
    return {(row["target"], row["location"]): row["opened_at"] for row in rows if row["opened_at"] is not None}


async def alive_at_by_location(database: Database) -> dict[str, datetime]:
    """Read until when each location is known to have watched its targets."""
    rows = await database.fetch("SELECT location, alive_at FROM replicas")
    return {row["location"]: row["alive_at"] for row in rows}


async def moment_of(database: Database) -> datetime:
    """Read the server's time."""
    moment: datetime = (await database.fetch("SELECT clock_timestamp() AS now"))[0]["now"]
    return moment


async def flips_between(
    database: Database, since: datetime, until: datetime, targets: Sequence[str] | None = None
) -> dict[TargetPlace, list[Flip]]:
    """Read the flips of a window, and the last flip of each target before it.

    Args:
        database: with its tables.
        since, until: the window, from `since` on, until just before `until`.
        targets: names to read, None for all.

    Returns:
        the flips of each target and location, oldest first; targets without flips are missing.
    """
    flips: defaultdict[TargetPlace, list[Flip]] = defaultdict(list)
    for row in await database.fetch(_FLIPS, since, until, _array(targets)):
        flips[row["target"], row["location"]].append(flip_of_row(row))
    for of_one in flips.values():
        of_one.sort(key=lambda flip: (flip.at, flip.confirmed_at))
    return dict(flips)


def flip_of_row(row: Mapping[str, Any]) -> Flip:
    """Return the flip of a row of `flips`."""
    return Flip(
        row["target"],
        row["location"],
        row["at"],
        row["confirmed_at"],
        state_named(row["state"]),
        state_named(row["before"]),
        _cause(row["reason"], row["detail"] or ""),
        row["check_id"],
        row["number"],
    )


@lru_cache(DIFFERENT_CAUSES)
def _cause(word: str | None, detail: str) -> Fault | None:
    """Return the cause of a state."""
    return None if word is None else fault_named(word, detail)


def _array(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)

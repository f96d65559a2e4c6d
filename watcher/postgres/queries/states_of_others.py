"""Reads the states of targets that other replicas of a location watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.postgres.queries.states_and_flips import present_of_row

if TYPE_CHECKING:
    import uuid

    from watcher.history.present_state import Present
    from watcher.postgres.db import Database

# A flip is found by when its state began, which is before it was confirmed; it may be stored some time after that.
_OTHERS = """
SELECT target, location, address, group_name, state, since, reason, detail, watched
FROM states
WHERE location = $1 AND watched AND owner IS DISTINCT FROM $2
"""
# Always has a row, for the number of late batches.
_RECENT = f"""
SELECT * FROM (SELECT coalesce(sum(late), 0) AS late FROM outboxes) AS batches LEFT JOIN ({_OTHERS} AND target IN (
    SELECT target FROM flips
    WHERE location = $1 AND at > now() - interval '1 day' AND confirmed_at > now() - $3 * interval '1 second'
)) AS recent ON true
"""  # noqa: S608  # no part of it comes from outside
# The most rows read at once: converting them to values holds up the checks.
PAGE_ROWS = 2000
_PAGE = f"{_OTHERS} AND target > $3 ORDER BY target LIMIT {PAGE_ROWS}"


async def recent_states_of_others(
    database: Database, location: str, replica: uuid.UUID, recent_seconds: float
) -> tuple[list[Present], int]:
    """Read the states of other replicas' targets that flipped recently.

    Args:
        database: with its tables.
        location: of the targets.
        replica: whose own targets are left out.
        recent_seconds: the oldest confirmation of the state, in seconds before now.

    Returns:
        the states; and how many batches had flips that may have been too old for this when they were stored.
    """
    rows = await database.fetch(_RECENT, location, replica, recent_seconds)
    return [present_of_row(row) for row in rows if row["target"] is not None], rows[0]["late"]


async def states_of_others(database: Database, location: str, replica: uuid.UUID, after: str = "") -> list[Present]:
    """Read the states of other replicas' targets, by name; a page of fewer than `PAGE_ROWS` is the last.

    Args:
        database: with its tables.
        location: of the targets.
        replica: whose own targets are left out.
        after: the name after which the page starts.
    """
    return [present_of_row(row) for row in await database.fetch(_PAGE, location, replica, after)]

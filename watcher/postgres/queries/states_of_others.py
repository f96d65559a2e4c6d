"""Where the targets stand that other replicas of a location watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.postgres.queries.states_and_flips import present_of_row

if TYPE_CHECKING:
    import uuid

    from watcher.history.present_state import Present
    from watcher.postgres.db import Database

# A flip is found by when its state began, which is before it was confirmed, and may be stored some time after that.
_OTHERS = """
SELECT target, location, address, group_name, state, since, reason, detail, watched
FROM states
WHERE location = $1 AND watched AND owner IS DISTINCT FROM $2
"""
_RECENT = f"""{_OTHERS} AND target IN (
    SELECT target FROM flips
    WHERE location = $1 AND at > now() - interval '1 day' AND confirmed_at > now() - $3 * interval '1 second'
)
"""  # noqa: S608  # nothing of it comes from outside
# So many are read at once: to make values of them holds up the checks.
PAGE_ROWS = 2000
_PAGE = f"{_OTHERS} AND target > $3 ORDER BY target LIMIT {PAGE_ROWS}"


async def recent_states_of_others(
    database: Database, location: str, replica: uuid.UUID, recent_seconds: float
) -> list[Present]:
    """Read where those targets of others stand of which that is news.

    Args:
        database: where that is.
        location: of all of them.
        replica: whose targets are left out.
        recent_seconds: how long ago their state was confirmed, at most.
    """
    return [present_of_row(row) for row in await database.fetch(_RECENT, location, replica, recent_seconds)]


async def states_of_others(database: Database, location: str, replica: uuid.UUID, after: str = "") -> list[Present]:
    """Read where the targets of others stand, by name; fewer than `PAGE_ROWS` are the last.

    Args:
        database: where that is.
        location: of all of them.
        replica: whose targets are left out.
        after: the name after which to begin.
    """
    return [present_of_row(row) for row in await database.fetch(_PAGE, location, replica, after)]

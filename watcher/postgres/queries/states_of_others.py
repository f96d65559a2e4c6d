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
WHERE location = $1 AND watched AND owner IS DISTINCT FROM $2 AND ($3::double precision IS NULL OR target IN (
    SELECT target FROM flips
    WHERE location = $1 AND at > now() - interval '1 day' AND confirmed_at > now() - $3 * interval '1 second'
))
"""


async def states_of_others(
    database: Database, location: str, replica: uuid.UUID, recent_seconds: float | None = None
) -> list[Present]:
    """Read where the targets of others stand.

    Args:
        database: where that is.
        location: of all of them.
        replica: whose targets are left out.
        recent_seconds: only of those whose state was confirmed so lately; None for all.
    """
    rows = await database.fetch(_OTHERS, location, replica, recent_seconds)
    return [present_of_row(row) for row in rows]

"""Renames a target and keeps its history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from watcher.postgres.bridge import transaction
from watcher.postgres.errors import StorageError
from watcher.postgres.tables.rollups import RENAME_SECONDS, UPKEEP_LOCK, rename_rollups
from watcher.postgres.tables.silences import TELL_NEWS

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database

# How long late rows follow a rename: no entry waits longer in an outbox.
KEEP_RENAMES = timedelta(days=30)

# From its first flip on, only the new name's own flips count: two histories of one time cannot both be shown.
# Deletes flips of the old name from times when the new name was watched itself.
_LEAVE_OUT_FLIPS = """
DELETE FROM flips AS old
WHERE old.target = $1 AND (
    SELECT new.state FROM flips AS new
    WHERE new.target = $2 AND new.location = old.location AND new.at <= old.at
    ORDER BY new.at DESC LIMIT 1
) <> 'paused'
"""
_LEAVE_OUT_STATES = """
DELETE FROM states AS old
USING states AS new
WHERE old.target = $1 AND new.target = $2 AND new.location = old.location
"""
# An ack of the old name's incident is one of the present incident, which goes on under the new name.
_RENAME_ACKS = """
UPDATE acks SET target = $2, at = CASE
    WHEN at > coalesce((SELECT max(flips.at) FROM flips WHERE target = $1 AND state = 'up'), '-infinity')
         AND (SELECT state FROM flips WHERE target = $1 ORDER BY flips.at DESC LIMIT 1) = 'paused'
    THEN now() ELSE at END
WHERE target = $1
"""
_RENAME_SILENCES = "UPDATE silences SET targets = array_replace(targets, $1, $2) WHERE $1 = ANY(targets)"
_REMEMBER = (
    "UPDATE renames SET new = $2 WHERE new = $1",
    # Rows of the new name stay there, whatever its earlier names.
    "DELETE FROM renames WHERE old IN ($1, $2)",
    "INSERT INTO renames (old, new) VALUES ($1, $2)",
)
_LATE = """
SELECT old, new
FROM renames
WHERE NOT EXISTS (SELECT FROM states WHERE target = old AND watched)
      AND (EXISTS (SELECT FROM failures WHERE target = old)
           OR EXISTS (SELECT FROM flips WHERE target = old)
           OR EXISTS (SELECT FROM states WHERE target = old)
           OR EXISTS (SELECT FROM acks WHERE target = old)
           OR EXISTS (SELECT FROM silences WHERE old = ANY(targets))
           OR EXISTS (SELECT FROM rollups WHERE period_seconds IN (60, 3600, 86400) AND target = old))
ORDER BY old
"""


class RenameRefusedError(StorageError):
    """A history cannot be renamed; the message has the reason."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """The number of rows of each table that have the new name now, and that gave way to its own.

    Attributes:
        failures, flips, states, rollups: renamed rows.
        flips_left_out: flips from after the first one of the new name, where both were watched at the same time.
        states_left_out: present states where the new name has one.
    """

    failures: int
    flips: int
    states: int
    rollups: int
    flips_left_out: int
    states_left_out: int


async def rename_target(database: Database, old: str, new: str) -> Renamed:
    """Join the history of one name to that of another, all or nothing; ids stay.

    Rows that come under the old name later, for example from an outbox, follow with the upkeep; see `rename_late`.

    Args:
        database: with its tables.
        old: a name that is no longer watched.
        new: the name to give the history; it may already have some.

    Raises:
        RenameRefusedError: `old` is still watched, or has no history.
    """

    async def rename(connection: Connection) -> Renamed:
        """Rename in one transaction. This is an asyncio-flavoured function."""
        async with transaction(connection, limit_seconds=RENAME_SECONDS):
            renamed = await _rename(connection, old, new)
            for text in _REMEMBER:
                await connection.execute(text, old, new)
            await connection.execute(TELL_NEWS)
            return renamed

    return await database.operate(rename, RENAME_SECONDS)


async def rename_late(connection: Connection, now: datetime) -> int:
    """Rename the rows that came under an old name since its rename, and forget renames of long ago.

    This is an asyncio-flavoured function, for the caller's transaction.

    Args:
        connection: in a transaction that holds UPKEEP_LOCK.
        now: with a time zone.

    Returns:
        how many old names had rows.
    """
    await connection.execute("DELETE FROM renames WHERE renamed_at < $1", now - KEEP_RENAMES)
    late = await connection.fetch(_LATE)
    for row in late:
        await _join(connection, row["old"], row["new"])
    return len(late)


async def _rename(connection: Connection, old: str, new: str) -> Renamed:
    """Rename a target that is not watched. This is an asyncio-flavoured function."""
    # The first of all locks, as for dropping partitions and merging rollups.
    await connection.execute("SELECT pg_advisory_xact_lock($1)", UPKEEP_LOCK, timeout=RENAME_SECONDS)
    # A daemon that starts to watch the old name again meanwhile has to wait.
    watched = "SELECT watched FROM states WHERE target = $1 FOR UPDATE"
    if any(row["watched"] for row in await connection.fetch(watched, old)):
        raise RenameRefusedError(
            f"{old} is still watched; give it its new name in the config file first, and reload or restart the daemon"
        )
    renamed = await _join(connection, old, new)
    if renamed == Renamed(0, 0, 0, 0, 0, 0):
        raise RenameRefusedError(f"{old} has no history")
    return renamed


async def _join(connection: Connection, old: str, new: str) -> Renamed:
    """Rename the rows of each table. This is an asyncio-flavoured function."""

    async def change(query: str, *arguments: str) -> int:
        status = await connection.execute(query, *arguments, timeout=RENAME_SECONDS)
        return int(status.rpartition(" ")[2])

    await change(_RENAME_ACKS, old, new)
    await change(_RENAME_SILENCES, old, new)
    rollups: int = await connection.fetchval("SELECT count(*) FROM rollups WHERE target = $1", old)
    await rename_rollups(connection, old, new)
    flips_left_out = await change(_LEAVE_OUT_FLIPS, old, new)
    states_left_out = await change(_LEAVE_OUT_STATES, old, new)
    return Renamed(
        failures=await change("UPDATE failures SET target = $2 WHERE target = $1", old, new),
        flips=await change("UPDATE flips SET target = $2 WHERE target = $1", old, new),
        states=await change("UPDATE states SET target = $2 WHERE target = $1", old, new),
        rollups=rollups,
        flips_left_out=flips_left_out,
        states_left_out=states_left_out,
    )

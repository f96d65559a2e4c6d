"""The steps of the upkeep: each is an asyncio-flavoured function, for a transaction that holds the lock."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from watcher.postgres.bridge import transaction
from watcher.postgres.queries.rename_target import rename_late
from watcher.postgres.tables.partitions import (
    FAILURES,
    HOURS,
    KEEP_HOURS,
    KEEP_MINUTES,
    MINUTES,
    TABLES,
    Partition,
    Table,
    has_had_its_time,
    kept_since,
    partition_of,
)
from watcher.postgres.tables.rollup_pieces import DAY, HOUR
from watcher.postgres.tables.rollups import merge_rollups

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from watcher.postgres.bridge import Connection

    Step = Callable[[Connection], Awaitable[bool]]

STEP_SECONDS = 120.0
# After which an outbox that stores nothing any more was deleted, or stands in a folder that nobody uses.
KEEP_OUTBOXES = timedelta(days=400)
# Of what an hour or a day is merged, and how long that is kept.
_MERGED_FROM = {HOUR: (MINUTES, KEEP_MINUTES), DAY: (HOURS, KEEP_HOURS)}
# What the rollups of a table are merged into: while it is marked, they are not dropped.
_MERGED_INTO = {MINUTES: HOUR, HOURS: DAY}

_PARTITIONS = """
SELECT child.relname
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS parent (name))
"""
_MARKS = "SELECT period_seconds, began_at FROM rollup_work ORDER BY period_seconds, began_at"
_MARKED_WITHIN = """
SELECT EXISTS (SELECT FROM rollup_work WHERE period_seconds = $1 AND began_at >= $2 AND began_at < $3)
"""
_FORGET_OUTBOXES = "DELETE FROM outboxes WHERE stored_at < $1"
# Kept as long as failures are.
_FORGET_ALERTS = (
    "DELETE FROM notifications WHERE created_at < $1",
    "DELETE FROM silences WHERE ends_at < $1",
    "DELETE FROM acks WHERE at < $1",
)
_FORGET_FAILURES = "DELETE FROM failures_default WHERE scheduled_at < $1"
_FORGET_MINUTES = """
DELETE FROM rollups_minutes_default
WHERE began_at < $1
      AND (3600, date_trunc('hour', began_at, 'UTC')) NOT IN (SELECT period_seconds, began_at FROM rollup_work)
"""
_FORGET_HOURS = """
DELETE FROM rollups_hours_default
WHERE began_at < $1
      AND (86400, date_trunc('day', began_at, 'UTC')) NOT IN (SELECT period_seconds, began_at FROM rollup_work)
"""


async def survey(connection: Connection) -> tuple[set[str], list[tuple[int, datetime]], datetime]:
    """Return the names of all partitions, the hours and days that are marked, hours first, and the server's time."""
    async with transaction(connection):  # for poolers, see `Database.fetch`
        names = await connection.fetch(_PARTITIONS, [table.name for table in TABLES])
        marks = await connection.fetch(_MARKS)
        now = await connection.fetchval("SELECT now()")
    return {row["relname"] for row in names}, [(row["period_seconds"], row["began_at"]) for row in marks], now


def making(partition: Partition) -> Step:
    """Make a partition, with what the default one has of its time: while that has such rows, PostgreSQL refuses it.

    Nearly all is moved while others write; then they are kept off for what has come meanwhile, and for no longer. Where
    somebody reads the default one for longer than a lock is waited for, that shows before anything is moved in vain.
    """
    parent, column = partition.table.name, partition.table.time_column
    move = f"""
WITH moved AS (DELETE FROM {parent}_default WHERE {column} >= $1 AND {column} < $2 RETURNING *)
INSERT INTO {partition.name} SELECT * FROM moved
"""  # noqa: S608  # nothing of it comes from outside
    # The parent first, as whoever writes does, and as ATTACH locks it.
    lock = f"""
LOCK TABLE ONLY {parent} IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE {parent}_default IN ACCESS EXCLUSIVE MODE
"""
    bounds = f"FROM ('{partition.begins_at.isoformat()}') TO ('{partition.ends_at.isoformat()}')"

    async def make(connection: Connection) -> bool:
        if not await _lacks(connection, partition):
            return False
        run = partial(connection.execute, timeout=STEP_SECONDS)
        await run(f"CREATE TABLE {partition.name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        await run(f"SAVEPOINT unlocked; {lock}; ROLLBACK TO unlocked")
        await run(move, partition.begins_at, partition.ends_at)
        await run(lock)
        await run(move, partition.begins_at, partition.ends_at)
        await run(f"ALTER TABLE {parent} ATTACH PARTITION {partition.name} FOR VALUES {bounds}")
        return True

    return make


def making_default(table: Table) -> Step:
    """Make the partition for rows of all other times, which somebody has dropped."""

    async def make(connection: Connection) -> bool:
        await connection.execute(f"CREATE TABLE IF NOT EXISTS {table.name}_default PARTITION OF {table.name} DEFAULT")
        return True

    return make


def merging_of(period: int, began_at: datetime, now: datetime, old_at: datetime) -> Step:
    """Merge an hour or a day, if it is ripe; what the clock calls old and nobody else does, waits."""
    table, keep = _MERGED_FROM[period]
    partition = partition_of(table, began_at)
    window = (began_at, began_at + timedelta(seconds=period))

    async def merge(connection: Connection) -> bool:
        # What comes so late that the rest of its hour has been dropped is added to what the hour came to.
        too_late = has_had_its_time(partition, now, keep) and await _lacks(connection, partition)
        if too_late and not has_had_its_time(partition, old_at, keep):
            return False
        return await merge_rollups(connection, period, window, into_what_is_there=too_late, timeout=STEP_SECONDS)

    return merge


def forgetting(now: datetime, keep_failures: timedelta) -> Step:
    """Delete from the default partitions what would have been dropped with a partition, and what else is old."""

    async def forget(connection: Connection) -> bool:
        for table, keep, text in (
            (FAILURES, keep_failures, _FORGET_FAILURES),
            (MINUTES, KEEP_MINUTES, _FORGET_MINUTES),
            (HOURS, KEEP_HOURS, _FORGET_HOURS),
        ):
            await connection.execute(text, kept_since(table, now, keep), timeout=STEP_SECONDS)
        for text in _FORGET_ALERTS:
            await connection.execute(text, now - keep_failures, timeout=STEP_SECONDS)
        # One that stores again after all is noted again, and stores once more what it has of its last minute.
        await connection.execute(_FORGET_OUTBOXES, now - KEEP_OUTBOXES, timeout=STEP_SECONDS)
        return True

    return forget


def renaming(now: datetime) -> Step:
    """Give the new name to what came late under an old one."""

    async def rename(connection: Connection) -> bool:
        return await rename_late(connection, now) > 0

    return rename


def dropping(partition: Partition) -> Step:
    """Drop a partition, unless what it has is still to be merged."""

    async def drop(connection: Connection) -> bool:
        # The parent first, as whoever writes does; then nothing can come between the look and the drop.
        await connection.execute(f"LOCK TABLE ONLY {partition.table.name} IN ACCESS EXCLUSIVE MODE")
        period = _MERGED_INTO.get(partition.table)
        bounds = (partition.begins_at, partition.ends_at)
        if await _lacks(connection, partition) or (
            period is not None and await connection.fetchval(_MARKED_WITHIN, period, *bounds)
        ):
            return False
        await connection.execute(f"DROP TABLE {partition.name}", timeout=STEP_SECONDS)
        return True

    return drop


async def _lacks(connection: Connection, partition: Partition) -> bool:
    return bool(await connection.fetchval("SELECT to_regclass($1) IS NULL", partition.name))

"""The steps of the upkeep: asyncio-flavoured functions for a transaction that holds the lock."""

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
# An outbox that has stored nothing for this long was deleted, or its folder is no longer used.
KEEP_OUTBOXES = timedelta(days=400)
# The finer rollups that make an hour or a day, and how long they are kept.
_MERGED_FROM = {HOUR: (MINUTES, KEEP_MINUTES), DAY: (HOURS, KEEP_HOURS)}
# The rollups that a table is merged into: while they are marked, its partitions are not dropped.
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
# Kept as long as failures.
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
    """Return the names of all partitions, the marked hours and days, hours first, and the server's time."""
    async with transaction(connection):  # for poolers, see `Database.fetch`
        names = await connection.fetch(_PARTITIONS, [table.name for table in TABLES])
        marks = await connection.fetch(_MARKS)
        now = await connection.fetchval("SELECT now()")
    return {row["relname"] for row in names}, [(row["period_seconds"], row["began_at"]) for row in marks], now


def making(partition: Partition) -> Step:
    """Create a partition, with its rows from the default one; PostgreSQL refuses it while the default one has them.

    Nearly all rows are moved while others write; then writers are locked out for the rest, and for no longer. If a long
    read of the default partition holds the lock, that shows before rows are moved in vain.
    """
    parent, column = partition.table.name, partition.table.time_column
    move = f"""
WITH moved AS (DELETE FROM {parent}_default WHERE {column} >= $1 AND {column} < $2 RETURNING *)
INSERT INTO {partition.name} SELECT * FROM moved
"""  # noqa: S608  # no part of it comes from outside
    # The parent first, in the order of writers and of ATTACH.
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
    """Create the default partition again after it was dropped by hand."""

    async def make(connection: Connection) -> bool:
        await connection.execute(f"CREATE TABLE IF NOT EXISTS {table.name}_default PARTITION OF {table.name} DEFAULT")
        return True

    return make


def merging_of(period: int, began_at: datetime, now: datetime, old_at: datetime) -> Step:
    """Merge an hour or a day, if it is ripe; what only this daemon's clock calls old waits."""
    table, keep = _MERGED_FROM[period]
    partition = partition_of(table, began_at)
    window = (began_at, began_at + timedelta(seconds=period))

    async def merge(connection: Connection) -> bool:
        # Minutes that come after the others of their hour were dropped are added to the hour.
        too_late = has_had_its_time(partition, now, keep) and await _lacks(connection, partition)
        if too_late and not has_had_its_time(partition, old_at, keep):
            return False
        return await merge_rollups(connection, period, window, into_what_is_there=too_late, timeout=STEP_SECONDS)

    return merge


def forgetting(now: datetime, keep_failures: timedelta) -> Step:
    """Delete from the default partitions the rows of dropped partitions, and other old rows."""

    async def forget(connection: Connection) -> bool:
        for table, keep, text in (
            (FAILURES, keep_failures, _FORGET_FAILURES),
            (MINUTES, KEEP_MINUTES, _FORGET_MINUTES),
            (HOURS, KEEP_HOURS, _FORGET_HOURS),
        ):
            await connection.execute(text, kept_since(table, now, keep), timeout=STEP_SECONDS)
        for text in _FORGET_ALERTS:
            await connection.execute(text, now - keep_failures, timeout=STEP_SECONDS)
        # An outbox that stores again after all is recorded again, and stores its last minute's entries once more.
        await connection.execute(_FORGET_OUTBOXES, now - KEEP_OUTBOXES, timeout=STEP_SECONDS)
        return True

    return forget


def renaming(now: datetime) -> Step:
    """Rename rows that came late under an old name."""

    async def rename(connection: Connection) -> bool:
        return await rename_late(connection, now) > 0

    return rename


def dropping(partition: Partition) -> Step:
    """Drop a partition, unless its rows are still to be merged."""

    async def drop(connection: Connection) -> bool:
        # The parent first, in the order of writers; then no row can come between the look and the drop.
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

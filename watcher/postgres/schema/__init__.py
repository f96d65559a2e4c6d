"""The schema, in numbered files; each is run once, in their order."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from watcher.postgres.bridge import transaction
from watcher.postgres.errors import SchemaTooNewError

if TYPE_CHECKING:
    import asyncpg

SCHEMA_LOCK = 0x77617463  # "watc": any number that other programs on this database do not use
# One replica may wait for another that upgrades a large table.
SCHEMA_SECONDS = 120.0
# The tables, with the files that make each.
MADE_BY = {
    "failures": (1, 2, 5),
    **dict.fromkeys(("flips", "states"), (3, 6)),
    "rollups": (3, 10),
    "rollup_work": (3,),
    "replicas": (3, 4),
    "renames": (4,),
    "outboxes": (7,),
    **dict.fromkeys(("notifications", "silences", "acks"), (9,)),
}

MISSING = "SELECT array_agg(name) AS names FROM unnest($1::text[]) AS tables (name) WHERE to_regclass(name) IS NULL"
_PRESENT = "SELECT coalesce(max(version), 0) FROM watcher_schema"


async def apply_schema(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
    """Run the schema files that have not been run yet, under a lock that lets one replica do it.

    This is an asyncio-flavoured function. Where there is nothing to do, it takes two short queries and no lock: a
    replica whose network is gone in the middle may hold that for hours, and a drain would wait for SCHEMA_SECONDS.

    Raises:
        SchemaTooNewError: a newer version of watcher has been here.
    """
    files = sorted(
        (file for file in resources.files(__name__).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    if await _is_up_to_date(connection, len(files)):
        return
    async with transaction(connection, limit_seconds=SCHEMA_SECONDS):
        await connection.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK, timeout=SCHEMA_SECONDS)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS watcher_schema"
            " (version int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        present = await _present_version(connection, len(files))
        missing = await connection.fetchval(MISSING, list(MADE_BY))
        # What somebody has dropped is made anew.
        again = {version for table in missing or () for version in MADE_BY[table]}
        for version, file in enumerate(files, start=1):
            if version <= present and version not in again:
                continue
            await connection.execute(file.read_text(encoding="utf-8"), timeout=SCHEMA_SECONDS)
            await connection.execute("INSERT INTO watcher_schema (version) VALUES ($1) ON CONFLICT DO NOTHING", version)


async def _is_up_to_date(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], known: int) -> bool:
    async with transaction(connection):  # for poolers, see `Database.fetch`
        if await connection.fetchval(MISSING, [*MADE_BY, "watcher_schema"]):
            return False
        return await _present_version(connection, known) == known


async def _present_version(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], known: int) -> int:
    present: int = await connection.fetchval(_PRESENT)
    if present > known:
        raise SchemaTooNewError(
            f"the database has schema {present}, this version of watcher knows {known}; upgrade watcher"
        )
    return present

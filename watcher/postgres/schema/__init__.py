"""The schema: numbered files, each run once, in order.

A file that only adds has in its first line the oldest version that can use the tables after it, as
`-- usable from 10`: a daemon of that version goes on while others are upgraded already.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

from watcher.postgres.bridge import transaction
from watcher.postgres.errors import SchemaTooNewError

if TYPE_CHECKING:
    import asyncpg

SCHEMA_LOCK = 0x77617463  # "watc": any number that other programs on this database do not use
# A replica may wait for another one that upgrades a large table.
SCHEMA_SECONDS = 120.0
# The tables, with the files that create each.
MADE_BY = {
    "failures": (1, 2, 5),
    "flips": (3, 6),
    "states": (3, 6, 11),
    "rollups": (3, 10),
    "rollup_work": (3,),
    "replicas": (3, 4),
    "renames": (4,),
    "outboxes": (7, 13),
    **dict.fromkeys(("notifications", "silences", "acks"), (9,)),
    **dict.fromkeys(("members", "agreements"), (11,)),
    **dict.fromkeys(("alert_events", "channel_owners", "channel_records", "channel_messages"), (11,)),
}

MISSING = "SELECT array_agg(name) AS names FROM unnest($1::text[]) AS tables (name) WHERE to_regclass(name) IS NULL"
# The column does not exist before the first version that has it.
_PRESENT = """
SELECT version, (to_jsonb(watcher_schema) ->> 'usable_from')::int AS usable_from
FROM watcher_schema ORDER BY version DESC LIMIT 1
"""
_MAKE_VERSIONS = """
CREATE TABLE IF NOT EXISTS watcher_schema (version int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
ALTER TABLE watcher_schema ADD COLUMN IF NOT EXISTS usable_from int
"""
_NOTE_VERSION = "INSERT INTO watcher_schema (version, usable_from) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_USABLE_FROM = re.compile(r"-- usable from (\d+)\n")


async def apply_schema(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
    """Run the schema files that have not been run yet, under a lock so that one replica does it.

    This is an asyncio-flavoured function. If there is nothing to do, it takes two short queries and no lock: a
    replica whose network is lost in the middle may hold the lock for hours, and a drain would wait for SCHEMA_SECONDS.

    Raises:
        SchemaTooNewError: a newer version of watcher has changed the tables more than this one can use.
    """
    files = sorted(
        (file for file in resources.files(__name__).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    if await _is_up_to_date(connection, len(files)):
        return
    async with transaction(connection, limit_seconds=SCHEMA_SECONDS):
        await connection.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK, timeout=SCHEMA_SECONDS)
        await connection.execute(_MAKE_VERSIONS)
        present = await _present_version(connection, len(files))
        missing = await connection.fetchval(MISSING, list(MADE_BY))
        # Tables that were dropped by hand are created again.
        again = {version for table in missing or () for version in MADE_BY[table]}
        for version, file in enumerate(files, start=1):
            if version <= present and version not in again:
                continue
            text = file.read_text(encoding="utf-8")
            await connection.execute(text, timeout=SCHEMA_SECONDS)
            usable = _USABLE_FROM.match(text)
            await connection.execute(_NOTE_VERSION, version, version if usable is None else int(usable[1]))


async def _is_up_to_date(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], known: int) -> bool:
    async with transaction(connection):  # for poolers, see `Database.fetch`
        if await connection.fetchval(MISSING, [*MADE_BY, "watcher_schema"]):
            return False
        return await _present_version(connection, known) >= known


async def _present_version(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], known: int) -> int:
    row = await connection.fetchrow(_PRESENT)
    present: int = 0 if row is None else row["version"]
    if row is not None and present > known and known < (row["usable_from"] or present):
        raise SchemaTooNewError(
            f"the database has schema {present}, this version of watcher knows {known}; upgrade watcher"
        )
    return present

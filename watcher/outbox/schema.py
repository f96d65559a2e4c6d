"""The SQLite tables of the outbox and its settings."""

from __future__ import annotations

import secrets
import sqlite3
import time
import uuid
from typing import TYPE_CHECKING

from watcher.outbox.errors import OutboxDamagedError

if TYPE_CHECKING:
    from pathlib import Path

# The limit of the -wal; SQLite moves part of it to the database at a thousand pages.
MAX_WAL_BYTES = 16 * 1024 * 1024
# The suffixes of the files that SQLite keeps beside an open one.
BESIDE = ("-wal", "-shm")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    -- Never used again, or one that is new could be taken for one that is stored.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, created_at REAL NOT NULL, payload TEXT NOT NULL
);
-- Entries that PostgreSQL has, kept for a while in case it goes back in time.
CREATE TABLE IF NOT EXISTS stored (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, created_at REAL NOT NULL, payload TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY, minute INTEGER NOT NULL, payload TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS standings (
    location TEXT NOT NULL, target TEXT NOT NULL, standing TEXT NOT NULL, PRIMARY KEY (location, target)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS newest_flips (
    location TEXT NOT NULL, target TEXT NOT NULL, payload TEXT NOT NULL, PRIMARY KEY (location, target)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS set_aside (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, at REAL NOT NULL, error TEXT NOT NULL, payload TEXT NOT NULL
);
-- Open incidents, and their changes that a channel has not taken in yet.
CREATE TABLE IF NOT EXISTS incidents (
    location TEXT NOT NULL, target TEXT NOT NULL, payload TEXT NOT NULL, PRIMARY KEY (location, target)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alert_events (number INTEGER PRIMARY KEY AUTOINCREMENT, payload TEXT NOT NULL);
-- The last event a channel has taken in, when its failure was last reported to another, and its policy's records.
CREATE TABLE IF NOT EXISTS channels (
    channel TEXT PRIMARY KEY, position INTEGER NOT NULL, failing_told_at REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS channel_records (
    channel TEXT NOT NULL, key TEXT NOT NULL, payload TEXT NOT NULL, PRIMARY KEY (channel, key)
) WITHOUT ROWID;
-- Messages to be sent, in the order of their decisions; a sent one is deleted.
CREATE TABLE IF NOT EXISTS notifications (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, kind TEXT NOT NULL,
    created_at REAL NOT NULL, members TEXT NOT NULL, payload TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, next_try_at REAL NOT NULL DEFAULT 0
);
-- Silences and acks, and the last reported step of a target's certificate.
CREATE TABLE IF NOT EXISTS silences (id TEXT PRIMARY KEY, payload TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS acks (id TEXT PRIMARY KEY, payload TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS certificates (
    location TEXT NOT NULL, target TEXT NOT NULL, payload TEXT NOT NULL, PRIMARY KEY (location, target)
) WITHOUT ROWID;
"""
# The columns that are read: damage may also hit the words by which the file knows its own tables.
_READ = (
    "key, value FROM meta",
    "id, kind, created_at, payload FROM entries",
    "id, kind, created_at, payload FROM stored",
    "id, minute, payload FROM journal",
    "location, target, standing FROM standings",
    "location, target, payload FROM newest_flips",
    "id, kind, at, error, payload FROM set_aside",
    "location, target, payload FROM incidents",
    "number, payload FROM alert_events",
    "channel, position, failing_told_at FROM channels",
    "channel, key, payload FROM channel_records",
    "number, id, channel, kind, created_at, members, payload, tries, next_try_at FROM notifications",
    "id, payload FROM silences",
    "id, payload FROM acks",
    "location, target, payload FROM certificates",
)
# Ids start from the time, so that no id of a file that was moved aside comes again in the next.
_NUMBERED = ("entries", "alert_events", "notifications")


def prepare(database: sqlite3.Connection, *, check: bool) -> None:
    """Create the tables that do not exist yet.

    Args:
        database: the open file.
        check: whether to check the whole file first.

    Raises:
        OutboxDamagedError: the check found something, or the file has other tables.
    """
    try:
        _prepare(database, check=check)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        raise OutboxDamagedError(str(error)) from error  # our own statements are correct


def _prepare(database: sqlite3.Connection, *, check: bool) -> None:
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA journal_size_limit = {MAX_WAL_BYTES}")
    if check:
        (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise OutboxDamagedError(found)
    database.executescript(_SCHEMA)
    for columns in _READ:
        database.execute(f"SELECT {columns} LIMIT 0")
    for table in _NUMBERED:
        database.execute(
            "INSERT INTO sqlite_sequence (name, seq)"
            " SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?)",
            (table, time.time_ns() // 1000, table),
        )
    for key, value in (("id", str(uuid.uuid4())), ("part", secrets.randbits(62)), ("closed_minute", -1)):
        database.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))


def id_of(text: object) -> uuid.UUID:
    """Return the id of a file from its text.

    Raises:
        OutboxDamagedError: it is not an id.
    """
    try:
        return uuid.UUID(str(text))
    except ValueError as error:
        raise OutboxDamagedError("its id is not a UUID") from error


def aside_of(path: Path, why: str) -> Path:
    """Return an unused name with the present time, for a file to be moved aside."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return path.with_name(f"{path.name}.{why}-{stamp}-{secrets.token_hex(2)}")


def move_aside(path: Path) -> Path:
    """Rename a damaged file and the files beside it, and return the new name."""
    aside = aside_of(path, "damaged")
    for suffix in ("", *BESIDE):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside

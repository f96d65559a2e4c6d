"""The outbox: what is meant for PostgreSQL, on disk until it is there, in SQLite; every call blocks.

One thread at a time may call. What was appended outlives the process in any case, and a loss of power where it is more
than measurements. All methods may raise OutboxUnavailableError and OutboxDamagedError.
"""

from __future__ import annotations

import secrets
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.outbox.errors import OutboxDamagedError, OutboxUnavailableError
from watcher.outbox.file import OutboxFile
from watcher.outbox.schema import id_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

# The bound of what was refused and is kept for somebody to look at.
MAX_SET_ASIDE_ROWS = 10_000
# More in one transaction would not fit into SQLite's cache of 2 MB, and be written to a disk that may be full.
_FREED_PAGES, _FREED_AT_ONCE_PAGES = 2000, 200


class Entry(NamedTuple):
    """Something meant for PostgreSQL: its place in the order, what it is, when it came, and itself."""

    id: int
    kind: str
    created_at: float
    payload: str

    @property
    def size_bytes(self) -> int:
        """What it takes of the bound."""
        return _size_bytes(self.payload)


class Outbox:
    """The file of the outbox.

    Attributes:
        rows, payload_bytes: what waits.
        id: of this file, for ever.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; a damaged one is moved aside.

        Raises:
            OutboxUnavailableError: it cannot be opened now.
        """
        self._file = OutboxFile(path, self._take_up)
        self.rows = self.payload_bytes = 0
        try:
            self.meta("id")
        except OutboxDamagedError as error:
            self.start_anew(error)
        except OutboxUnavailableError:
            self.close()
            raise

    def append(
        self,
        entries: Iterable[tuple[str, str]],
        *,
        now: float,
        minute: int,
        measurements: str | None = None,
        standings: Iterable[tuple[str, str, str]] = (),
        slots_until: float | None = None,
    ) -> None:
        """Keep what a burst of checks came to, all or nothing.

        Args:
            entries: kinds and payloads, in the order in which they are to be stored.
            now: seconds since 1970; until then the daemon is known to have watched.
            minute: to which the measurements belong.
            measurements: for the rollup of that minute, encoded.
            standings: location, target and encoded standing of each target whose standing is news.
            slots_until: the last slot of those checks, in seconds since 1970.
        """
        self._file.restore_if_deleted()  # nothing is told to be safe that goes with the process
        if self._file.reserve.is_spent:
            self.tidy()
            if self._file.reserve.is_spent:
                raise OutboxUnavailableError("the disk is full")
        new = [(kind, now, payload) for kind, payload in entries]
        with self._file.transaction(durable=bool(new)) as database:
            database.executemany("INSERT INTO entries (kind, created_at, payload) VALUES (?, ?, ?)", new)
            if measurements is not None:
                database.execute("INSERT INTO journal (minute, payload) VALUES (?, ?)", (minute, measurements))
            database.executemany("INSERT OR REPLACE INTO standings VALUES (?, ?, ?)", standings)
            _set(database, "alive_at", now)
            if slots_until is not None and slots_until > (_get(database, "slots_until") or 0):
                _set(database, "slots_until", slots_until)
        self._count(len(new), sum(_size_bytes(payload) for _, _, payload in new))

    def peek(self, limit: int, max_bytes: int) -> list[Entry]:
        """Return the oldest entries: at most `limit`, and no more once they have so many bytes."""
        found: list[Entry] = []
        size = 0
        query = "SELECT id, kind, created_at, payload FROM entries ORDER BY id LIMIT ?"
        with self._file.opened() as database, closing(database.execute(query, (limit,))) as rows:
            for row in rows:
                found.append(Entry(*row))
                size += found[-1].size_bytes
                if size >= max_bytes:
                    break
        return found

    def remove(self, entries: Sequence[Entry]) -> None:
        """Take off what is stored."""
        with self._file.transaction() as database:
            before = database.total_changes
            database.executemany("DELETE FROM entries WHERE id = ?", [(entry.id,) for entry in entries])
            removed = database.total_changes - before
        self._count(-removed, -sum(entry.size_bytes for entry in entries))
        if removed != len(entries):  # some went before, as past the bounds, or with a file that was damaged
            with self._file.opened() as database:
                self._recount(database)

    def set_aside(self, entry: Entry, error: str, now: float) -> None:
        """Take one off that the database refuses, and keep it with the error for somebody to look at."""
        with self._file.transaction(durable=True) as database:
            database.execute(
                "INSERT INTO set_aside (kind, at, error, payload) VALUES (?, ?, ?, ?)",
                (entry.kind, now, error, entry.payload),
            )
            database.execute(
                "DELETE FROM set_aside WHERE id <= (SELECT max(id) FROM set_aside) - ?", (MAX_SET_ASIDE_ROWS,)
            )
            removed = database.execute("DELETE FROM entries WHERE id = ?", (entry.id,)).rowcount
        self._count(-removed, -removed * entry.size_bytes)

    def journal(self, before_minute: int) -> list[tuple[int, int, str]]:
        """Return the id, the minute and the measurements of what was appended for earlier minutes."""
        query = "SELECT id, minute, payload FROM journal WHERE minute < ? ORDER BY id"
        with self._file.opened() as database:
            return database.execute(query, (before_minute,)).fetchall()

    def roll_up(self, journal_ids: Iterable[int], rollups: Iterable[str], *, now: float, closed_minute: int) -> None:
        """Put rollups in the place of the measurements that they are made of."""
        new = [("rollups", now, payload) for payload in rollups]
        with self._file.transaction() as database:
            database.executemany("DELETE FROM journal WHERE id = ?", [(number,) for number in journal_ids])
            database.executemany("INSERT INTO entries (kind, created_at, payload) VALUES (?, ?, ?)", new)
            _set(database, "closed_minute", closed_minute)
        self._count(len(new), sum(_size_bytes(payload) for _, _, payload in new))

    def begin_part(self) -> None:
        """Take another `part`: minutes that were closed come once more, since the clock was set back."""
        with self._file.transaction() as database:
            _set(database, "part", secrets.randbits(62))
            _set(database, "closed_minute", -1)

    def meta(self, key: str) -> Any:
        """Return a value that is noted once, by its name, such as `alive_at`; None where it never was."""
        with self._file.opened() as database:
            return _get(database, key)

    def doubt_clock(self, until: float) -> None:
        """Note until when nothing is to be dropped for its age, in seconds since 1970."""
        if self.meta("doubted_until") != until:
            with self._file.transaction(durable=True) as database:
                _set(database, "doubted_until", until)

    def standings(self, location: str) -> dict[str, str]:
        """Return the encoded standing of each target of a location."""
        query = "SELECT target, standing FROM standings WHERE location = ?"
        with self._file.opened() as database:
            return dict(database.execute(query, (location,)).fetchall())

    def forget_standings(self, location: str, targets: Iterable[str]) -> None:
        """Forget where targets stand that are watched no more, and note at which location this was last looked at."""
        query = "DELETE FROM standings WHERE location = ? AND target = ?"
        with self._file.transaction() as database:
            database.executemany(query, [(location, target) for target in targets])
            _set(database, "location", location)

    def tidy(self) -> None:
        """Give room back to the disk, and hold some of it in reserve again."""
        with self._file.opened() as database:
            # It frees one page a step, and of a statement that has no rows, `execute` takes but one.
            for _ in range(_FREED_PAGES // _FREED_AT_ONCE_PAGES):
                database.executescript(f"PRAGMA incremental_vacuum({_FREED_AT_ONCE_PAGES})")
            if self._file.reserve.is_spent:  # what was freed is the disk's when it has been taken over
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._file.reserve.hold()

    def start_anew(self, error: OutboxDamagedError) -> None:
        """Move the damaged file aside and begin with an empty one; `take_notices` has the names."""
        self._file.start_anew(error)

    def take_notices(self) -> list[str]:
        """Return what the operator should be told, once; in the thread that calls, nothing could be logged."""
        return self._file.take_notices()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take_up(self, database: sqlite3.Connection) -> None:
        self.id = id_of(_get(database, "id"))
        self._recount(database)

    def _count(self, rows: int, payload_bytes: int) -> None:
        self.rows += rows
        self.payload_bytes += payload_bytes

    def _recount(self, database: sqlite3.Connection) -> None:
        query = "SELECT count(*), coalesce(sum(length(CAST(payload AS BLOB))), 0) FROM entries"
        self.rows, self.payload_bytes = database.execute(query).fetchone()


def _size_bytes(payload: str) -> int:
    return len(payload) if payload.isascii() else len(payload.encode())


def _get(database: sqlite3.Connection, key: str) -> Any:
    row = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def _set(database: sqlite3.Connection, key: str, value: object) -> None:
    database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

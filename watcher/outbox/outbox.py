"""The outbox: keeps rows for PostgreSQL on disk, in SQLite, until they are stored; every call blocks.

One thread at a time may call. Appended entries outlive the process in any case, and a loss of power unless they are
only measurements. All methods may raise OutboxUnavailableError and OutboxDamagedError.
"""

from __future__ import annotations

import json
import math
import secrets
from collections import deque
from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.model.clock_trust import steady_seconds
from watcher.outbox.errors import OutboxDamagedError, OutboxUnavailableError
from watcher.outbox.file import OutboxFile
from watcher.outbox.schema import id_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

# The limit of refused entries that are kept for an operator to look at.
MAX_SET_ASIDE_ROWS = 10_000
# More in one transaction would exceed SQLite's cache of 2 MB, and be written to a disk that may be full.
_FREED_PAGES, _FREED_AT_ONCE_PAGES = 2000, 200
# The most stored entries that are tracked, and forgotten, as one.
_KEPT_AS_ONE_ROWS = 1000
_FORGOTTEN_AT_ONCE = 20
_SIZE = "length(CAST(payload AS BLOB))"
_ENTRIES = "SELECT id, kind, created_at, payload"


class Entry(NamedTuple):
    """An entry for PostgreSQL: its place in the order, its kind, its time, and its text."""

    id: int
    kind: str
    created_at: float
    payload: str

    @property
    def size_bytes(self) -> int:
        """Its size against the limit of the outbox."""
        return _size_bytes(self.payload)


class _Kept(NamedTuple):
    """Entries that were stored together: the last one's id, their bytes, and the time."""

    last_id: int
    size_bytes: int
    stored_at: float


class Outbox:
    """The file of the outbox.

    Attributes:
        rows, payload_bytes: of the waiting entries.
        kept_bytes: of the stored entries, which are kept for a while in case the database goes back in time.
        alert_events: the number written since the file was opened.
        alive_at: until when the daemon is known to have watched, in seconds since 1970; None if it never did.
        id: of this file, for ever.
        shares: whether standings go to PostgreSQL too, for other replicas.
        combined_targets: names of targets that several places watch: flips of one place make no incident of them.
    """

    def __init__(self, path: Path, steady: Callable[[], float] = steady_seconds, *, shares: bool = False) -> None:
        """Open or create the file; a damaged one is moved aside.

        Args:
            path: of the file.
            steady: returns seconds of a clock that is never set.
            shares: see the attribute.

        Raises:
            OutboxUnavailableError: it cannot be opened now.
        """
        self._file = OutboxFile(path, self._take_up)
        self._steady = steady
        self.shares = shares
        self.combined_targets: frozenset[str] = frozenset()
        self.rows = self.payload_bytes = self.kept_bytes = 0
        self.alert_events = 0
        self.alive_at: Any = None
        self._stored_until = 0
        self._kept: deque[_Kept] = deque()
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
        newest_flips: Iterable[tuple[str, str, str]] = (),
        slots_until: float | None = None,
        alongside: Callable[[sqlite3.Connection], object] | None = None,
    ) -> None:
        """Append the results of a burst of checks, all or nothing.

        Args:
            entries: kinds and payloads, in the order in which they are to be stored.
            now: seconds since 1970; until then the daemon is known to have watched.
            minute: to which the measurements belong.
            measurements: for the rollup of that minute, encoded.
            standings: location, target and encoded standing of each target with a new standing.
            newest_flips: location, target and payload of flips, to be sent again if the database has lost them.
            slots_until: the last slot of those checks, in seconds since 1970.
            alongside: called with the open file, in the same transaction.
        """
        with self._putting(entries, now) as database:
            if measurements is not None:
                database.execute("INSERT INTO journal (minute, payload) VALUES (?, ?)", (minute, measurements))
            database.executemany("INSERT OR REPLACE INTO standings VALUES (?, ?, ?)", standings)
            database.executemany("INSERT OR REPLACE INTO newest_flips VALUES (?, ?, ?)", newest_flips)
            _set(database, "alive_at", now)
            if slots_until is not None and slots_until > (_get(database, "slots_until") or 0):
                _set(database, "slots_until", slots_until)
            if alongside is not None:
                alongside(database)
        self.alive_at = now  # after the rows are counted: who reads it first knows of all until then

    def put(
        self,
        entries: Iterable[tuple[str, str]],
        *,
        now: float,
        alongside: Callable[[sqlite3.Connection], object],
    ) -> None:
        """Append entries that are not from checks, all or nothing.

        Args:
            entries: kinds and payloads, in the order in which they are to be stored.
            now: seconds since 1970.
            alongside: called with the open file, in the same transaction.
        """
        with self._putting(entries, now) as database:
            alongside(database)

    def read(self, query: str, *arguments: object) -> list[Any]:
        """Return the rows of a query."""
        with self._file.opened() as database:
            return database.execute(query, arguments).fetchall()

    def peek(self, limit: int, max_bytes: int) -> list[Entry]:
        """Return the oldest waiting entries, up to `limit` entries and about `max_bytes`."""
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

    def mark_stored(self, entries: Sequence[Entry]) -> None:
        """Mark the oldest waiting entries as stored, and keep them until they are forgotten.

        If the disk is full, they are deleted at once, since keeping them would take room.

        Args:
            entries: all waiting entries up to the last of these, in order.
        """
        last_id, size = entries[-1].id, sum(entry.size_bytes for entry in entries)
        is_kept = not self._file.reserve.is_spent
        with self._file.transaction() as database:
            if is_kept:
                database.execute(f"INSERT OR REPLACE INTO stored {_ENTRIES} FROM entries WHERE id <= ?", (last_id,))
            there = database.execute("DELETE FROM entries WHERE id <= ?", (last_id,)).rowcount
            _set(database, "stored_until", last_id)
        self._stored_until = last_id
        if is_kept:
            self._kept.append(_Kept(last_id, size, self._steady()))
            self.kept_bytes += size
        self._count(-len(entries), -size)
        if there != len(entries):  # some were dropped before, past the limits or with a damaged file
            with self._file.opened() as database:
                self._recount(database)
        if not is_kept:
            self.forget_stored(0)

    def has_outlived(self, keep_seconds: float) -> bool:
        """Say whether anything has been stored for so long; callable from any thread."""
        kept = tuple(self._kept)
        return bool(kept) and self._steady() - kept[0].stored_at >= keep_seconds

    def forget_stored(self, keep_seconds: float = math.inf, max_bytes: float = math.inf) -> None:
        """Delete entries stored longer ago than `keep_seconds`, and the oldest stored ones past `max_bytes`."""
        now = self._steady()
        while self._kept:
            last_id, left_bytes = 0, self.kept_bytes
            for kept in islice(self._kept, _FORGOTTEN_AT_ONCE):
                if left_bytes <= max_bytes and now - kept.stored_at < keep_seconds:
                    break
                last_id, left_bytes = kept.last_id, left_bytes - kept.size_bytes
            if not last_id:
                return
            with self._file.transaction() as database:
                database.execute("DELETE FROM stored WHERE id <= ?", (last_id,))
            while self._kept and self._kept[0].last_id <= last_id:
                self.kept_bytes -= self._kept.popleft().size_bytes

    def send_again(self, stored_until: int, now: float) -> int:
        """Make entries that a database has lost wait again, and with them the newest flip of each target.

        Args:
            stored_until: the last entry that it has, 0 if it knows of none.
            now: seconds since 1970.

        Returns:
            how many more entries wait now; none if the database has all that was marked as stored.
        """
        if stored_until >= self._stored_until:
            return 0
        before = self.rows
        with self._file.transaction(durable=True) as database:
            _set(database, "stored_until", stored_until)
            database.execute(f"INSERT OR IGNORE INTO entries {_ENTRIES} FROM stored WHERE id > ?", (stored_until,))
            database.execute("DELETE FROM stored WHERE id > ?", (stored_until,))
            flips = "SELECT 'flip', ?, payload FROM newest_flips ORDER BY location, target"
            database.execute(f"INSERT INTO entries (kind, created_at, payload) {flips}", (now,))
        with self._file.opened() as database:
            self._take_up(database)
        return self.rows - before

    def remove(self, entries: Sequence[Entry]) -> None:
        """Delete entries without keeping them."""
        with self._file.transaction() as database:
            before = database.total_changes
            database.executemany("DELETE FROM entries WHERE id = ?", [(entry.id,) for entry in entries])
            removed = database.total_changes - before
        self._count(-removed, -sum(entry.size_bytes for entry in entries))
        if removed != len(entries):  # some were dropped before, past the limits or with a damaged file
            with self._file.opened() as database:
                self._recount(database)

    def set_aside(self, entry: Entry, error: str, now: float) -> None:
        """Move an entry that the database refuses to `set_aside`, with the error, for an operator to look at."""
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
        """Return the id, the minute and the measurements of earlier minutes."""
        query = "SELECT id, minute, payload FROM journal WHERE minute < ? ORDER BY id"
        with self._file.opened() as database:
            return database.execute(query, (before_minute,)).fetchall()

    def roll_up(self, journal_ids: Iterable[int], rollups: Iterable[str], *, now: float, closed_minute: int) -> None:
        """Replace measurements by their rollups."""
        new = [("rollups", now, payload) for payload in rollups]
        with self._file.transaction() as database:
            database.executemany("DELETE FROM journal WHERE id = ?", [(number,) for number in journal_ids])
            database.executemany("INSERT INTO entries (kind, created_at, payload) VALUES (?, ?, ?)", new)
            _set(database, "closed_minute", closed_minute)
        self._count(len(new), sum(_size_bytes(payload) for _, _, payload in new))

    def begin_part(self) -> None:
        """Start another `part`: closed minutes come again, since the clock was set back."""
        with self._file.transaction() as database:
            _set(database, "part", secrets.randbits(62))
            _set(database, "closed_minute", -1)

    def meta(self, key: str) -> Any:
        """Return a single value by its name, such as `alive_at`; None if it was never set."""
        with self._file.opened() as database:
            return _get(database, key)

    def doubt_clock(self, until: float) -> None:
        """Record until when nothing may be dropped for its age, in seconds since 1970."""
        if self.meta("doubted_until") != until:
            with self._file.transaction(durable=True) as database:
                _set(database, "doubted_until", until)

    def standings(self, location: str, names: Iterable[str] | None = None) -> dict[str, str]:
        """Return the encoded standings of a location's targets, or of the known ones of some names."""
        query = "SELECT target, standing FROM standings WHERE location = ?"
        with self._file.opened() as database:
            if names is None:
                return dict(database.execute(query, (location,)).fetchall())
            query += " AND target IN (SELECT value FROM json_each(?))"
            return dict(database.execute(query, (location, json.dumps(list(names)))).fetchall())

    def forget_standings(self, location: str, targets: Iterable[str]) -> None:
        """Forget the standings of targets that are no longer watched, and record the location."""
        places = [(location, target) for target in targets]
        with self._file.transaction() as database:
            database.executemany("DELETE FROM standings WHERE location = ? AND target = ?", places)
            database.executemany("DELETE FROM newest_flips WHERE location = ? AND target = ?", places)
            database.executemany("DELETE FROM incidents WHERE location = ? AND target = ?", places)
            _set(database, "location", location)

    def tidy(self) -> None:
        """Return free pages to the disk, and make the reserve again."""
        with self._file.opened() as database:
            # It frees one page a step, and `execute` takes a single step of a statement without rows.
            for _ in range(_FREED_PAGES // _FREED_AT_ONCE_PAGES):
                database.executescript(f"PRAGMA incremental_vacuum({_FREED_AT_ONCE_PAGES})")
            if self._file.reserve.is_spent:  # freed pages return to the disk with the checkpoint
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._file.reserve.hold()

    def start_anew(self, error: OutboxDamagedError) -> None:
        """Move the damaged file aside and start an empty one; `take_notices` has the names."""
        self._file.start_anew(error)

    def take_notices(self) -> list[str]:
        """Return the notices for the operator, once; the calling thread cannot log them itself."""
        return self._file.take_notices()

    def give_notice(self, text: str) -> None:
        """Add a notice for the operator."""
        self._file.give_notice(text)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take_up(self, database: sqlite3.Connection) -> None:
        self.id = id_of(_get(database, "id"))
        self._stored_until = _stored_until(database)
        self.alive_at = _get(database, "alive_at")
        query = f"SELECT max(id), sum({_SIZE}) FROM stored GROUP BY id / ? ORDER BY 1"  # noqa: S608
        rows, now = database.execute(query, (_KEPT_AS_ONE_ROWS,)), self._steady()
        self._kept = deque(_Kept(last_id, size, now) for last_id, size in rows)
        self.kept_bytes = sum(kept.size_bytes for kept in self._kept)
        self._recount(database)

    @contextmanager
    def _putting(self, entries: Iterable[tuple[str, str]], now: float) -> Iterator[sqlite3.Connection]:
        """Append entries in one transaction with the block."""
        self._file.restore_if_deleted()  # entries in a deleted file would be lost with the process
        self._file.leave_readers_behind()
        if self._file.reserve.is_spent:
            self.forget_stored(0)
            self.tidy()
            if self._file.reserve.is_spent:
                raise OutboxUnavailableError("the disk is full")
        new = [(kind, now, payload) for kind, payload in entries]
        with self._file.transaction(durable=bool(new)) as database:
            database.executemany("INSERT INTO entries (kind, created_at, payload) VALUES (?, ?, ?)", new)
            yield database
        self._count(len(new), sum(_size_bytes(payload) for _, _, payload in new))

    def _count(self, rows: int, payload_bytes: int) -> None:
        self.rows += rows
        self.payload_bytes += payload_bytes

    def _recount(self, database: sqlite3.Connection) -> None:
        query = f"SELECT count(*), coalesce(sum({_SIZE}), 0) FROM entries"  # noqa: S608
        self.rows, self.payload_bytes = database.execute(query).fetchone()


def _size_bytes(payload: str) -> int:
    return len(payload) if payload.isascii() else len(payload.encode())


def _stored_until(database: sqlite3.Connection) -> int:
    """Return the last stored entry; the last kept one if a damaged disk has changed the counter."""
    (last_id,) = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    (kept_until,) = database.execute("SELECT coalesce(max(id), 0) FROM stored").fetchone()
    found = _get(database, "stored_until")
    return found if isinstance(found, int) and kept_until <= found <= last_id else kept_until


def _get(database: sqlite3.Connection, key: str) -> Any:
    row = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def _set(database: sqlite3.Connection, key: str, value: object) -> None:
    database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

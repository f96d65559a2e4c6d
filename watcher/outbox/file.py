"""The file of the outbox: opened when needed, moved aside when damaged, and restored when deleted.

One thread at a time may call, and every call blocks.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from watcher.outbox.disk_reserve import Reserve
from watcher.outbox.errors import OutboxDamagedError, OutboxUnavailableError, mapped_errors
from watcher.outbox.schema import BESIDE, MAX_WAL_BYTES, aside_of, move_aside, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Identity = tuple[int, int] | None

# A larger file is not checked at the start: damage shows when it is read.
MAX_CHECKED_BYTES = 64 * 1024 * 1024
# SQLite moves nothing out of a -wal that a reader with an open transaction may still need, so it grows.
MAX_HELD_WAL_BYTES = 4 * MAX_WAL_BYTES


class OutboxFile:
    """An SQLite file at a path, with the two files that SQLite keeps beside it.

    Attributes:
        reserve: room on the same disk.
    """

    def __init__(self, path: Path, opened: Callable[[sqlite3.Connection], None]) -> None:
        """Set the path; the file is opened or created when first needed.

        Args:
            path: of the file.
            opened: called each time the file was opened, before it is used.
        """
        self.reserve = Reserve(path.with_suffix(".reserve"))
        self._path = path
        self._parts = [path.with_name(path.name + suffix) for suffix in ("", *BESIDE)]
        self._opened_by = opened
        self._notices: list[str] = []
        self._connection: sqlite3.Connection | None = None
        self._is_open = False
        self._identities: list[Identity] = []
        self._max_wal_bytes = MAX_HELD_WAL_BYTES

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Yield the open file, and map its errors; opens it if it is not open."""
        with mapped_errors(self.reserve):
            yield self._connection if self._connection is not None and self._is_open else self._open()

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Run a transaction; a `durable` one survives a loss of power, at the cost of waiting for the disk."""
        with self.opened() as database:
            database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    def restore_if_deleted(self) -> None:
        """Restore the file if it, or a file beside it, was deleted or replaced while in use.

        A deleted file can be read and written while it is open, and is lost with the process. The look takes some µs.

        Raises:
            OutboxUnavailableError: it cannot be restored now; its entries can still be read and deleted.
            OutboxDamagedError: it cannot be read.
        """
        if not self._is_open or self._connection is None:
            return
        try:
            with mapped_errors(self.reserve):
                if self._found() != self._identities:
                    self._write_copy(self._connection, "was deleted or replaced while it was in use")
        except OutboxUnavailableError as error:
            raise OutboxUnavailableError(f"{self._path} was deleted, and cannot be restored: {error}") from error

    def leave_readers_behind(self) -> None:
        """Write a copy of the file in its place if a reader holds it open and the -wal has grown past its limit.

        The file that the reader holds then grows no more, and is gone with the reader's transaction.
        """
        wal_bytes = _size_bytes(self._parts[1])
        if not self._is_open or self._connection is None or wal_bytes <= self._max_wal_bytes:
            return
        try:
            with mapped_errors(self.reserve):
                _, there, taken_over = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if taken_over < there:
                    self._write_copy(self._connection, f"is held open by a reader, and its -wal had {wal_bytes} bytes")
        except OutboxUnavailableError:
            self._max_wal_bytes = 2 * wal_bytes  # most likely no room for a copy: not tried again each time
        else:
            self._max_wal_bytes = MAX_HELD_WAL_BYTES

    def start_anew(self, error: OutboxDamagedError) -> None:
        """Move the damaged file aside and start an empty one; `take_notices` has the names."""
        self._is_open = False
        with mapped_errors(self.reserve):
            aside = move_aside(self._path)  # before closing, when SQLite would remove the files beside it
        self._notices.append(f"the outbox was damaged ({error}) and is now {aside}; a new one was started")
        with self.opened():
            pass

    def take_notices(self) -> list[str]:
        """Return the notices for the operator, once; the calling thread cannot log them itself."""
        notices, self._notices = self._notices, []
        return notices

    def give_notice(self, text: str) -> None:
        """Add a notice for the operator."""
        self._notices.append(text)

    def close(self) -> None:
        """Close the file; restore it first if it was deleted."""
        try:
            self.restore_if_deleted()
        except (OutboxUnavailableError, OutboxDamagedError) as error:
            self._notices.append(f"the outbox is lost: {error}")
        self._close()

    def _close(self) -> None:
        self._is_open = False
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        self._close()
        self._connection = database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        # A text that a damaged disk has changed is detected where it is read.
        database.text_factory = lambda raw: raw.decode("utf-8", "replace")
        prepare(database, check=self._path.stat().st_size <= MAX_CHECKED_BYTES)
        self._opened_by(database)
        self.reserve.hold()
        self._identities = self._found()
        self._is_open = True
        return database

    def _found(self) -> list[Identity]:
        """Return the identities of the files at the path and beside it."""
        return [_identity(part) for part in self._parts]

    def _write_copy(self, database: sqlite3.Connection, why: str) -> None:
        """Write a copy of the file to its path; it is opened again when next needed."""
        copy = self._path.with_name(f"{self._path.name}.new")
        copy.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(copy)) as target:
                database.backup(target)
            (rows,) = database.execute("SELECT count(*) FROM entries").fetchone()
            stranger = self._clear()
            copy.replace(self._path)
        except BaseException:
            copy.unlink(missing_ok=True)  # half a copy takes room, and the disk may be full
            raise
        self._close()  # last: until here, everything can be repeated
        aside = f"; the file in its place is now {stranger}" if stranger else ""
        self._notices.append(f"{self._path} {why}; it was restored with {rows} waiting entries{aside}")

    def _clear(self) -> Path | None:
        """Make room for another file: move a foreign file aside, remove the files beside our own."""
        found = self._found()
        is_stranger = found[0] not in {None, self._identities[0]}
        aside = aside_of(self._path, "replaced") if is_stranger else None
        for part, there, ours in zip(self._parts, found, self._identities, strict=True):
            if there is not None and there != ours and aside is not None:
                part.rename(aside.with_name(aside.name + part.name.removeprefix(self._path.name)))
            elif part != self._path:  # SQLite would mistake it for a part of the new file
                part.unlink(missing_ok=True)
        return aside


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino

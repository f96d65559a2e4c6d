"""What can go wrong with the outbox's file, and the one place where SQLite's errors become these."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.outbox.disk_reserve import Reserve

_PRIMARY_CODE = 0xFF  # the rest of an extended result code is its cause
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_MAY_BE_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


class OutboxUnavailableError(Exception):
    """The outbox cannot be written or read now; trying again later may help."""


class OutboxDamagedError(Exception):
    """The file of the outbox is no longer what SQLite wrote."""


@contextmanager
def mapped_errors(reserve: Reserve) -> Iterator[None]:
    """Turn what SQLite raises into the errors of this module; where the disk is full, the reserve is freed."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE
        if code in _DAMAGED:
            raise OutboxDamagedError(str(error)) from error
        freed = code in _MAY_BE_FULL and reserve.free()
        raise OutboxUnavailableError(f"{error}{'; the reserve was freed' if freed else ''}") from error
    except UnicodeDecodeError as error:  # SQLite's own words for damage have what is damaged in them
        raise OutboxDamagedError(f"a text of it is none: {error.reason}") from error
    except OSError as error:
        raise OutboxUnavailableError(str(error)) from error

"""The errors of the outbox's file, and the one place that maps SQLite's errors to them."""

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
    """Map SQLite's errors to those of this module; if the disk is full, free the reserve."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE
        if code in _DAMAGED:
            raise OutboxDamagedError(str(error)) from error
        freed = code in _MAY_BE_FULL and reserve.free()
        raise OutboxUnavailableError(f"{error}{'; the reserve was freed' if freed else ''}") from error
    except UnicodeDecodeError as error:  # SQLite's message for damage quotes the damaged text
        raise OutboxDamagedError(f"a damaged text: {error.reason}") from error
    except OSError as error:
        raise OutboxUnavailableError(str(error)) from error

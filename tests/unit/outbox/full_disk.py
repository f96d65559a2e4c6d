"""The nearest to a full disk without a disk of one's own."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

from watcher.outbox.errors import OutboxUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.outbox.outbox import Outbox

PAYLOAD = "x" * 3000


@contextmanager
def small_files(most_bytes: int) -> Iterator[None]:
    """Limit the size of this process's files: SQLite sees that as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill_up(outbox: Outbox) -> int:
    """Append until it is full, and return the number of entries."""
    appended = 0
    while True:
        try:
            # Few at once: SQLite checkpoints the WAL at a thousand pages, just before that is full.
            outbox.append([("failure", f"{appended + number} {PAYLOAD}") for number in range(5)], now=1.0, minute=0)
        except OutboxUnavailableError:
            return appended
        appended += 5


def numbers(outbox: Outbox) -> list[int]:
    """Return the numbers of the waiting entries."""
    return [int(entry.payload.split()[0]) for entry in outbox.peek(10**6, 10**12)]

"""The limits of the outbox: past them, stored entries are forgotten, then the oldest waiting entries dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.outbox.outbox import Entry, Outbox

DROPPED_AT_ONCE_ROWS = 1000
DROPPED_AT_ONCE_BYTES = 16 * 1024 * 1024


def drop_oldest(outbox: Outbox, *, max_bytes: int, created_before: float) -> int:
    """Drop entries past the limits, the oldest first; blocks.

    Args:
        outbox: to drop entries from.
        max_bytes: the most bytes that it may hold.
        created_before: seconds since 1970; earlier entries are dropped.

    Returns:
        the number of dropped entries that were waiting.

    Raises:
        OutboxUnavailableError, OutboxDamagedError: see there.
    """
    outbox.forget_stored(max_bytes=max(max_bytes - outbox.payload_bytes, 0))
    dropped, limit = 0, 1  # runs every second: one entry shows that nothing is past the limits
    while True:
        excess, past = outbox.payload_bytes - max_bytes, list["Entry"]()
        oldest = outbox.peek(limit, DROPPED_AT_ONCE_BYTES)
        for entry in oldest:
            if excess <= 0 and entry.created_at >= created_before:
                break
            past.append(entry)
            excess -= entry.size_bytes
        if past:
            outbox.remove(past)
        dropped, limit = dropped + len(past), DROPPED_AT_ONCE_ROWS
        if not past or len(past) < len(oldest):
            return dropped

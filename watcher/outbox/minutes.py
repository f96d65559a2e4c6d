"""Collects measurements in the outbox, and makes the rollups of a minute when it is over.

All functions block: they run in the outbox's thread. Nothing is kept in memory between two calls, so the journal of a
minute that a crash cut off is rolled up at the next start.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from watcher.history.rollup import each_rolled_up, rollup_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.outbox.outbox import Outbox

MINUTE_SECONDS = 60
# The limit of rollups in one entry, which is stored or refused as a whole.
MAX_ROLLUPS_IN_ENTRY = 500
ALL_MINUTES = 2**62


def open_minute(outbox: Outbox, now: float) -> int:
    """Return the minute of checks that end now.

    A closed minute is not opened again, since PostgreSQL would take two rollups of it for one: if the clock was
    set back, its minutes get another `part`.
    """
    minute = int(now // MINUTE_SECONDS)
    if minute <= outbox.meta("closed_minute"):
        close_minutes(outbox, now, before_minute=ALL_MINUTES)
        outbox.begin_part()
    return minute


def close_minutes(outbox: Outbox, now: float, *, before_minute: int) -> None:
    """Roll up the journal's earlier minutes."""
    rows = outbox.journal(before_minute)
    if not rows:
        return
    part, journal = outbox.meta("part"), dict[int, list[str]]()
    for _, minute, payload in rows:
        journal.setdefault(minute, []).append(payload)
    rollups = [rollup for minute, payloads in sorted(journal.items()) for rollup in _rollups(minute, part, payloads)]
    outbox.roll_up((number for number, _, _ in rows), rollups, now=now, closed_minute=max(journal))


def _measurements(payload: str) -> list[Any]:
    """Read measurements; those that a damaged disk made unreadable are dropped, without blocking others."""
    try:
        found = json.loads(payload)
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _rollups(minute: int, part: int, payloads: list[str]) -> Iterator[str]:
    """Yield the encoded rollups of a minute, one by one, so that they are never all in memory as objects."""
    began_at = datetime.fromtimestamp(minute * MINUTE_SECONDS, UTC)
    rollups = each_rolled_up(chain.from_iterable(map(_measurements, payloads)))
    while some := dict(islice(rollups, MAX_ROLLUPS_IN_ENTRY)):
        yield json.dumps(rollup_rows(some, began_at, part))

"""The minutes of the rollups: what checks came to is gathered in the outbox, and rolled up when a minute is over.

All functions block: they are called in the outbox's thread. There is nothing in memory between two calls, so what the
journal has of a minute that a crash cut off is rolled up at the next start.
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
# The bound of the rollups in one entry, which is stored or refused as a whole.
MAX_ROLLUPS_IN_ENTRY = 500
ALL_MINUTES = 2**62


def open_minute(outbox: Outbox, now: float) -> int:
    """Return the minute to which checks belong that end now.

    A minute that was closed is not opened again, or two rollups of it would be one to PostgreSQL: where the clock was
    set back, its minutes become those of another `part`.
    """
    minute = int(now // MINUTE_SECONDS)
    if minute <= outbox.meta("closed_minute"):
        close_minutes(outbox, now, before_minute=ALL_MINUTES)
        outbox.begin_part()
    return minute


def close_minutes(outbox: Outbox, now: float, *, before_minute: int) -> None:
    """Roll up what the journal has of earlier minutes."""
    rows = outbox.journal(before_minute)
    if not rows:
        return
    part, journal = outbox.meta("part"), dict[int, list[str]]()
    for _, minute, payload in rows:
        journal.setdefault(minute, []).append(payload)
    rollups = [rollup for minute, payloads in sorted(journal.items()) for rollup in _rollups(minute, part, payloads)]
    outbox.roll_up((number for number, _, _ in rows), rollups, now=now, closed_minute=max(journal))


def _measurements(payload: str) -> list[Any]:
    """Read measurements; what a damaged disk has made of them is lost, and holds up no others."""
    try:
        found = json.loads(payload)
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _rollups(minute: int, part: int, payloads: list[str]) -> Iterator[str]:
    """Yield the rollups of a minute, encoded; one after the other, so that they are never all in memory as objects."""
    began_at = datetime.fromtimestamp(minute * MINUTE_SECONDS, UTC)
    rollups = each_rolled_up(chain.from_iterable(map(_measurements, payloads)))
    while some := dict(islice(rollups, MAX_ROLLUPS_IN_ENTRY)):
        yield json.dumps(rollup_rows(some, began_at, part))

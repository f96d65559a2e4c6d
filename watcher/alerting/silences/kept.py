"""Silences and acks in the outbox, where they are kept while they hold, and put on their way to PostgreSQL; blocks."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.alerting.policy.encoding import decode_incident
from watcher.alerting.silences.encoding import decode_order, encode_order
from watcher.model.alerts.rows import UnreadableRowError
from watcher.model.alerts.silence import Silence
from watcher.model.places import COMBINED
from watcher.outbox.encoding import ACK, SILENCE

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable
    from pathlib import Path

    from watcher.alerting.silences.orders import Order
    from watcher.outbox.outbox import Outbox

# How long another process, which only reads, waits while the daemon writes.
READ_SECONDS = 2.0

_READ = {SILENCE: "SELECT payload FROM silences", ACK: "SELECT payload FROM acks"}
_KEEP = {
    SILENCE: "INSERT OR REPLACE INTO silences (id, payload) VALUES (?, ?)",
    ACK: "INSERT OR REPLACE INTO acks (id, payload) VALUES (?, ?)",
}
_FORGET = ("DELETE FROM silences WHERE id = ?", "DELETE FROM acks WHERE id = ?")
_INCIDENT = "SELECT payload FROM incidents WHERE location IN (?, ?) AND target = ?"
_ANY_INCIDENT = "SELECT 1 FROM incidents WHERE target = ? LIMIT 1"


def kept_orders(outbox: Outbox) -> list[Order]:
    """Return all that are kept; what nobody understands any more, as a damaged disk has made it, is left out."""
    found: list[Order] = []
    for kind, query in _READ.items():
        for (payload,) in outbox.read(query):
            with suppress(ValueError):
                found.append(decode_order(kind, payload))
    return found


def keep(outbox: Outbox, orders: Iterable[Order], *, now: float, tells: bool) -> None:
    """Keep silences and acks in the place of what was known of them.

    Args:
        outbox: where they are kept.
        orders: in any order.
        now: seconds since 1970.
        tells: whether PostgreSQL is to be told.
    """
    encoded = [(str(order.id), *encode_order(order)) for order in orders]

    def write(database: sqlite3.Connection) -> None:
        for row_id, kind, payload in encoded:
            database.execute(_KEEP[kind], (row_id, payload))

    outbox.put([(kind, payload) for _, kind, payload in encoded] if tells else (), now=now, alongside=write)


def forget(outbox: Outbox, ids: Iterable[uuid.UUID], *, now: float) -> None:
    """Keep silences and acks no longer; PostgreSQL has them.

    Args:
        outbox: where they are kept.
        ids: of either.
        now: seconds since 1970.
    """
    rows = [(str(one),) for one in ids]

    def write(database: sqlite3.Connection) -> None:
        for text in _FORGET:
            database.executemany(text, rows)

    outbox.put((), now=now, alongside=write)


def open_since(outbox: Outbox, location: str, targets: Iterable[str]) -> dict[str, datetime]:
    """Return since when targets have an open incident, at a location or at `*`; those without one are left out."""
    found = {}
    for target in targets:
        for (payload,) in outbox.read(_INCIDENT, location, COMBINED, target):
            try:
                found[target] = decode_incident(payload).since
            except UnreadableRowError:  # open, and nobody knows since when
                found[target] = datetime.fromtimestamp(0, UTC)
    return found


def silences_outside(path: Path) -> list[Silence]:
    """Return the silences that are kept in the outbox of another process.

    Args:
        path: of its file.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    found = []
    for (payload,) in _rows_outside(path, _READ[SILENCE]):
        with suppress(ValueError):
            found.append(decode_order(SILENCE, payload))
    return [order for order in found if isinstance(order, Silence)]


def is_open_outside(path: Path, target: str) -> bool:
    """Say whether a target has an open incident, at any location, in the outbox of another process.

    Args:
        path: of its file.
        target: a name.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    return bool(_rows_outside(path, _ANY_INCIDENT, target))


def _rows_outside(path: Path, query: str, *arguments: object) -> list[tuple[str]]:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=READ_SECONDS)) as database:
        return database.execute(query, arguments).fetchall()

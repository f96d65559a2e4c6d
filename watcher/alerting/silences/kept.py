"""Stores silences and acks in the outbox while they are in force, and queues them for PostgreSQL. Blocks."""

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

# How long a reading process waits while the daemon writes.
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
    """Return all stored orders; unreadable ones, as after damage to the disk, are left out."""
    found: list[Order] = []
    for kind, query in _READ.items():
        for (payload,) in outbox.read(query):
            with suppress(ValueError):
                found.append(decode_order(kind, payload))
    return found


def keep(outbox: Outbox, orders: Iterable[Order], *, now: float, tells: bool) -> None:
    """Store silences and acks, replacing former versions.

    Args:
        outbox: stores them.
        orders: in any order.
        now: seconds since 1970.
        tells: whether to send them to PostgreSQL.
    """
    encoded = [(str(order.id), *encode_order(order)) for order in orders]

    def write(database: sqlite3.Connection) -> None:
        for row_id, kind, payload in encoded:
            database.execute(_KEEP[kind], (row_id, payload))

    outbox.put([(kind, payload) for _, kind, payload in encoded] if tells else (), now=now, alongside=write)


def forget(outbox: Outbox, ids: Iterable[uuid.UUID], *, now: float) -> None:
    """Delete silences and acks from the outbox; PostgreSQL keeps them.

    Args:
        outbox: stores them.
        ids: of either.
        now: seconds since 1970.
    """
    rows = [(str(one),) for one in ids]

    def write(database: sqlite3.Connection) -> None:
        for text in _FORGET:
            database.executemany(text, rows)

    outbox.put((), now=now, alongside=write)


def open_since(outbox: Outbox, location: str, targets: Iterable[str]) -> dict[str, datetime]:
    """Return when the open incidents of targets started, at a location or at `*`; targets without one are left out."""
    found = {}
    for target in targets:
        for (payload,) in outbox.read(_INCIDENT, location, COMBINED, target):
            try:
                found[target] = decode_incident(payload).since
            except UnreadableRowError:  # open, but its start is unknown
                found[target] = datetime.fromtimestamp(0, UTC)
    return found


def silences_outside(path: Path) -> list[Silence]:
    """Return the silences in the outbox of another process.

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
    """Return whether a target has an open incident, at any location, in the outbox of another process.

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

"""Silences and acks in the outbox: what operators have said is kept here while it holds, and told PostgreSQL.

A silence that is known twice is joined: the earlier end holds, whoever has brought it. So it does not matter in which
order they come, or how often.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watcher.model.alerts.silence import Ack, Silence
from watcher.outbox.encoding import ACK, SILENCE, encode_row
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from watcher.outbox.outbox import Outbox

# How long a reader from outside waits for whoever writes.
READ_SECONDS = 2.0
# The bound of each text; what is ordered has lower ones.
MAX_WORDS_CHARS = 1000

_READ = {SILENCE: "SELECT payload FROM silences", ACK: "SELECT payload FROM acks"}
_KEEP = {
    SILENCE: "INSERT OR REPLACE INTO silences (id, payload) VALUES (?, ?)",
    ACK: "INSERT OR REPLACE INTO acks (id, payload) VALUES (?, ?)",
}
_FORGET = ("DELETE FROM silences WHERE id = ?", "DELETE FROM acks WHERE id = ?")
_INCIDENT = "SELECT payload FROM incidents WHERE location = ? AND target = ?"


def encode_order(order: Silence | Ack) -> tuple[str, str]:
    """Return the kind and the text of a silence or an ack: a JSON object with the columns of its table."""
    if isinstance(order, Ack):
        row = {"id": order.id, "target": order.target, "at": order.at, "why": order.why, "said_by": order.by}
        return ACK, encode_row(row)
    return SILENCE, encode_row(
        {
            "id": order.id,
            "starts_at": order.start,
            "ends_at": order.end,
            "why": order.why,
            "said_by": order.by,
            "targets": None if order.targets is None else sorted(order.targets),
            "group_name": order.group,
        }
    )


def decode_order(kind: str, text: str) -> Silence | Ack:
    """Return a silence or an ack of its text, whoever has written that; keys that are not known are nobody's.

    Raises:
        ValueError: it is neither; the message says why.
    """
    if kind not in _KEEP:
        raise ValueError(f"{one_line(kind, 40)!r} is not a kind of order")
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(row, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  # as all that somebody may have written
    return order_of_row(kind, row)


def order_of_row(kind: str, row: Mapping[str, Any]) -> Silence | Ack:
    """Return a silence or an ack of the columns of its table, as JSON or PostgreSQL has them.

    Raises:
        ValueError: it is neither; the message says why.
    """
    row_id, why, by = _id(row.get("id")), _text(row, "why"), _text(row, "said_by")
    if kind == ACK:
        return Ack(row_id, _name(row.get("target")), _moment(row, "at"), why, by)
    targets, group = row.get("targets"), row.get("group_name")
    if targets is not None and not isinstance(targets, list):
        raise ValueError("targets is not a list")
    names = None if targets is None else frozenset(_name(one) for one in targets)
    return Silence(
        row_id,
        _moment(row, "starts_at"),
        _moment(row, "ends_at"),
        why,
        by,
        names,
        None if group is None else _name(group),
    )


def kept_orders(outbox: Outbox) -> list[Silence | Ack]:
    """Return all that are kept; what nobody understands any more, as a damaged disk has made it, is left out."""
    with outbox.opened() as database:
        return _kept_in(database)


def keep(outbox: Outbox, orders: Iterable[Silence | Ack], *, now: float, tells: bool) -> None:
    """Keep silences and acks in the place of what was known of them, and put them on their way to PostgreSQL.

    Args:
        outbox: where they are kept.
        orders: in any order.
        now: seconds since 1970.
        tells: whether PostgreSQL is to be told.
    """
    encoded = [(str(order.id), *encode_order(order)) for order in orders]
    entries = [(kind, payload) for _, kind, payload in encoded] if tells else []
    with outbox.writing(entries, now=now) as database:
        for row_id, kind, payload in encoded:
            database.execute(_KEEP[kind], (row_id, payload))


def forget(outbox: Outbox, ids: Iterable[uuid.UUID]) -> None:
    """Keep silences and acks no longer; PostgreSQL has them."""
    rows = [(str(one),) for one in ids]
    with outbox.writing((), now=0.0) as database:
        for text in _FORGET:
            database.executemany(text, rows)


def open_since(outbox: Outbox, location: str, targets: Iterable[str]) -> dict[str, datetime]:
    """Return since when targets have an open incident at a location; those without one are left out."""
    found = {}
    with outbox.opened() as database:
        for target in targets:
            row = database.execute(_INCIDENT, (location, target)).fetchone()
            if row is not None:
                found[target] = _moment(json.loads(row[0]), "since")
    return found


@contextmanager
def read_from_outside(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file of an outbox that another process writes, to read for a moment.

    Args:
        path: of the file.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=READ_SECONDS)) as database:
        yield database


def silences_outside(path: Path) -> list[Silence]:
    """Return the silences that are kept in the outbox of another process.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    with read_from_outside(path) as database:
        return [order for order in _kept_in(database) if isinstance(order, Silence)]


def is_open_outside(path: Path, target: str) -> bool:
    """Say whether a target has an open incident, at any location, in the outbox of another process.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    with read_from_outside(path) as database:
        return database.execute("SELECT 1 FROM incidents WHERE target = ?", (target,)).fetchone() is not None


def _kept_in(database: sqlite3.Connection) -> list[Silence | Ack]:
    found = []
    for kind, query in _READ.items():
        for (payload,) in database.execute(query):
            with suppress(ValueError):
                found.append(decode_order(kind, payload))
    return found


def _id(value: object) -> uuid.UUID:
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
    except ValueError:
        raise ValueError("id is not a UUID") from None


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str | None):
        raise ValueError(f"{name} is not a text")  # noqa: TRY004
    return one_line(value or "", MAX_WORDS_CHARS)


def _name(value: object) -> str:
    if not isinstance(value, str) or not value or one_line(value, MAX_WORDS_CHARS) != value:
        raise ValueError("the name of a target or a group is not one")
    return value


def _moment(row: Mapping[str, Any], name: str) -> datetime:
    value = row.get(name)
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is not a time in ISO 8601") from None

"""Encodes silences and acks as text and rows: for spool files, the outbox and PostgreSQL. Pure."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watcher.model.alerts.silence import Ack, Silence
from watcher.outbox.encoding import ACK, SILENCE
from watcher.outbox.encoding import encode_order as encode_row
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

# The bound of each text; new orders have lower ones.
MAX_WORDS_CHARS = 1000


def encode_order(order: Silence | Ack) -> tuple[str, str]:
    """Return the kind and the text of a silence or an ack: a JSON object with the columns of its table."""
    if isinstance(order, Ack):
        row = {"id": order.id, "target": order.target, "at": order.at, "why": order.why, "said_by": order.by}
        return encode_row(ACK, row)
    return encode_row(
        SILENCE,
        {
            "id": order.id,
            "starts_at": order.start,
            "ends_at": order.end,
            "why": order.why,
            "said_by": order.by,
            "targets": None if order.targets is None else sorted(order.targets),
            "group_name": order.group,
        },
    )


def decode_order(kind: str, text: str) -> Silence | Ack:
    """Return the silence or ack of a text, which may come from any program. Unknown keys are ignored.

    Raises:
        ValueError: the text is neither; the message says why.
    """
    if kind not in {SILENCE, ACK}:
        raise ValueError(f"{one_line(kind, 40)!r} is not a kind of order")
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(row, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  # like all errors in a text
    return order_of_row(kind, row)


def order_of_row(kind: str, row: Mapping[str, Any]) -> Silence | Ack:
    """Return the silence or ack of a row, with the columns of its table from JSON or PostgreSQL.

    Raises:
        ValueError: the row is neither; the message says why.
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
        raise ValueError("the name of a target or a group is not one line of text")
    return value


def _moment(row: Mapping[str, Any], name: str) -> datetime:
    value = row.get(name)
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is not a time in ISO 8601") from None

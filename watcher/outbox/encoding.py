"""Encodes outcomes, flips and standings as the texts of outbox entries, and decodes them.

A failure and a flip are JSON objects with the names of their tables' columns, as `jsonb_to_recordset` takes them: many
are joined into an array without being parsed.
"""

from __future__ import annotations

import json
import math
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from watcher.model.state import Sighting, Standing, State
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from watcher.model.outcome import Outcome
    from watcher.model.state import Flip

FAILURE, FLIP, ROLLUPS, NOTIFICATION = "failure", "flip", "rollups", "notification"
SILENCE, ACK = "silence", "ack"
STANDING, RELEASE = "standing", "release"
ALERT_EVENT, CHANNEL_STEP = "alert_event", "channel_step"

# The limit of any text in a row, so that PostgreSQL can hold every text of a site or a configuration.
MAX_TEXT_CHARS = 32_000

# The start of each kind's payloads.
_BEGINNINGS = {
    ROLLUPS: "[",
    **dict.fromkeys((FAILURE, FLIP, NOTIFICATION, SILENCE, ACK, STANDING, RELEASE, ALERT_EVENT, CHANNEL_STEP), "{"),
}
# Rows of earlier versions, which may wait in an outbox: arrays of values in this order, some of them JSON as text.
_FORMER_COLUMNS = {
    FAILURE: (
        *("id", "target", "address", "location", "scheduled_at", "started_at", "duration_ms", "reason", "detail"),
        *("status_code", "phases_ms", "excerpt", "headers"),
    ),
    FLIP: ("id", "target", "location", "at", "confirmed_at", "state", "before", "reason", "detail", "check_id"),
}
_FORMER_JSON = ("phases_ms", "headers")
# Non-ASCII characters stay as they are: a database that is not in UTF-8 cannot convert an escape to a character.
_to_json = json.JSONEncoder(ensure_ascii=False).encode


def encode_failure(outcome: Outcome) -> tuple[str, str]:
    """Return the kind and the text of a failure."""
    assert outcome.fault is not None
    return FAILURE, _encoded(
        {
            "id": outcome.check_id,
            "target": outcome.target,
            "address": outcome.address,
            "location": outcome.location,
            "scheduled_at": outcome.scheduled_at,
            "started_at": outcome.started_at,
            "duration_ms": outcome.duration_seconds * 1000,
            "reason": outcome.fault.reason,
            "detail": outcome.fault.detail,
            "status_code": outcome.status_code,
            "phases_ms": outcome.phases.as_milliseconds(),
            "excerpt": outcome.excerpt,
            "headers": {_safe(name): _safe(text) for name, text in outcome.headers} or None,
            "notes": [_safe(note) for note in outcome.notes] or None,
        }
    )


def encode_order(kind: str, row: Mapping[str, object]) -> tuple[str, str]:
    """Return the kind and the text of a silence or an ack, from its columns."""
    return kind, _encoded(row)


def encode_flip(flip: Flip) -> tuple[str, str]:
    """Return the kind and the text of a flip; only `flip_door.py` calls it."""
    cause = flip.cause
    return FLIP, _encoded(
        {
            "id": flip.flip_id,
            "target": flip.target,
            "location": flip.location,
            "at": flip.at,
            "confirmed_at": flip.confirmed_at,
            "state": flip.state,
            "before": flip.before,
            "reason": None if cause is None else cause.reason,
            "detail": None if cause is None else cause.detail,
            "check_id": flip.check_id,
            "number": flip.number,
        }
    )


def encode_standing_entry(
    target: str, location: str, standing: Standing, checked_until: datetime | None = None
) -> tuple[str, str]:
    """Return the kind and the text of a standing, from which other replicas can go on with a target.

    Args:
        target, location: of the standing.
        standing: of the target.
        checked_until: the slot of the check that led to the standing, None if no check did.
    """
    row = {"target": target, "location": location, "checked_until": checked_until}
    return STANDING, _encoded({**row, "standing": encode_standing(standing)})


def encode_release(
    targets: Sequence[str], location: str, released_at: datetime, checked_until: datetime | None
) -> tuple[str, str]:
    """Return the kind and the text that release targets to other replicas.

    Args:
        targets: their names.
        location: of this replica.
        released_at: until when this replica has watched them.
        checked_until: the last slot of any check of this replica.
    """
    row = {"location": location, "released_at": released_at, "checked_until": checked_until}
    return RELEASE, _encoded({**row, "targets": [_safe(name) for name in targets]})


def encode_notification(row: Mapping[str, object], payload: object = None) -> tuple[str, str]:
    """Return the kind and the text of a row of `notifications`, from its known columns.

    Args:
        row: all columns but the payload.
        payload: plain JSON values; None if the row has it already.
    """
    return NOTIFICATION, _to_json(
        {**{name: _plain(value) for name, value in row.items()}, "payload": storable(payload)}
    )


def encode_whole(kind: str, row: Mapping[str, object]) -> tuple[str, str]:
    """Return the kind and the text of a row whose texts are JSON themselves, and must not be cut off."""
    return kind, _to_json({name: storable(_plain_value(value)) for name, value in row.items()})


def storable(value: Any) -> Any:
    """Return plain JSON values whose texts PostgreSQL can store; line breaks stay."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(name): storable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def present_form(kind: str, payload: str) -> str:
    """Return a payload in the form of this version, converted if an earlier version wrote it.

    Raises:
        ValueError: it has neither form, for example on a damaged disk; PostgreSQL finds errors inside it.
    """
    if kind not in _BEGINNINGS:
        raise ValueError(f"unknown kind {kind}")
    if payload.startswith(_BEGINNINGS[kind]):
        return payload
    if kind not in _FORMER_COLUMNS:
        raise ValueError(f"the text of {kind} starts with something else")
    return _converted(_FORMER_COLUMNS[kind], payload)


def joined(payloads: Iterable[str]) -> str:
    """Return many payloads of a kind as one JSON array."""
    return f"[{','.join(payloads)}]"


def encode_standing(standing: Standing) -> str:
    """Return the text of a standing."""
    return json.dumps(_values_of(standing))


def decode_standing(text: str) -> Standing:
    """Return a standing; a new one if the text of an older program is no longer understood."""
    try:
        return _standing_of(json.loads(text))
    except (ValueError, TypeError):
        return Standing()


def _values_of(standing: Standing) -> list[object]:
    since = None if standing.since is None else standing.since.isoformat()
    sightings = [
        (str(one.state), one.at.isoformat(), *(() if one.up_until is None else (one.up_until.isoformat(),)))
        for one in standing.unconfirmed
    ]
    values: list[object] = [standing.state, since, standing.before, sightings, standing.flips]
    # An earlier version, which does not know it, reads the standings of all targets that are not in maintenance.
    return values if standing.shadow is None else [*values, _values_of(standing.shadow)]


def _standing_of(values: Sequence[Any], depth: int = 0) -> Standing:
    state, since, before, sightings, *rest = values
    number = rest[0] if rest else 0  # earlier versions have no number
    shadow = rest[1] if len(rest) > 1 else None
    if depth > 1 or len(rest) > 2:
        raise ValueError("a shadow has no shadow")
    return Standing(
        State(state),
        None if since is None else datetime.fromisoformat(since),
        State(before),
        tuple(Sighting(State(kind), *map(datetime.fromisoformat, moments)) for kind, *moments in sightings),
        int(number),
        None if shadow is None else _standing_of(shadow, depth + 1),
    )


def _encoded(row: Mapping[str, object]) -> str:
    return _to_json({name: _plain(value) for name, value in row.items()})


def _plain(value: object) -> object:
    return _safe(value) if isinstance(value, str) else _plain_value(value)


def _plain_value(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # as a text, both PostgreSQL and JSON can hold it
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def _safe(text: str) -> str:
    # PostgreSQL would refuse a NUL or half a character, and megabytes would be a burden.
    return one_line(text, limit_chars=MAX_TEXT_CHARS)


def _converted(columns: tuple[str, ...], payload: str) -> str:
    values: Any = json.loads(payload)
    if not isinstance(values, list) or len(values) != len(columns):
        raise ValueError(f"not a row of {len(columns)} columns")
    row = dict(zip(columns, values, strict=True))
    for name in _FORMER_JSON:
        if row.get(name) is not None:
            row[name] = json.loads(str(row[name]))
    converted = _encoded(row)
    converted.encode()  # half a character inside raises UnicodeEncodeError, a ValueError
    return converted

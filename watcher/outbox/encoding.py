"""What stands in the outbox, as text: how outcomes, flips and standings are written there, and read again."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watcher.model.state import Sighting, Standing, State
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.model.outcome import Outcome
    from watcher.model.state import Flip

FAILURE, FLIP, ROLLUPS = "failure", "flip", "rollups"

# The bound of any text in a row: whatever a site or a config brings, PostgreSQL can hold it.
MAX_TEXT_CHARS = 32_000

# How many columns there are, and which of them are no plain values of JSON.
_FAILURE_COLUMNS, _UUIDS_OF_A_FAILURE, _TIMES_OF_A_FAILURE = 13, (0,), (4, 5)
_FLIP_COLUMNS, _UUIDS_OF_A_FLIP, _TIMES_OF_A_FLIP = 10, (0, 9), (3, 4)


def failure_row(outcome: Outcome) -> tuple[object, ...]:
    """Turn a failure into a row, in the order of INSERT_FAILURES."""
    assert outcome.fault is not None
    return (
        outcome.check_id,
        outcome.target,
        outcome.address,
        outcome.location,
        outcome.scheduled_at,
        outcome.started_at,
        outcome.duration_seconds * 1000,
        str(outcome.fault.reason),
        outcome.fault.detail,
        outcome.status_code,
        json.dumps(outcome.phases.as_milliseconds()),
        outcome.excerpt,
        json.dumps(dict(outcome.headers)) if outcome.headers else None,
    )


def encode_failure(outcome: Outcome) -> tuple[str, str]:
    """Return the kind and the text of a failure."""
    return FAILURE, _encoded(failure_row(outcome))


def decode_failure_row(payload: str) -> tuple[object, ...]:
    """Return the row of a failure, in the order of INSERT_FAILURES.

    Raises:
        ValueError: it is none, as what a damaged disk or another version has written.
    """
    return _decoded(payload, _FAILURE_COLUMNS, _UUIDS_OF_A_FAILURE, _TIMES_OF_A_FAILURE)


def encode_flip(flip: Flip) -> tuple[str, str]:
    """Return the kind and the text of a flip."""
    cause = flip.cause
    return FLIP, _encoded(
        (
            flip.flip_id,
            flip.target,
            flip.location,
            flip.at,
            flip.confirmed_at,
            str(flip.state),
            str(flip.before),
            None if cause is None else str(cause.reason),
            None if cause is None else cause.detail,
            flip.check_id,
        )
    )


def decode_flip_row(payload: str) -> tuple[object, ...]:
    """Return the row of a flip, in the order of INSERT_FLIPS.

    Raises:
        ValueError: it is none, as what a damaged disk or another version has written.
    """
    return _decoded(payload, _FLIP_COLUMNS, _UUIDS_OF_A_FLIP, _TIMES_OF_A_FLIP)


def encode_standing(standing: Standing) -> str:
    """Return the text of a standing."""
    since = None if standing.since is None else standing.since.isoformat()
    sightings = [(str(one.state), one.at.isoformat()) for one in standing.unconfirmed]
    return json.dumps([standing.state, since, standing.before, sightings])


def decode_standing(text: str) -> Standing:
    """Return a standing, a new one where an older program wrote what nobody understands any more."""
    try:
        state, since, before, sightings = json.loads(text)
        return Standing(
            State(state),
            None if since is None else datetime.fromisoformat(since),
            State(before),
            tuple(Sighting(State(kind), datetime.fromisoformat(at)) for kind, at in sightings),
        )
    except (ValueError, TypeError):
        return Standing()


def _encoded(row: Iterable[object]) -> str:
    return json.dumps([_plain(value) for value in row])


def _plain(value: object) -> object:
    if isinstance(value, str):
        # A NUL or half a character would be refused by PostgreSQL, megabytes would be a burden.
        return one_line(value, limit_chars=MAX_TEXT_CHARS)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def _decoded(payload: str, columns: int, uuids: Iterable[int], times: Iterable[int]) -> tuple[object, ...]:
    row: list[Any] = json.loads(payload)
    if not isinstance(row, list) or len(row) != columns:
        raise ValueError(f"not a row of {columns} columns")
    for index in uuids:
        row[index] = None if row[index] is None else uuid.UUID(str(row[index]))
    for index in times:
        row[index] = datetime.fromisoformat(str(row[index])).astimezone(UTC)
    return tuple(row)

"""Converts flips, causes and moments to JSON values and back."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from watcher.model.alerts.rows import a_moment, a_number, a_text, maybe
from watcher.model.outcome import Fault, Reason
from watcher.model.state import TROUBLE, Flip, State, state_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


def a_trouble(value: object) -> State:
    """Return the trouble with this name.

    Raises:
        ValueError: it is not a trouble.
    """
    state = State(a_text(value))
    if state not in TROUBLE:
        raise ValueError(f"{value!r} is not a trouble")
    return state


def flip_as_json(flip: Flip) -> dict[str, Any]:
    """Return a flip as JSON values."""
    cause = flip.cause
    return {
        "target": flip.target,
        "location": flip.location,
        "at": flip.at.isoformat(),
        "confirmed_at": flip.confirmed_at.isoformat(),
        "state": flip.state,
        "before": flip.before,
        "reason": None if cause is None else cause.reason,
        "detail": None if cause is None else cause.detail,
        "check_id": None if flip.check_id is None else str(flip.check_id),
        "number": flip.number,
    }


def flip_from_json(row: Mapping[str, Any]) -> Flip:
    """Return a flip written by `flip_as_json`; a state that only a later version knows becomes `unknown`."""
    return Flip(
        a_text(row["target"]),
        a_text(row["location"]),
        a_moment(row["at"]),
        a_moment(row["confirmed_at"]),
        state_named(a_text(row["state"])),
        state_named(a_text(row["before"])),
        None if row["reason"] is None else Fault(_reason_named(row["reason"]), a_text(row["detail"])),
        None if row["check_id"] is None else uuid.UUID(row["check_id"]),
        maybe(a_number, row["number"]),
    )


def fault_as_json(fault: Fault) -> list[str]:
    """Return a cause as JSON values."""
    return [fault.reason, fault.detail]


def fault_from_json(row: Sequence[str] | None) -> Fault | None:
    """Return a cause; None for None."""
    return None if row is None else Fault(_reason_named(row[0]), a_text(row[1]))


def written(moment: datetime | None) -> str | None:
    """Return a moment as text."""
    return None if moment is None else moment.isoformat()


def read(text: str | None) -> datetime | None:
    """Return the moment of a text; None for None."""
    return maybe(a_moment, text)


def an_id(text: str | None) -> uuid.UUID | None:
    """Return the id of a text; None for None."""
    return None if text is None else uuid.UUID(text)


def _reason_named(word: str) -> Reason:
    try:
        return Reason(word)
    except ValueError:
        return Reason.INTERNAL

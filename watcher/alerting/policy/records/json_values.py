"""Flips, causes and moments as values of JSON."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from watcher.model.outcome import Fault, Reason
from watcher.model.state import Flip, state_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def flip_as_json(flip: Flip) -> dict[str, Any]:
    """Return a flip as values of JSON."""
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
    """Return a flip that `flip_as_json` has written; a word that a later version has for a state is `unknown`."""
    return Flip(
        row["target"],
        row["location"],
        datetime.fromisoformat(row["at"]),
        datetime.fromisoformat(row["confirmed_at"]),
        state_named(row["state"]),
        state_named(row["before"]),
        None if row["reason"] is None else Fault(_reason_named(row["reason"]), row["detail"]),
        None if row["check_id"] is None else uuid.UUID(row["check_id"]),
        row["number"],
    )


def fault_as_json(fault: Fault) -> list[str]:
    """Return a cause as values of JSON."""
    return [fault.reason, fault.detail]


def fault_from_json(row: Sequence[str] | None) -> Fault | None:
    """Return a cause, None for none."""
    return None if row is None else Fault(_reason_named(row[0]), row[1])


def written(moment: datetime | None) -> str | None:
    """Return a moment as text."""
    return None if moment is None else moment.isoformat()


def read(text: str | None) -> datetime | None:
    """Return the moment of a text."""
    return None if text is None else datetime.fromisoformat(text)


def _reason_named(word: str) -> Reason:
    try:
        return Reason(word)
    except ValueError:
        return Reason.INTERNAL

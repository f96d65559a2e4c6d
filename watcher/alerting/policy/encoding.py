"""Alert events and incidents as JSON text, as they stand in the outbox.

Keys that are not known are passed over, so that what a later version has written can be read.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from watcher.alerting.policy.event import AlertEvent, Certificate, Change, Incident
from watcher.alerting.policy.records.json_values import flip_as_json, flip_from_json, read, written
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

_to_json = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def encode_event(event: AlertEvent) -> str:
    """Return the text of an event, without its number."""
    certificate = event.certificate
    return _to_json(
        {
            "change": event.change,
            "at": event.at.isoformat(),
            "incident": None if event.incident is None else _incident_as_json(event.incident),
            "flip": None if event.flip is None else flip_as_json(event.flip),
            "target": event.target,
            "location": event.location,
            "certificate": None
            if certificate is None
            else {"step_days": certificate.step_days, "expires_at": certificate.expires_at.isoformat()},
            "gap_start": written(event.gap_start),
        }
    )


def decode_event(number: int, text: str) -> AlertEvent:
    """Return an event.

    Args:
        number: its place in the order of all events.
        text: as `encode_event` has written it.

    Raises:
        ValueError: it is not the text of an event.
    """
    try:
        row = json.loads(text)
        certificate = row["certificate"]
        return AlertEvent(
            number,
            Change(row["change"]),
            datetime.fromisoformat(row["at"]),
            None if row["incident"] is None else _incident_from_json(row["incident"]),
            None if row["flip"] is None else flip_from_json(row["flip"]),
            row["target"],
            row["location"],
            None
            if certificate is None
            else Certificate(certificate["step_days"], datetime.fromisoformat(certificate["expires_at"])),
            read(row["gap_start"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not an alert event: {error!r}") from error


def encode_incident(incident: Incident) -> str:
    """Return the text of an incident."""
    return _to_json(_incident_as_json(incident))


def decode_incident(text: str) -> Incident:
    """Return an incident.

    Raises:
        ValueError: it is not the text of an incident.
    """
    try:
        return _incident_from_json(json.loads(text))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not an incident: {error!r}") from error


def _incident_as_json(incident: Incident) -> dict[str, Any]:
    return {
        "id": str(incident.id),
        "target": incident.target,
        "location": incident.location,
        "trouble": incident.trouble,
        "since": incident.since.isoformat(),
        "flip": flip_as_json(incident.flip),
        "last_up_at": written(incident.last_up_at),
    }


def _incident_from_json(row: Mapping[str, Any]) -> Incident:
    return Incident(
        uuid.UUID(row["id"]),
        row["target"],
        row["location"],
        State(row["trouble"]),
        datetime.fromisoformat(row["since"]),
        flip_from_json(row["flip"]),
        read(row["last_up_at"]),
    )

"""Encodes alert events and incidents as JSON text for the outbox.

Unknown keys are ignored, so that the texts of a later version can be read.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from watcher.alerting.policy.event import AlertEvent, Certificate, Change, Incident
from watcher.alerting.policy.records.json_values import a_trouble, an_id, flip_as_json, flip_from_json, read, written
from watcher.model.alerts.rows import a_moment, a_number, a_text, maybe, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The channels that the file of the origin names for the target of an event. The dispatcher may have another file.
_ROUTES = '"routes":'
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
        number: its place among all events.
        text: written by `encode_event`.

    Raises:
        UnreadableRowError: it is not the text of an event.
    """
    with reading("an alert event"):
        row = json.loads(text)
        certificate = row["certificate"]
        return AlertEvent(
            number,
            Change(row["change"]),
            a_moment(row["at"]),
            None if row["incident"] is None else _incident_from_json(row["incident"]),
            None if row["flip"] is None else flip_from_json(row["flip"]),
            maybe(a_text, row["target"]),
            maybe(a_text, row["location"]),
            None
            if certificate is None
            else Certificate(a_number(certificate["step_days"]), a_moment(certificate["expires_at"])),
            read(row["gap_start"]),
        )


def with_routes(payload: str, routes_of: Callable[[str], Mapping[str, float]]) -> str:
    """Return the text of an event with the routes of its target, as this file has them; other texts unchanged.

    Args:
        payload: the text, a JSON object.
        routes_of: returns, by channel name, after how many seconds a channel is notified of a target.
    """
    try:
        target = json.loads(payload)["target"]
    except (ValueError, TypeError, KeyError):  # the dispatcher that reads it logs it
        return payload
    return f"{payload[:-1]},{_ROUTES}{json.dumps(dict(routes_of(target)))}}}" if isinstance(target, str) else payload


def routes_in(payload: str) -> tuple[str, dict[str, float]] | None:
    """Return the target of an event and its seconds until notification, by channel; None if it has no routes."""
    if _ROUTES not in payload:
        return None
    row = json.loads(payload)
    return str(row["target"]), {str(name): float(after) for name, after in row["routes"].items()}


def encode_incident(incident: Incident) -> str:
    """Return the text of an incident."""
    return _to_json(_incident_as_json(incident))


def decode_incident(text: str) -> Incident:
    """Return an incident.

    Raises:
        UnreadableRowError: it is not the text of an incident.
    """
    with reading("an incident"):
        return _incident_from_json(json.loads(text))


def _incident_as_json(incident: Incident) -> dict[str, Any]:
    return {
        "id": str(incident.id),
        "target": incident.target,
        "location": incident.location,
        "trouble": incident.trouble,
        "since": incident.since.isoformat(),
        "flip": flip_as_json(incident.flip),
        "last_up_at": written(incident.last_up_at),
        **({} if incident.key is None else {"key": str(incident.key)}),
    }


def _incident_from_json(row: Mapping[str, Any]) -> Incident:
    return Incident(
        uuid.UUID(row["id"]),
        a_text(row["target"]),
        a_text(row["location"]),
        a_trouble(row["trouble"]),
        a_moment(row["since"]),
        flip_from_json(row["flip"]),
        read(row["last_up_at"]),
        an_id(row.get("key")),
    )

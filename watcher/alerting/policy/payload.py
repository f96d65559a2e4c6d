"""Builds the JSON of a message, version 1, for webhooks and programs. Keys may be added but not removed or renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.alerting.policy.wording import text_of, title_of
from watcher.model.alerts.notification import MAX_TARGETS_LISTED, Kind
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from watcher.alerting.policy.line import Line
    from watcher.alerting.policy.view import View

VERSION = 1


def payload_of(
    notification_id: uuid.UUID, channel: str, kind: Kind, at: datetime, lines: Sequence[Line], view: View
) -> dict[str, Any]:
    """Return the JSON of a message about targets.

    Args:
        notification_id: its id.
        channel: the name of the channel.
        kind: of the message.
        at: when it was decided.
        lines: one for each target, in order; not empty.
        view: the present state of the targets.
    """
    return {
        **_head(notification_id, channel, kind, at),
        "title": title_of(kind, lines),
        "text": text_of(lines, at, view),
        "targets": [_line_as_json(line, view) for line in lines[:MAX_TARGETS_LISTED]],
        "more": max(len(lines) - MAX_TARGETS_LISTED, 0),
    }


def payload_of_words(
    notification_id: uuid.UUID, channel: str, kind: Kind, at: datetime, title: str, text: str
) -> dict[str, Any]:
    """Return the JSON of a message without targets, such as a test: id, channel, kind, moment and text."""
    return {**_head(notification_id, channel, kind, at), "title": title, "text": text, "targets": [], "more": 0}


def _head(notification_id: uuid.UUID, channel: str, kind: Kind, at: datetime) -> dict[str, Any]:
    return {
        "version": VERSION,
        "id": str(notification_id),
        "channel": channel,
        "kind": str(kind),
        "at": timestamp(at),
    }


def _line_as_json(line: Line, view: View) -> dict[str, Any]:
    target = view.targets.get(line.target)
    certificate = line.certificate
    return {
        "name": line.target,
        "group": None if target is None else target.group,
        "address": None if target is None else target.shown_address,
        "location": line.location,
        "kind": str(line.kind),
        "state": str(line.state),
        "before": str(line.before),
        "since": _written(line.since),
        "confirmed_at": _written(line.confirmed_at),
        "reason": None if line.cause is None else str(line.cause.reason),
        "detail": None if line.cause is None else line.cause.detail,
        "last_up_at": _written(line.last_up_at),
        "duration_ms": None if line.lasted_seconds is None else round(line.lasted_seconds * 1000),
        "flip_id": None if line.flip_id is None else str(line.flip_id),
        "check_id": None if line.check_id is None else str(line.check_id),
        "certificate": None
        if certificate is None
        else {"step_days": certificate.step_days, "expires_at": timestamp(certificate.expires_at)},
        "dependents": line.dependents,
        "url": view.link_to(line.target),
        "description": None if target is None else target.alerts.description,
        "labels": {} if target is None else dict(target.alerts.labels),
    }


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)

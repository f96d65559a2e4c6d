"""The message of `watcher notify --test`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from watcher.model.alerts.notification import Kind, Notification
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from datetime import datetime

TITLE = "Test of watcher"


def trial_notification(channel: str, now: datetime) -> Notification:
    """Return a test message.

    It lists a site that does not exist, so that templates with targets can be tried.

    Args:
        channel: the name of the channel.
        now: a moment with a time zone.
    """
    message_id, moment = uuid.uuid4(), timestamp(now)
    site: dict[str, Any] = {
        "name": "Example",
        "group": None,
        "address": "https://example.com/",
        "location": "default",
        "kind": str(Kind.TEST),
        "state": "up",
        "before": "up",
        "since": moment,
        "confirmed_at": moment,
        "reason": None,
        "detail": None,
        "last_up_at": moment,
        "duration_ms": None,
        "flip_id": str(message_id),
        "check_id": None,
        "certificate": None,
        "dependents": 0,
        "url": None,
        "description": None,
        "labels": {},
    }
    payload = {
        "version": 1,
        "id": str(message_id),
        "channel": channel,
        "kind": str(Kind.TEST),
        "at": moment,
        "title": TITLE,
        "text": f"This is a test of the channel {channel}. Nothing is wrong; alerts of this channel arrive here.",
        "targets": [site],
        "more": 0,
    }
    return Notification(message_id, channel, Kind.TEST, now, payload)

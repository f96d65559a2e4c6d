"""Builds alerts for Prometheus' Alertmanager, whose API takes states and not messages. Pure.

Open incidents are posted again and again, each time with a moment until which the alert is valid. Alertmanager does the
grouping, reminders and silences itself.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from watcher.model.state import State
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.alerting.policy.event import Incident
    from watcher.model.target import Target

# Of API v2 (OpenAPI document of Alertmanager), which exists since version 0.16.
PATH = "/api/v2/alerts"
# Time between two posts, and how long an alert stays valid: Alertmanager ends it after four missed posts.
REPEAT_SECONDS = 60.0
BELIEVED_SECONDS = 4 * REPEAT_SECONDS

_NAMES = {State.DOWN: "WatcherTargetDown", State.DEGRADED: "WatcherTargetDegraded"}
_SEVERITIES = {State.DOWN: "critical"}
# Characters outside Prometheus' data model for label names.
_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9_]")


def alerts_address(url: str) -> str:
    """Return the address to post alerts to, from the base address of Alertmanager."""
    base, question_mark, query = url.partition("?")
    base = base.rstrip("/")
    return f"{base if base.endswith(PATH) else base + PATH}{question_mark}{query}"


def alert_of(
    incident: Incident, target: Target | None, now: datetime, *, page_url: str | None = None, is_over: bool = False
) -> dict[str, Any]:
    """Return the alert of an incident, an element of the posted list.

    Args:
        incident: its present or last state.
        target: of the incident; None if it is not configured any more.
        now: a moment with a time zone.
        page_url: the target's page; None without one.
        is_over: whether the incident has ended; otherwise the alert expires when it is not posted again.
    """
    trouble, cause = incident.trouble, incident.flip.cause
    group = None if target is None else target.group
    labels = {
        **({} if target is None else {label_name(name): value for name, value in target.alerts.labels}),
        "alertname": _NAMES.get(trouble, "WatcherTargetUnknown"),
        "target": incident.target,
        "location": incident.location,
        "severity": _SEVERITIES.get(trouble, "warning"),
        **({} if group is None else {"group": group}),
    }
    annotations = {
        "summary": f"{incident.target} is {trouble}",
        "description": "" if target is None else target.alerts.description or "",
        "reason": "" if cause is None else str(cause.reason),
        "detail": "" if cause is None else cause.detail,
        "address": "" if target is None else target.shown_address,
    }
    return {
        "labels": labels,
        "annotations": {name: text for name, text in annotations.items() if text},
        "startsAt": timestamp(incident.since),
        "endsAt": timestamp(now if is_over else now + timedelta(seconds=BELIEVED_SECONDS)),
        **({} if page_url is None else {"generatorURL": page_url}),
    }


def test_alert(now: datetime, title: str, text: str) -> dict[str, Any]:
    """Return a test alert, which ends in a minute."""
    return {
        "labels": {"alertname": "WatcherTest", "severity": "none"},
        "annotations": {"summary": title, "description": text},
        "startsAt": timestamp(now),
        "endsAt": timestamp(now + timedelta(seconds=REPEAT_SECONDS)),
    }


def label_name(name: str) -> str:
    """Return a name that Prometheus accepts for a label."""
    safe = _NOT_IN_LABELS.sub("_", name)
    return f"_{safe}" if safe[:1].isdigit() else safe

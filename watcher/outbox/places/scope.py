"""Alerts that are shared at another location than before, as when several places begin to share them; blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.alerting.policy.encoding import encode_event
from watcher.alerting.policy.event import AlertEvent, Change
from watcher.outbox.alerts import newest_event, open_incidents
from watcher.outbox.shared_alerts import taken_home

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from watcher.outbox.outbox import Outbox
    from watcher.outbox.shared_alerts import Step

_ADD_EVENT = "INSERT INTO alert_events (payload) VALUES (?)"
# What has a number in the tables of one location would not be taken with the same number at another one.
_NUMBER_ANEW = (
    "INSERT INTO alert_events (payload) SELECT payload FROM alert_events"
    " WHERE number > (SELECT min(position) FROM channels) ORDER BY number",
    "DELETE FROM alert_events WHERE number <= ?",
    "UPDATE channels SET position = ?",
)


def open_anew(outbox: Outbox, now: datetime) -> list[AlertEvent]:
    """Return events that tell once more of all that is open here."""
    return [
        AlertEvent(0, Change.OPENED, now, incident, incident.flip, incident.target, incident.location)
        for incident in open_incidents(outbox).found
    ]


def leave_scope(outbox: Outbox, steps: Iterable[Step], reopened: Sequence[AlertEvent], now: float) -> None:
    """Share at another location from now on: all that is known here, and all that was not told yet, is handed over.

    Args:
        outbox: of the replica.
        steps: of the channels that it has taken home from the former location.
        reopened: what is told anew, since others have not let go of what is known of it.
        now: seconds since 1970.
    """
    entries = [taken_home(outbox, step) for step in steps]
    newest = newest_event(outbox)

    def write(database: sqlite3.Connection) -> None:
        for text in _NUMBER_ANEW:
            database.execute(text, (newest,) if "?" in text else ())
        database.executemany(_ADD_EVENT, [(encode_event(event),) for event in reopened])
        database.execute("DELETE FROM meta WHERE key = 'alerts_exported'")

    outbox.put(entries, now=now, alongside=write)

"""Moves shared alerts to another location, such as when all places start to share channels; every call blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.alerting.policy.encoding import encode_event
from watcher.alerting.policy.event import AlertEvent, Change
from watcher.outbox.alerts import newest_event, open_incidents
from watcher.outbox.shared_alerts import FORGET_EXPORTED, taken_home

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from watcher.outbox.outbox import Outbox
    from watcher.outbox.shared_alerts import Step

_ADD_EVENT = "INSERT INTO alert_events (payload) VALUES (?)"
# Events keep their order and get new numbers: the tables take each number of an outbox once, whatever the location.
_NUMBER_ANEW = (
    "INSERT INTO alert_events (payload) SELECT payload FROM alert_events"
    " WHERE number > (SELECT min(position) FROM channels) ORDER BY number",
    "DELETE FROM alert_events WHERE number <= ?",
    "UPDATE channels SET position = ?",
)


def open_anew(outbox: Outbox, now: datetime) -> list[AlertEvent]:
    """Return events that open each open incident of this outbox again."""
    return [
        AlertEvent(0, Change.OPENED, now, incident, incident.flip, incident.target, incident.location)
        for incident in open_incidents(outbox).found
    ]


def leave_scope(outbox: Outbox, steps: Iterable[Step], reopened: Sequence[AlertEvent], now: float) -> None:
    """Stop sharing at the former location. The next `hand_over` hands over everything known here at the new one.

    Args:
        outbox: of the replica.
        steps: of the channels that it has taken home from the former location.
        reopened: events of open incidents to send again if another replica has kept the records of a channel.
        now: seconds since 1970.
    """
    entries = [taken_home(outbox, step) for step in steps]
    newest = newest_event(outbox)

    def write(database: sqlite3.Connection) -> None:
        for text in _NUMBER_ANEW:
            database.execute(text, (newest,) if "?" in text else ())
        database.executemany(_ADD_EVENT, [(encode_event(event),) for event in reopened])
        database.execute(FORGET_EXPORTED)

    outbox.put(entries, now=now, alongside=write)

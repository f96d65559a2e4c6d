"""Alert events: changes of incidents, written in the transaction of their flips; every call blocks, as the outbox does.

An event is kept until all channels have taken it in; without channels, no event is kept.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from watcher.alerting.policy.encoding import decode_event, decode_incident, encode_event, encode_incident
from watcher.alerting.policy.event import AlertEvent, Change, Incident
from watcher.alerting.policy.incidents import follow
from watcher.model.alerts.rows import UnreadableRowError
from watcher.model.state import State

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from watcher.model.state import Flip
    from watcher.outbox.outbox import Outbox

# The limit of waiting events. Channels take them in at once, even if sending fails.
MAX_EVENTS = 100_000

_ANY_CHANNEL = "SELECT EXISTS (SELECT 1 FROM channels)"
_INCIDENT = "SELECT payload FROM incidents WHERE location = ? AND target = ?"
_SET_INCIDENT = "INSERT OR REPLACE INTO incidents VALUES (?, ?, ?)"
_END_INCIDENT = "DELETE FROM incidents WHERE location = ? AND target = ?"
_ADD_EVENT = "INSERT INTO alert_events (payload) VALUES (?)"
_DROP_EVENTS = "DELETE FROM alert_events WHERE number <= (SELECT max(number) FROM alert_events) - ?"


class OpenIncidents(NamedTuple):
    """The open incidents, and the location and target of those whose rows cannot be read."""

    found: list[Incident]
    unreadable: list[tuple[str, str]]


class FlipsFollowed:
    """The changes of incidents by flips, to be written in the transaction of the flips.

    Attributes:
        events: the number of events written.
        dropped: the number of waiting events that were dropped, beyond the limit.
    """

    def __init__(
        self,
        flips: Iterable[Flip],
        renamed: Mapping[str, str] | None = None,
        beside: Sequence[AlertEvent] = (),
    ) -> None:
        """Take flips.

        Args:
            flips: of each target in their order.
            renamed: new names of targets that these flips remove, by the former ones; an open incident goes on under
                the new name.
            beside: further events, which belong to none of the flips; they get their numbers here.
        """
        self._flips = flips
        self._renamed = renamed or {}
        self._beside = beside
        self.events = self.dropped = 0
        self._unreadable: list[str] = []

    def write(self, database: sqlite3.Connection) -> None:
        """Write incidents and events, in the transaction."""
        events = [*self._beside]
        self._unreadable = []
        for flip in self._flips:
            try:
                before = kept = _incident_of(database, flip.location, flip.target)
            except UnreadableRowError as error:
                self._unreadable.append(f"{flip.target} ({flip.location}): {error}")
                before, kept = _stand_in(flip), None
            if flip.target in self._renamed and flip.state is State.PAUSED:
                events += _renamed(database, before, flip, self._renamed[flip.target])
                continue
            after, change = follow(before, flip)
            if after is None and before is not None:
                database.execute(_END_INCIDENT, (flip.location, flip.target))
            elif after is not None and after is not kept:
                database.execute(_SET_INCIDENT, (flip.location, flip.target, encode_incident(after)))
            if change is not None:
                incident = before if change is Change.CLOSED else after
                events.append(AlertEvent(0, change, flip.confirmed_at, incident, flip, flip.target, flip.location))
        self.events, self.dropped = _add(database, events)

    def tell(self, outbox: Outbox) -> None:
        """Update the counts and give notices, after the transaction."""
        outbox.alert_events += self.events
        if self._unreadable:
            outbox.give_notice(
                f"unreadable rows of incidents: {len(self._unreadable)}, replaced by present states, the first one:"
                f" {self._unreadable[0]}"
            )
        if self.dropped:
            outbox.give_notice(f"too many alert events wait, dropped the oldest {self.dropped}")


def record_events(outbox: Outbox, events: Sequence[AlertEvent], now: float) -> None:
    """Write events that belong to no flip.

    Args:
        outbox: to write.
        events: in their order; they get their numbers here.
        now: seconds since 1970.
    """
    followed = FlipsFollowed((), beside=events)
    outbox.put((), now=now, alongside=followed.write)
    followed.tell(outbox)


def record_certificates(outbox: Outbox, events: Sequence[AlertEvent], told: Mapping[str, str], now: float) -> None:
    """Write events of certificates that end soon, and remember them; without a channel, do nothing.

    Args:
        outbox: to write.
        events: of targets at one location.
        told: the text to remember for each of the targets, by name.
        now: seconds since 1970.
    """
    followed = FlipsFollowed(())

    def write(database: sqlite3.Connection) -> None:
        followed.events, followed.dropped = _add(database, events)
        if followed.events:
            rows = [(event.location, event.target, told[event.target or ""]) for event in events]
            database.executemany("INSERT OR REPLACE INTO certificates VALUES (?, ?, ?)", rows)

    outbox.put((), now=now, alongside=write)
    followed.tell(outbox)


def told_certificates(outbox: Outbox, location: str) -> dict[str, str]:
    """Return the remembered texts of certificates, by target."""
    return dict(outbox.read("SELECT target, payload FROM certificates WHERE location = ?", location))


def events_for(outbox: Outbox, channel: str, limit: int) -> list[AlertEvent]:
    """Return the oldest events that a channel has not taken in, at most `limit`.

    An unreadable one, for example from a damaged disk, is dropped with a notice.
    """
    query = (
        "SELECT number, payload FROM alert_events"
        " WHERE number > coalesce((SELECT position FROM channels WHERE channel = ?), 0) ORDER BY number LIMIT ?"
    )
    found = []
    for number, payload in outbox.read(query, channel, limit):
        try:
            found.append(decode_event(number, payload))
        except UnreadableRowError as error:
            drop_unreadable(outbox, "alert_events", number, error)
    return found


def drop_unreadable(outbox: Outbox, table: str, number: int, error: Exception) -> None:
    """Drop an unreadable row by its number, and give the operator a notice."""
    query = f"DELETE FROM {table} WHERE number = ?"  # noqa: S608  # one of our own
    outbox.put((), now=0.0, alongside=lambda database: database.execute(query, (number,)))
    outbox.give_notice(f"dropped an unreadable row of {table}: {error}")


def newest_event(outbox: Outbox) -> int:
    """Return the number of the newest event ever written."""
    number: int = outbox.read("SELECT seq FROM sqlite_sequence WHERE name = 'alert_events'")[0][0]
    return number


def open_incidents(outbox: Outbox) -> OpenIncidents:
    """Return all open incidents, by location and target."""
    opened = OpenIncidents([], [])
    for location, target, payload in outbox.read(
        "SELECT location, target, payload FROM incidents ORDER BY location, target"
    ):
        try:
            opened.found.append(decode_incident(payload))
        except UnreadableRowError:  # the next flip gives a notice
            opened.unreadable.append((location, target))
    return opened


def some_incidents(outbox: Outbox, is_wanted: Callable[[str, str], bool]) -> list[Incident]:
    """Return the wanted open incidents, by location and target; reading many takes time."""
    found = []
    for key in outbox.read("SELECT location, target FROM incidents ORDER BY location, target"):
        if is_wanted(*key):
            with suppress(UnreadableRowError):  # the next flip gives a notice
                found += [decode_incident(payload) for (payload,) in outbox.read(_INCIDENT, *key)]
    return found


def _incident_of(database: sqlite3.Connection, location: str, target: str) -> Incident | None:
    row = database.execute(_INCIDENT, (location, target)).fetchone()
    return None if row is None else decode_incident(row[0])


def _renamed(database: sqlite3.Connection, incident: Incident | None, flip: Flip, name: str) -> Sequence[AlertEvent]:
    """Rename the records of a removed target; return the event if it has an open incident."""
    old, new = (flip.location, flip.target), (flip.location, name)
    database.execute("UPDATE OR REPLACE certificates SET target = ? WHERE location = ? AND target = ?", (name, *old))
    if incident is None:
        return ()
    incident = replace(incident, target=name)
    database.execute(_END_INCIDENT, old)
    database.execute(_SET_INCIDENT, (*new, encode_incident(incident)))
    return (AlertEvent(0, Change.RENAMED, flip.confirmed_at, incident, None, flip.target, flip.location),)


def _stand_in(flip: Flip) -> Incident:
    """Return an incident to replace an unreadable one: it is known to be open, so it can end."""
    trouble = flip.before if flip.before is State.DEGRADED else State.DOWN
    return Incident(flip.flip_id, flip.target, flip.location, trouble, flip.at, flip)


def _add(database: sqlite3.Connection, events: Sequence[AlertEvent]) -> tuple[int, int]:
    """Write events if there is a channel; return the numbers of written and of dropped events."""
    (is_wanted,) = database.execute(_ANY_CHANNEL).fetchone()
    if not events or not is_wanted:
        return 0, 0
    database.executemany(_ADD_EVENT, [(encode_event(event),) for event in events])
    return len(events), database.execute(_DROP_EVENTS, (MAX_EVENTS,)).rowcount

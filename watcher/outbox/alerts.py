"""Alert events: what flips make of incidents, written down together with them; every call blocks, as the outbox does.

An event is kept until all channels have taken it in; where there are no channels, none is.
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

# The bound of the events that wait; channels take them in at once, whatever becomes of what they send.
MAX_EVENTS = 100_000

_ANY_CHANNEL = "SELECT EXISTS (SELECT 1 FROM channels)"
_INCIDENT = "SELECT payload FROM incidents WHERE location = ? AND target = ?"
_SET_INCIDENT = "INSERT OR REPLACE INTO incidents VALUES (?, ?, ?)"
_END_INCIDENT = "DELETE FROM incidents WHERE location = ? AND target = ?"
_ADD_EVENT = "INSERT INTO alert_events (payload) VALUES (?)"
_DROP_EVENTS = "DELETE FROM alert_events WHERE number <= (SELECT max(number) FROM alert_events) - ?"


class OpenIncidents(NamedTuple):
    """The incidents that are open, and the location and target of those whose rows cannot be read."""

    found: list[Incident]
    unreadable: list[tuple[str, str]]


class FlipsFollowed:
    """What flips make of incidents, to be written in the transaction of the flips.

    Attributes:
        events: how many events were written.
        dropped: how many that waited were too many.
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
            renamed: new names of targets that these flips take out, by the former names; what is open goes on under
                the new name.
            beside: events that come with none of them; their numbers are made here.
        """
        self._flips = flips
        self._renamed = renamed or {}
        self._beside = beside
        self.events = self.dropped = 0
        self._unreadable: list[str] = []

    def write(self, database: sqlite3.Connection) -> None:
        """Write incidents and events; called in the transaction."""
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
        """Say what was written, after the transaction."""
        outbox.alert_events += self.events
        if self._unreadable:
            outbox.give_notice(
                f"rows of incidents that cannot be read: {len(self._unreadable)}; what is known now takes their place:"
                f" {self._unreadable[0]}"
            )
        if self.dropped:
            outbox.give_notice(f"too many alert events wait: the oldest {self.dropped} were dropped")


def record_events(outbox: Outbox, events: Sequence[AlertEvent], now: float) -> None:
    """Write events that come with no flip.

    Args:
        outbox: where they wait.
        events: in their order; their numbers are made here.
        now: seconds since 1970.
    """
    followed = FlipsFollowed((), beside=events)
    outbox.put((), now=now, alongside=followed.write)
    followed.tell(outbox)


def record_certificates(outbox: Outbox, events: Sequence[AlertEvent], told: Mapping[str, str], now: float) -> None:
    """Write events of certificates that end soon, with what is told by them; nothing, where there is no channel.

    Args:
        outbox: where they wait.
        events: of targets at one location.
        told: what is to be remembered of each of the targets, by name.
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
    """Return what was remembered of certificates, by target."""
    return dict(outbox.read("SELECT target, payload FROM certificates WHERE location = ?", location))


def events_for(outbox: Outbox, channel: str, limit: int) -> list[AlertEvent]:
    """Return the oldest events that a channel has not taken in, at most `limit`.

    One that cannot be read, as what a damaged disk has written, is dropped, and told of.
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
    """Drop a row that a damaged disk has spoilt, by its number, and have the operator told."""
    query = f"DELETE FROM {table} WHERE number = ?"  # noqa: S608  # one of our own
    outbox.put((), now=0.0, alongside=lambda database: database.execute(query, (number,)))
    outbox.give_notice(f"{table} has a row that cannot be read, it was dropped: {error}")


def newest_event(outbox: Outbox) -> int:
    """Return the number of the newest event that was written."""
    number: int = outbox.read("SELECT seq FROM sqlite_sequence WHERE name = 'alert_events'")[0][0]
    return number


def open_incidents(outbox: Outbox) -> OpenIncidents:
    """Return all incidents that are open, by location and target."""
    opened = OpenIncidents([], [])
    for location, target, payload in outbox.read(
        "SELECT location, target, payload FROM incidents ORDER BY location, target"
    ):
        try:
            opened.found.append(decode_incident(payload))
        except UnreadableRowError:  # the next flip tells of it
            opened.unreadable.append((location, target))
    return opened


def some_incidents(outbox: Outbox, is_wanted: Callable[[str, str], bool]) -> list[Incident]:
    """Return those incidents that are open and wanted, by their location and target; many cost time to read."""
    found = []
    for key in outbox.read("SELECT location, target FROM incidents ORDER BY location, target"):
        if is_wanted(*key):
            with suppress(UnreadableRowError):  # the next flip tells of it
                found += [decode_incident(payload) for (payload,) in outbox.read(_INCIDENT, *key)]
    return found


def _incident_of(database: sqlite3.Connection, location: str, target: str) -> Incident | None:
    row = database.execute(_INCIDENT, (location, target)).fetchone()
    return None if row is None else decode_incident(row[0])


def _renamed(database: sqlite3.Connection, incident: Incident | None, flip: Flip, name: str) -> Sequence[AlertEvent]:
    """Give what is known of a target that is taken out its new name; return the event where it is in trouble."""
    old, new = (flip.location, flip.target), (flip.location, name)
    database.execute("UPDATE OR REPLACE certificates SET target = ? WHERE location = ? AND target = ?", (name, *old))
    if incident is None:
        return ()
    incident = replace(incident, target=name)
    database.execute(_END_INCIDENT, old)
    database.execute(_SET_INCIDENT, (*new, encode_incident(incident)))
    return (AlertEvent(0, Change.RENAMED, flip.confirmed_at, incident, None, flip.target, flip.location),)


def _stand_in(flip: Flip) -> Incident:
    """Return an incident in place of one that a damaged disk has spoilt: that it was open is known, so it can end."""
    trouble = flip.before if flip.before is State.DEGRADED else State.DOWN
    return Incident(flip.flip_id, flip.target, flip.location, trouble, flip.at, flip)


def _add(database: sqlite3.Connection, events: Sequence[AlertEvent]) -> tuple[int, int]:
    """Write events where there is a channel to take them in; return how many, and how many were too many."""
    (is_wanted,) = database.execute(_ANY_CHANNEL).fetchone()
    if not events or not is_wanted:
        return 0, 0
    database.executemany(_ADD_EVENT, [(encode_event(event),) for event in events])
    return len(events), database.execute(_DROP_EVENTS, (MAX_EVENTS,)).rowcount

"""Sends the alert events and records that replicas share through the outbox to the tables; every call blocks.

Each outbox numbers its events, and has sent those up to the number `alerts_exported`. Without such a number, the
replica is alone, and its channels take in its own events.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.alerting.policy.encoding import decode_event, encode_incident, with_routes
from watcher.alerting.policy.event import Handover
from watcher.alerting.policy.records.book import record_key
from watcher.model.alerts.rows import UnreadableRowError, a_flag, a_moment, reading
from watcher.model.places import COMBINED
from watcher.outbox.alerts import newest_event
from watcher.outbox.encoding import ALERT_EVENT, CHANNEL_STEP, encode_whole
from watcher.outbox.outbox import Entry

if TYPE_CHECKING:
    import sqlite3
    import uuid
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from watcher.alerting.policy.event import Incident
    from watcher.outbox.outbox import Outbox

EXPORTED = "alerts_exported"
# The location at which channels are shared: that of the replica, or `*`.
SCOPE = "alerts_scope"
FORGET_EXPORTED = "DELETE FROM meta WHERE key = 'alerts_exported'"
# The most records, and the most messages, of a channel in one entry.
RECORDS_AT_ONCE = 200

_EVENTS = "SELECT number, payload FROM alert_events WHERE number > ? ORDER BY number"
_SET_EXPORTED = "INSERT OR REPLACE INTO meta VALUES ('alerts_exported', ?)"
_SET_SCOPE = "INSERT OR REPLACE INTO meta VALUES ('alerts_scope', ?)"
_NEXT_NUMBER = "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'alert_events' RETURNING seq"
_ADVANCE = "UPDATE channels SET position = max(position, ?) WHERE channel = ?"
_DROP_RECORDS = "DELETE FROM channel_records WHERE channel = ?"
_DROP_MESSAGES = "DELETE FROM notifications WHERE channel = ?"
_ADD_RECORD = "INSERT OR REPLACE INTO channel_records VALUES (?, ?, ?)"
_ADD_MESSAGE = (
    "INSERT OR IGNORE INTO notifications (id, channel, kind, created_at, members, payload, tries, next_try_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_MESSAGES = "SELECT id, channel, kind, created_at, members, payload, tries, next_try_at FROM notifications"
_MESSAGE = ("id", "channel", "kind", "created_at", "members", "payload", "tries", "next_try_at")


@dataclass(frozen=True, slots=True)
class Step:
    """A claim of a channel, with which its owner writes steps.

    Attributes:
        location, channel: where the channel is shared, and its name.
        owner: the id of the outbox.
        epoch: of the claim.
    """

    location: str
    channel: str
    owner: uuid.UUID
    epoch: int

    def entry(
        self,
        positions: Mapping[str, int],
        records: Mapping[str, str | None],
        messages: Sequence[Mapping[str, Any]],
        ending: str | None = None,
    ) -> tuple[str, str]:
        """Return the entry for the next step of the channel in the tables.

        Args:
            positions: the number up to which each origin's events were taken in, by the id of its outbox.
            records: those that have changed; None for those to delete.
            messages: those to be sent, see `message_rows`.
            ending: see `watcher.postgres.tables.alerting.apply_step`.
        """
        return encode_whole(
            CHANNEL_STEP,
            {
                "location": self.location,
                "channel": self.channel,
                "owner": self.owner,
                "epoch": self.epoch,
                "positions": dict(positions),
                "records": dict(records),
                "messages": list(messages),
                "ending": ending,
            },
        )


def is_taken_in(outbox: Outbox) -> bool:
    """Return whether all channels have taken in all events of this outbox."""
    query = "SELECT NOT EXISTS (SELECT 1 FROM alert_events WHERE number > (SELECT min(position) FROM channels))"
    return bool(outbox.read(query)[0][0])


def export_events(
    outbox: Outbox, location: str, now: float, routes_of: Callable[[str], Mapping[str, float]] | None = None
) -> int:
    """Send events that the other replicas do not have yet to the tables; return how many.

    Args:
        outbox: of a replica that shares.
        location: where channels are shared: that of the replica, or `*`.
        now: seconds since 1970.
        routes_of: returns after how many seconds each channel gets a target's events, by its name. Given if replicas
            may have different files, so that the events carry the routes of this file.
    """
    exported = outbox.meta(EXPORTED)
    rows = [] if exported is None else outbox.read(_EVENTS, exported)
    if rows:
        if routes_of is not None:
            rows = [(number, with_routes(payload, routes_of)) for number, payload in rows]
        entries = [_event_entry(outbox, location, number, payload) for number, payload in rows]
        outbox.put(entries, now=now, alongside=lambda database: database.execute(_SET_EXPORTED, (rows[-1][0],)))
    return len(rows)


def hand_over(
    outbox: Outbox, location: str, channels: Iterable[str], now: datetime, *, is_whole: bool, must: bool = True
) -> bool:
    """Start to share: hand the records and messages of channels over to their next dispatcher, and drop them here.

    All unsent events go first, so that the dispatcher knows them before their records come.

    Args:
        outbox: of the replica.
        location: where channels are shared from now on: that of the replica, or `*`.
        channels: their names.
        now: the time.
        is_whole: whether no other replica has dispatched these channels lately, so that the dispatcher uses all
            records; otherwise it only learns from them what was sent already, so as not to send it again.
        must: whether to do it even while a channel has an event to take in, which would come before the records.

    Returns:
        whether it was done.
    """
    exported = outbox.meta(EXPORTED)
    positions = dict(outbox.read("SELECT channel, position FROM channels"))
    first = min(positions.values(), default=0) if exported is None else exported
    events = outbox.read(_EVENTS, first)
    if not must and events and events[-1][0] > min(positions.values(), default=events[-1][0]):
        return False
    entries = [_event_entry(outbox, location, number, payload) for number, payload in events]
    names, pieces = list(channels), list[tuple[str, str]]()
    for name in names:
        told = [payload for number, payload in events if number <= positions.get(name, 0)]
        over = [] if is_whole else _over(outbox, name, told)
        pieces += [(name, text) for text in _pieces_of(outbox, name, now, over, is_whole=is_whole)]
    newest = newest_event(outbox)
    for number, (name, payload) in enumerate(pieces, newest + 1):
        entries.append(_event_entry(outbox, location, number, payload, name, positions.get(name, 0)))

    def write(database: sqlite3.Connection) -> None:
        for _ in pieces:  # each piece takes the number of an event
            database.execute(_NEXT_NUMBER).fetchall()
        database.execute(_SET_EXPORTED, (newest + len(pieces),))
        database.execute(_SET_SCOPE, (location,))
        for name in names:
            database.execute(_DROP_RECORDS, (name,))
            database.execute(_DROP_MESSAGES, (name,))

    outbox.put(entries, now=now.timestamp(), alongside=write)
    return True


def go_on_alone(outbox: Outbox, now: float) -> None:
    """Take back unsent events: this replica dispatches them itself, since the database is away.

    Args:
        outbox: of the replica.
        now: seconds since 1970.
    """
    query = "SELECT id, kind, created_at, payload FROM entries WHERE kind = ? ORDER BY id DESC"
    back = list[Entry]()
    for row in outbox.read(query, ALERT_EVENT):
        if json.loads(row[3])["channel"] is not None:
            break  # entries from before a handover must stay before it
        back.append(Entry(*row))
    if not back:
        return
    first = json.loads(back[-1].payload)["origin_number"]
    # Before they are removed: an event that is sent twice is stored once.
    outbox.put((), now=now, alongside=lambda database: database.execute(_SET_EXPORTED, (first - 1,)))
    outbox.remove(back)


def take_over(
    outbox: Outbox,
    channel: str,
    position: int,
    records: Mapping[str, str],
    messages: Iterable[Mapping[str, Any]],
    now: float,
) -> None:
    """Start to dispatch a channel with its contents from the tables.

    Args:
        outbox: of the replica that has claimed it.
        channel: its name.
        position: the last event of this outbox that it has taken in.
        records: of its policy.
        messages: waiting to be sent, oldest first.
        now: seconds since 1970.
    """

    def write(database: sqlite3.Connection) -> None:
        database.execute(_DROP_RECORDS, (channel,))
        database.executemany(_ADD_RECORD, [(channel, key, text) for key, text in records.items()])
        _add(database, messages)
        database.execute(_ADVANCE, (position, channel))

    outbox.put((), now=now, alongside=write)


def add_messages(outbox: Outbox, messages: Sequence[Mapping[str, Any]], step: tuple[str, str], now: float) -> None:
    """Add messages that another replica had to send, and write them to the tables in a step."""
    outbox.put([step], now=now, alongside=lambda database: _add(database, messages))


def message_rows(outbox: Outbox, channel: str) -> list[dict[str, Any]]:
    """Return the waiting messages of a channel in the form for other replicas, oldest first."""
    rows = outbox.read(f"{_MESSAGES} WHERE channel = ? ORDER BY number", channel)
    return [dict(zip(_MESSAGE, row, strict=True)) for row in rows]


def rows_for_step(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages in the form of a step of their channel."""
    found = []
    for place, row in enumerate(rows):
        number = int(float(row["created_at"]) * 1_000_000) + place
        found.append({"id": row["id"], "number": number, "payload": json.dumps(row)})
    return found


def end_turn(outbox: Outbox, step: Step, ending: str, now: float) -> None:
    """Stop dispatching a channel: write its waiting content to the tables, with the ending.

    Args:
        outbox: of the replica that has dispatched it.
        step: its claim.
        ending: `released`, after which this outbox knows nothing of it; or another ending of a step.
        now: seconds since 1970.
    """
    messages = rows_for_step(message_rows(outbox, step.channel)) if ending == "released" else []

    def write(database: sqlite3.Connection) -> None:
        if ending == "released":
            database.execute(_DROP_RECORDS, (step.channel,))
            database.execute(_DROP_MESSAGES, (step.channel,))

    outbox.put([step.entry({}, {}, messages, ending)], now=now, alongside=write)


def share_no_more(outbox: Outbox, steps: Iterable[Step], now: float) -> None:
    """Stop sharing: keep the content of channels here, and delete it from the tables."""
    entries = [taken_home(outbox, step) for step in steps]
    outbox.put(entries, now=now, alongside=lambda database: database.execute(FORGET_EXPORTED))


def taken_home(outbox: Outbox, step: Step) -> tuple[str, str]:
    """Return the entry by which a replica takes a channel home.

    It names the newest event of this outbox: the tables delete the handovers of this replica up to there.
    """
    return step.entry({str(step.owner): newest_event(outbox)}, {}, (), "taken_home")


def advance(outbox: Outbox, positions: Mapping[str, int], now: float) -> None:
    """Record the last event of this outbox that each channel has taken in, at any replica."""
    known = dict(outbox.read("SELECT channel, position FROM channels"))
    news = [(position, name) for name, position in positions.items() if position > known.get(name, position)]
    if news:
        outbox.put((), now=now, alongside=lambda database: database.executemany(_ADVANCE, news))


def adopt_incidents(outbox: Outbox, location: str, targets: Iterable[str], incidents: Iterable[Incident]) -> None:
    """Continue the incidents of targets that other replicas have watched until now.

    Args:
        outbox: of the replica that watches them from now on, and has recorded nothing of them since.
        location: of the targets.
        targets: the names of all of them.
        incidents: the open ones.
    """
    opened = {incident.target: encode_incident(incident) for incident in incidents}
    rows = [(location, name, opened[name]) for name in targets if name in opened]
    closed = [(location, name) for name in targets if name not in opened]

    def write(database: sqlite3.Connection) -> None:
        database.executemany("DELETE FROM incidents WHERE location = ? AND target = ?", closed)
        database.executemany("INSERT OR REPLACE INTO incidents VALUES (?, ?, ?)", rows)

    outbox.put((), now=0.0, alongside=write)


def is_on_its_way(outbox: Outbox, kind: str) -> bool:
    """Return whether entries of a kind are not stored yet."""
    return bool(outbox.read("SELECT EXISTS (SELECT 1 FROM entries WHERE kind = ?)", kind)[0][0])


def decode_handover(text: str) -> tuple[Handover, list[dict[str, Any]]]:
    """Return a replica's handover of a channel: its records, and the waiting messages.

    Raises:
        UnreadableRowError: it is not the text of a handover.
    """
    with reading("a handover"):
        row = json.loads(text)
        handover = Handover(
            a_moment(row["at"]),
            {str(key): str(record) for key, record in row["records"].items()},
            tuple((str(location), str(target)) for location, target in row["over"]),
            a_flag(row["is_whole"]),
        )
        return handover, [{name: message[name] for name in _MESSAGE} for message in row["messages"]]


def _pieces_of(
    outbox: Outbox, channel: str, now: datetime, over: Sequence[tuple[str, str]], *, is_whole: bool
) -> list[str]:
    """Return the records and messages of a channel as the texts of at least one handover."""
    records = outbox.read("SELECT key, payload FROM channel_records WHERE channel = ? ORDER BY key", channel)
    messages = message_rows(outbox, channel)
    most = max(len(records), len(messages), len(over), 1)
    return [
        json.dumps(
            {
                "at": now.isoformat(),
                "is_whole": is_whole,
                "records": dict(records[first : first + RECORDS_AT_ONCE]),
                "over": over[first : first + RECORDS_AT_ONCE],
                "messages": messages[first : first + RECORDS_AT_ONCE],
            }
        )
        for first in range(0, most, RECORDS_AT_ONCE)
    ]


def _over(outbox: Outbox, channel: str, events: Iterable[str]) -> list[tuple[str, str]]:
    """Return the location and target of events that a channel has taken in and keeps no record of."""
    found = set[tuple[str, str]]()
    for payload in events:
        try:
            event = decode_event(0, payload)
        except UnreadableRowError:  # the dispatcher that takes it in logs it
            continue
        if event.flip is not None:
            found.add((event.flip.location, event.flip.target))
    kept = {key for (key,) in outbox.read("SELECT key FROM channel_records WHERE channel = ?", channel)}
    return sorted(place for place in found if record_key(*place) not in kept)


def _event_entry(
    outbox: Outbox, location: str, number: int, payload: str, channel: str | None = None, taken_until: int | None = None
) -> tuple[str, str]:
    return encode_whole(
        ALERT_EVENT,
        {
            "location": location,
            "origin": outbox.id,
            "origin_number": number,
            "channel": channel,
            "taken_until": taken_until,
            **({"target": None, "target_location": None} if channel is not None else _subject_of(payload)),
            "payload": payload,
        },
    )


def _subject_of(payload: str) -> dict[str, str | None]:
    """Return the target and the location that an event is about, as columns.

    The target is None if the event stays valid under another owner of the target.
    """
    try:
        row = json.loads(payload)
        target, place, flip = row["target"], row["location"], row["flip"]
        # A replica that decided alone while PostgreSQL was away ends the incident itself; the owner does not have it.
        is_own = place == COMBINED and flip is not None and flip["number"] is None
    except (ValueError, TypeError, KeyError):  # the dispatcher that takes it in logs it
        return {"target": None, "target_location": None}
    return {"target": target if isinstance(target, str) and not is_own else None, "target_location": place}


def _add(database: sqlite3.Connection, messages: Iterable[Mapping[str, Any]]) -> None:
    database.executemany(_ADD_MESSAGE, [tuple(message[name] for name in _MESSAGE) for message in messages])

"""Stores the messages of channels before they are sent, and the result of each try. Every call blocks.

A decision of a policy is one transaction, the result of a try another. A message stays here until it is sent or given
up; PostgreSQL keeps it for longer.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watcher.model.alerts.notification import Kind, Notification
from watcher.model.alerts.rows import UnreadableRowError, a_number, a_text, reading
from watcher.outbox.alerts import drop_unreadable, newest_event
from watcher.outbox.encoding import encode_notification

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping, Sequence

    from watcher.outbox.outbox import Outbox

# The bound of waiting messages, over all channels; beyond it, the oldest are given up.
MAX_MESSAGES = 100_000
TOO_MANY = f"more than {MAX_MESSAGES} messages wait"
TAKEN_OUT = "the channel was taken out of the configuration"

_ADD_CHANNEL = "INSERT OR IGNORE INTO channels (channel, position) VALUES (?, ?)"
_SET_POSITION = "UPDATE channels SET position = max(position, ?) WHERE channel = ?"
# A damaged disk may have set any position; with one past the newest event, a channel would never be notified again.
_SPOILT_POSITIONS = (
    "SELECT channel FROM channels WHERE typeof(position) <> 'integer'"
    " OR position > (SELECT seq FROM sqlite_sequence WHERE name = 'alert_events') ORDER BY channel"
)
_BEGIN_AT_THE_OLDEST = "UPDATE channels SET position = 0 WHERE channel = ?"
# Events for other replicas are kept until they are on their way to them.
_DROP_TAKEN_EVENTS = (
    "DELETE FROM alert_events WHERE number <= coalesce((SELECT min(position) FROM channels), ?)"
    " AND number <= coalesce((SELECT value FROM meta WHERE key = 'alerts_exported'), number)"
)
_SET_RECORD = "INSERT OR REPLACE INTO channel_records VALUES (?, ?, ?)"
_DROP_RECORD = "DELETE FROM channel_records WHERE channel = ? AND key = ?"
_ADD_MESSAGE = (
    "INSERT OR IGNORE INTO notifications (id, channel, kind, created_at, members, payload) VALUES (?, ?, ?, ?, ?, ?)"
)
_DROP_MESSAGE = "DELETE FROM notifications WHERE number = ?"
_PUT_OFF = "UPDATE notifications SET tries = ?, next_try_at = ? WHERE number = ?"
_WAITING = "number, id, channel, kind, created_at, members, tries, next_try_at"
_ALL_EVENTS = 2**62


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits to be sent, without its content.

    Attributes:
        number: its place among all messages.
        id, channel, kind: as those of the notification.
        created_at: in seconds since 1970, as `next_try_at`.
        members: the incidents in it.
        tries: the number of tries so far.
        next_try_at: the earliest moment of the next try.
    """

    number: int
    id: uuid.UUID
    channel: str
    kind: Kind
    created_at: float
    members: frozenset[str]
    tries: int = 0
    next_try_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Kept:
    """The stored state of a channel: the number of the last event that it has read, and the records of its policy."""

    position: int
    records: Mapping[str, str]


def set_channels(outbox: Outbox, names: Collection[str], now: float) -> Counter[str]:
    """Store the set of channels: a new one gets what happens from now on, and open incidents.

    Args:
        outbox: stores them.
        names: of all channels.
        now: seconds since 1970.

    Returns:
        the number of messages given up, by the name of their removed channel.
    """
    known = {name for (name,) in outbox.read("SELECT channel FROM channels")}
    spoilt = [name for (name,) in outbox.read(_SPOILT_POSITIONS) if name in names]
    gone = [name for (name,) in outbox.read("SELECT DISTINCT channel FROM notifications") if name not in names]
    waiting = [message for name in gone for message in waiting_of(outbox, name)]
    if known == set(names) and not waiting and not spoilt:
        return Counter()

    newest = newest_event(outbox)

    def write(database: sqlite3.Connection) -> None:
        database.executemany(_ADD_CHANNEL, [(name, newest) for name in names])
        database.executemany(_BEGIN_AT_THE_OLDEST, [(name,) for name in spoilt])
        for name in (known | set(gone)) - set(names):
            for table in ("channels", "channel_records", "notifications"):
                database.execute(f"DELETE FROM {table} WHERE channel = ?", (name,))  # noqa: S608
        database.execute(_DROP_TAKEN_EVENTS, (_ALL_EVENTS,))

    outbox.put([_given_up(message, TAKEN_OUT, now) for message in waiting], now=now, alongside=write)
    if spoilt:
        outbox.give_notice(f"damaged rows of channels, every waiting event is read again: {', '.join(spoilt)}")
    return Counter(message.channel for message in waiting)


def kept_of(outbox: Outbox, channel: str) -> Kept:
    """Return the stored state of a channel."""
    rows = outbox.read("SELECT position FROM channels WHERE channel = ?", channel)
    records = dict(outbox.read("SELECT key, payload FROM channel_records WHERE channel = ?", channel))
    return Kept(rows[0][0] if rows else 0, records)


def write_decision(
    outbox: Outbox,
    channel: str,
    position: int,
    messages: Sequence[Notification],
    records: Mapping[str, str | None],
    now: float,
    beside: Sequence[tuple[str, str]] = (),
) -> Counter[str]:
    """Write a decision of a policy, all or nothing. Writing the same again is harmless.

    Args:
        outbox: stores it.
        channel: the policy's.
        position: the number of the last event that the policy has read.
        messages: to be sent.
        records: the changed ones of the policy, by key; None for those to delete.
        now: seconds since 1970.
        beside: kinds and payloads of other entries, stored before those of the messages.

    Returns:
        the number of messages given up because too many wait, by channel.
    """
    (count,) = outbox.read("SELECT count(*) FROM notifications")[0] if messages else (0,)
    excess = max(count + len(messages) - MAX_MESSAGES, 0)
    oldest = _read(outbox, "ORDER BY number LIMIT ?", excess) if excess else []

    def write(database: sqlite3.Connection) -> None:
        database.executemany(_DROP_MESSAGE, [(message.number,) for message in oldest])
        database.executemany(_ADD_MESSAGE, [_row_of(message) for message in messages])
        dropped = [(channel, key) for key, payload in records.items() if payload is None]
        database.executemany(_DROP_RECORD, dropped)
        kept = [(channel, key, payload) for key, payload in records.items() if payload is not None]
        database.executemany(_SET_RECORD, kept)
        database.execute(_ADD_CHANNEL, (channel, position))  # missing where an empty file replaced a damaged one
        database.execute(_SET_POSITION, (position, channel))
        database.execute(_DROP_TAKEN_EVENTS, (position,))

    entries = [*beside, *(_given_up(message, TOO_MANY, now) for message in oldest)]
    entries += [_entry_of(message) for message in messages]
    outbox.put(entries, now=now, alongside=write)
    return Counter(message.channel for message in oldest)


def row_of(message: Notification) -> dict[str, Any]:
    """Return a new message in the form that other replicas read."""
    names = ("id", "channel", "kind", "created_at", "members", "payload")
    return {**dict(zip(names, _row_of(message), strict=True)), "tries": 0, "next_try_at": 0.0}


def waiting_of(outbox: Outbox, channel: str, after: int = 0, limit: int = MAX_MESSAGES) -> list[Waiting]:
    """Return the waiting messages of a channel after a number, oldest first."""
    return _read(outbox, "WHERE channel = ? AND number > ? ORDER BY number LIMIT ?", channel, after, limit)


def notification_of(outbox: Outbox, waiting: Waiting) -> Notification | None:
    """Return a waiting message with its content; None if it no longer waits or cannot be read."""
    rows = outbox.read("SELECT payload FROM notifications WHERE number = ?", waiting.number)
    if not rows:
        return None
    try:
        payload = _payload_of(rows[0][0])
    except UnreadableRowError as error:
        drop_unreadable(outbox, "notifications", waiting.number, error)
        return None
    moment, members = datetime.fromtimestamp(waiting.created_at, UTC), tuple(map(uuid.UUID, waiting.members))
    return Notification(waiting.id, waiting.channel, waiting.kind, moment, payload, members)


def note_sent(outbox: Outbox, waiting: Waiting, answer: str, now: float) -> None:
    """Record that a message was sent, when (seconds since 1970), and the receiver's answer."""
    entry = _entry_of_fate(waiting, tries=waiting.tries + 1, sent_at=now, answer=answer)
    outbox.put([entry], now=now, alongside=lambda database: database.execute(_DROP_MESSAGE, (waiting.number,)))


def note_failed(outbox: Outbox, waiting: Waiting, error: str, next_try_at: float, now: float) -> None:
    """Record that a try has failed, why, and when the next one is due, in seconds since 1970."""
    tries = waiting.tries + 1
    entry = _entry_of_fate(waiting, tries=tries, next_try_at=next_try_at, error=error)
    values = (tries, next_try_at, waiting.number)
    outbox.put([entry], now=now, alongside=lambda database: database.execute(_PUT_OFF, values))


def note_given_up(
    outbox: Outbox,
    waiting: Waiting,
    error: str,
    now: float,
    *,
    tries: int,
    told: Notification | None = None,
    untold_seconds: float = 0.0,
) -> bool:
    """Record that a message was given up and why; store a message to another channel that says so.

    Args:
        outbox: stores it.
        waiting: the message.
        error: why.
        now: seconds since 1970.
        tries: the number of tries.
        told: the message to another channel.
        untold_seconds: `told` is dropped if another one about this channel is less than so many seconds old.

    Returns:
        whether `told` was stored.
    """
    rows = outbox.read("SELECT failing_told_at + 0.0 FROM channels WHERE channel = ?", waiting.channel)
    is_told = told is not None and (not rows or not 0 <= now - rows[0][0] < untold_seconds)
    entries = [_given_up(waiting, error, now, tries=tries)]
    if told is not None and is_told:
        entries.append(_entry_of(told))

    def write(database: sqlite3.Connection) -> None:
        database.execute(_DROP_MESSAGE, (waiting.number,))
        if told is not None and is_told:
            database.execute(_ADD_MESSAGE, _row_of(told))
            database.execute("UPDATE channels SET failing_told_at = ? WHERE channel = ?", (now, waiting.channel))

    outbox.put(entries, now=now, alongside=write)
    return is_told


def _read(outbox: Outbox, which: str, *arguments: object) -> list[Waiting]:
    found = []
    query = f"SELECT {_WAITING} FROM notifications {which}"  # noqa: S608  # no part comes from outside
    for row in outbox.read(query, *arguments):
        try:
            found.append(_waiting_of_row(*row))
        except UnreadableRowError as error:
            drop_unreadable(outbox, "notifications", row[0], error)
    return found


def _waiting_of_row(
    number: int,
    text: str,
    channel: str,
    kind: str,
    created_at: object,
    members: str,
    tries: object,
    next_try_at: object,
) -> Waiting:
    with reading("a message"):
        ids = frozenset(str(uuid.UUID(member)) for member in json.loads(members))
        moments = _seconds(created_at), _seconds(next_try_at)
        return Waiting(number, uuid.UUID(text), channel, Kind(kind), moments[0], ids, a_number(tries), moments[1])


def _seconds(value: object) -> float:
    """Return seconds since 1970 that lie within the calendar."""
    if not isinstance(value, float):
        raise TypeError(f"{value!r} is not a moment")
    datetime.fromtimestamp(value, UTC)
    return value


def _payload_of(text: str) -> dict[str, Any]:
    with reading("the content of a message"):
        payload: dict[str, Any] = json.loads(text)
        a_text(payload["title"])
        a_text(payload["text"])
        a_number(payload["more"])
        if not all(isinstance(target, dict) for target in payload["targets"]):
            raise TypeError("a target is not a mapping")
        return payload


def _row_of(message: Notification) -> tuple[object, ...]:
    members = json.dumps([str(member) for member in message.members])
    created_at, payload = message.created_at.timestamp(), json.dumps(message.payload)
    return str(message.id), message.channel, message.kind, created_at, members, payload


def _entry_of(message: Notification) -> tuple[str, str]:
    return encode_notification(
        {
            "id": message.id,
            "channel": message.channel,
            "kind": message.kind,
            "created_at": message.created_at,
            "next_try_at": message.created_at,
            "tries": 0,
        },
        message.payload,
    )


def _given_up(waiting: Waiting, error: str, now: float, *, tries: int | None = None) -> tuple[str, str]:
    tries = waiting.tries if tries is None else tries
    return _entry_of_fate(waiting, tries=tries, given_up_at=now, error=error)


def _entry_of_fate(
    waiting: Waiting,
    *,
    tries: int,
    next_try_at: float | None = None,
    sent_at: float | None = None,
    given_up_at: float | None = None,
    error: str | None = None,
    answer: str | None = None,
) -> tuple[str, str]:
    return encode_notification(
        {
            "id": waiting.id,
            "channel": waiting.channel,
            "kind": waiting.kind,
            "created_at": _moment(waiting.created_at),
            "next_try_at": _moment(next_try_at),
            "sent_at": _moment(sent_at),
            "given_up_at": _moment(given_up_at),
            "tries": tries,
            "error": error,
            "answer": answer,
        }
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

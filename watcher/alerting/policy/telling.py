"""Turns records into the lines of a message, and lines into the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.alerting.policy.line import Line
from watcher.alerting.policy.payload import payload_of, payload_of_words
from watcher.alerting.policy.wording import gap_text, gap_title
from watcher.model.alerts.notification import Kind, Notification
from watcher.model.outcome import moment_of_id, time_ordered_id
from watcher.model.state import State

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from watcher.alerting.policy.records.record import Record
    from watcher.alerting.policy.view import View

KINDS = {State.DOWN: Kind.DOWN, State.DEGRADED: Kind.DEGRADED, State.UNKNOWN: Kind.UNKNOWN}


def line_of(record: Record, *, is_escalation: bool, dependents: int = 0) -> Line:
    """Return the line about a record with news.

    Args:
        record: before `note_told`.
        is_escalation: whether the channel is notified only because the trouble has lasted.
        dependents: the number of targets held back because they depend on this one.
    """
    if record.flapping_since is not None or record.is_flapping_told:
        began = record.flapping_since is not None
        return _present(record, Kind.FLAPPING, record.flip.before, began=began)
    if record.visible is None:
        return _ended(record)
    kind = Kind.ESCALATION if is_escalation else KINDS[record.visible]
    return _present(record, kind, record.told or record.flip.before, dependents=dependents)


def reminder_of(record: Record) -> Line:
    """Return the line of a reminder."""
    return _present(record, Kind.REMINDER, record.flip.before)


def message_of(
    channel: str, lines: Sequence[Line], now: datetime, view: View, members: Iterable[uuid.UUID], number: int = 0
) -> Notification:
    """Return the message with some lines.

    Args:
        channel: its name.
        lines: in order; not empty.
        now: when it is decided.
        view: the present state of the targets.
        members: the incidents in it.
        number: of a reminder: its place among the incident's reminders.
    """
    kinds = {line.kind for line in lines}
    kind = lines[0].kind if len(kinds) == 1 else Kind.MIXED
    message_id = _id_of(channel, kind, lines, now, number)
    payload = payload_of(message_id, channel, kind, now, lines, view)
    return Notification(message_id, channel, kind, now, payload, tuple(dict.fromkeys(members)))


def _id_of(channel: str, kind: Kind, lines: Sequence[Line], now: datetime, number: int) -> uuid.UUID:
    """Return the id of a message: equal if two replicas send the same lines, different if the lines differ."""
    first = lines[0]
    moment = (first.confirmed_at or now) if first.opening is None else moment_of_id(first.opening)
    text = "\0".join(f"{line.kind}\0{line.target}\0{_which(line)}\0{line.began}" for line in lines)
    return time_ordered_id(moment, f"{channel}\0{kind}\0{number}\0{text}")


def _which(line: Line) -> object:
    if line.certificate is not None:
        return f"{line.certificate.expires_at.isoformat()} {line.certificate.step_days}"
    return line.opening or line.flip_id


def message_of_gap(channel: str, start: datetime, end: datetime, now: datetime) -> Notification:
    """Return the message about a time without a network on this machine."""
    message_id = time_ordered_id(end, f"{channel}\0{Kind.CONNECTIVITY}\0{start.isoformat()}")
    title, text = gap_title(start, end), gap_text(start, end)
    payload = payload_of_words(message_id, channel, Kind.CONNECTIVITY, now, title, text)
    return Notification(message_id, channel, Kind.CONNECTIVITY, now, payload)


def message_of_failing(channel: str, failing: str, error: str, now: datetime) -> Notification:
    """Return the message to one channel about the failure of another."""
    message_id = time_ordered_id(now, f"{channel}\0{failing}\0{now.timestamp()}")
    title = f"Notifications to {failing} fail"
    text = f"A notification to the channel {failing} could not be delivered, and is given up: {error}"
    payload = payload_of_words(message_id, channel, Kind.CHANNEL, now, title, text)
    return Notification(message_id, channel, Kind.CHANNEL, now, payload)


def _present(record: Record, kind: Kind, before: State, *, dependents: int = 0, began: bool = False) -> Line:
    flip = record.flip
    return Line(
        kind,
        record.target,
        record.location,
        flip.state,
        before,
        since=flip.at,
        confirmed_at=flip.confirmed_at,
        cause=flip.cause,
        last_up_at=record.last_up_at,
        flip_id=record.flip_id,
        check_id=flip.check_id,
        dependents=dependents,
        began=began,
        opening=record.opening,
    )


def _ended(record: Record) -> Line:
    flip = record.flip
    was, began_at = (record.told, record.told_since) if record.told is not None else (record.brief, record.brief_since)
    return Line(
        Kind.UP,
        record.target,
        record.location,
        flip.state,
        was or flip.before,
        since=flip.at,
        confirmed_at=flip.confirmed_at,
        cause=record.trouble_cause,
        last_up_at=record.last_up_at,
        lasted_seconds=None if began_at is None else (flip.at - began_at).total_seconds(),
        flip_id=record.flip_id,
        check_id=flip.check_id,
        times=max(record.briefs, 1) if record.told is None else 1,
        opening=record.opening,
    )

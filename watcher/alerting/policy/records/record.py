"""The record of a target in a channel: what was sent, what is still to be sent. It outlives a restart."""

from __future__ import annotations

import enum
import json
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from watcher.alerting.policy.records.json_values import (
    a_trouble,
    an_id,
    fault_as_json,
    fault_from_json,
    flip_as_json,
    flip_from_json,
    read,
    written,
)
from watcher.model.alerts.rows import a_flag, a_moment, a_number, a_text, maybe, reading
from watcher.model.places import COMBINED
from watcher.model.state import State

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from watcher.model.outcome import Fault
    from watcher.model.state import Flip

_to_json = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class Place(enum.StrEnum):
    """The places where a record with news can wait."""

    NOWHERE = "nowhere"  # it has no news
    GROUP = "group"  # for the next message of its group
    LATER = "later"  # until a moment: `until`
    SILENCE = "silence"  # for the end of a silence: at `until`, or when it is ended sooner
    PARENTS = "parents"  # for its target's parents
    ACK = "ack"  # not sent: the incident is acknowledged


@dataclass(slots=True)
class Record:
    """The state of a target at a location, as a channel knows it.

    Attributes:
        target, location: of the record.
        group: the target's group at its last change.
        visible: the trouble as far as the channel's topics go; None for none.
        flip: the newest one that changed `visible`.
        flip_id: its id.
        incident_id: of the incident that the flip belongs to; `incident_since`: its start.
        at: when the flip was found.
        opened_at: when the visible trouble was first found, in whatever state.
        last_up_at: when a check last found the target up before.
        trouble_cause: the cause of the last visible trouble, also after its end.
        key: of the incident, the same for all replicas that find the outage; None without one.
        told, told_flip_id, told_incident_id, told_since: the trouble whose start, but not end, was sent to the channel.
        told_key: the key of the told incident; None if only its flip identifies it.
        briefs: the number of troubles that have ended since without any message.
        brief: the last of these, and `brief_since`: its start.
        is_suppressed: whether the unsent trouble was under a silence, a maintenance or a parent's trouble.
        is_acked: whether the incident is acknowledged.
        reminders: the number of reminders sent since the last message.
        reminder_at: when the next one is due; None for never.
        changes: the moments when the visible trouble changed, newest last: as many as flapping takes.
        flapping_since: None if it does not flap; `is_flapping_told`: whether this was sent to the channel.
        place, until: where it waits.
    """

    target: str
    location: str
    group: str | None
    visible: State | None
    flip: Flip
    flip_id: uuid.UUID
    incident_id: uuid.UUID
    at: datetime
    opened_at: datetime
    incident_since: datetime
    last_up_at: datetime | None = None
    trouble_cause: Fault | None = None
    told: State | None = None
    told_flip_id: uuid.UUID | None = None
    told_incident_id: uuid.UUID | None = None
    told_since: datetime | None = None
    key: uuid.UUID | None = None
    told_key: uuid.UUID | None = None
    briefs: int = 0
    brief: State | None = None
    brief_since: datetime | None = None
    is_suppressed: bool = False
    is_acked: bool = False
    reminders: int = 0
    reminder_at: datetime | None = None
    changes: list[datetime] = field(default_factory=list)
    flapping_since: datetime | None = None
    is_flapping_told: bool = False
    place: Place = Place.NOWHERE
    until: datetime | None = None
    # The flip as text, kept since a record is written several times for each flip.
    _written_flip: tuple[Flip, str] | None = field(default=None, compare=False, repr=False)

    @property
    def flip_text(self) -> str:
        """The flip as JSON."""
        if self._written_flip is None or self._written_flip[0] is not self.flip:
            self._written_flip = self.flip, _to_json(flip_as_json(self.flip))
        return self._written_flip[1]

    @property
    def opening(self) -> uuid.UUID | None:
        """The key of the outage whose start or told end is the news; None for other news, or without a key."""
        if self.visible is None:
            return self.told_key
        return self.key if self.flip_id == self.incident_id else None

    def is_same_outage(self, flip: Flip, key: uuid.UUID | None, last_up_at: datetime | None) -> bool:
        """Return whether another replica has found the same outage as the visible one.

        Args:
            flip: of that replica.
            key: of its incident.
            last_up_at: when that replica last found the target up before.
        """
        if self.visible is not flip.state:
            return False
        if key is not None and key == self.key:
            return True
        if self.location == COMBINED and self.told is self.visible and not self.has_news:
            return True  # found by a place that decided alone while PostgreSQL was away
        if last_up_at is None or self.last_up_at is None:
            return False
        return last_up_at <= self.flip.at and self.last_up_at <= flip.at

    @property
    def has_news(self) -> bool:
        """Whether the channel does not know the present state."""
        if self.is_about_flapping:
            return (self.flapping_since is not None) is not self.is_flapping_told
        if self.visible is not None:
            return self.told_flip_id != self.flip_id
        return self.told is not None or self.briefs > 0

    @property
    def is_end_of_told(self) -> bool:
        """Whether the news is the end of a told trouble: only silences hold that back."""
        if self.is_about_flapping:
            return self.is_flapping_told
        return self.visible is None and self.told is not None

    @property
    def is_brief(self) -> bool:
        """Whether the news is a trouble that started and ended unsent."""
        return self.visible is None and self.told is None and not self.is_about_flapping

    @property
    def is_about_flapping(self) -> bool:
        """Whether it flaps, or has stopped to flap without a message to the channel."""
        return self.flapping_since is not None or self.is_flapping_told

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to send unless another event comes."""
        is_over = self.visible is None and self.told is None and not self.briefs
        return is_over and not self.is_about_flapping and not self.changes

    def note_further_end(self, flip: Flip, at: datetime) -> bool:
        """Let the next flip replace an unsent end of a combined trouble: places come up one by one.

        Args:
            flip: of the target; to a state that is not a trouble for the channel.
            at: when it was found.

        Returns:
            whether the end was replaced.
        """
        is_waiting = self.is_end_of_told and not self.is_about_flapping and self.location == COMBINED
        if not is_waiting or flip.state is self.flip.state:
            return False
        self.flip, self.flip_id, self.at = flip, flip.flip_id, at
        return True

    def note_flip(
        self,
        flip: Flip,
        visible: State | None,
        at: datetime,
        last_up_at: datetime | None,
        *,
        is_silent: bool,
        is_escalated_to: bool,
    ) -> None:
        """Record a flip of the target.

        Args:
            flip: the newest.
            visible: the trouble in the channel's view from now on; None for none.
            at: when the flip was found.
            last_up_at: when a check last found the target up before the trouble.
            is_silent: whether a silence covers the target.
            is_escalated_to: whether the channel is notified only of what has lasted for a while.
        """
        if visible is not None:
            if self.visible is None:
                self.opened_at = flip.confirmed_at
            self.trouble_cause, self.last_up_at = flip.cause, last_up_at
            self.is_suppressed |= is_silent
        elif self.told is None:
            if not (is_silent or self.is_suppressed or is_escalated_to or self.visible is State.UNKNOWN):
                self.briefs += 1
                self.brief, self.brief_since = self.visible, self.flip.at
            self.is_suppressed = False
        self.visible, self.flip, self.flip_id = visible, flip, flip.flip_id
        self.at = at
        self.reminders, self.reminder_at = 0, None

    def note_pause(self, *, is_known: bool = True) -> bool:
        """Record that the target is not checked any more; return whether to notify the channel of that, as an end.

        Args:
            is_known: whether a flip to `paused` is recorded next; otherwise a told trouble has no other end.
        """
        if self.is_flapping_told and self.told is None:
            self.told, self.told_since = self.visible or State.DOWN, self.flapping_since
        self.forget_briefs()
        self.changes, self.flapping_since, self.is_flapping_told = [], None, False
        if not is_known:
            self.flip = replace(self.flip, state=State.PAUSED)
        return self.told is not None

    def note_incident(self, incident_id: uuid.UUID, since: datetime, key: uuid.UUID | None) -> None:
        """Record the incident of the flip; another incident is not acknowledged yet."""
        if self.incident_id != incident_id:
            self.incident_id, self.incident_since, self.is_acked = incident_id, since, False
        self.key = key

    def note_change(self, at: datetime, most: int, within: timedelta) -> None:
        """Record when the visible trouble changed: more than `most` changes within a time are flapping."""
        self.changes = [*self.changes[-most:], at]
        if self.flapping_since is None and len(self.changes) > most and at - self.changes[0] <= within:
            self.flapping_since = self.changes[0]

    def forget_briefs(self) -> None:
        """Drop the troubles that ended unsent."""
        self.briefs, self.brief, self.brief_since = 0, None, None

    def note_told(self) -> None:
        """Record that the channel is sent the present state."""
        self.forget_briefs()
        self.is_suppressed = False
        if self.flapping_since is not None:
            self.is_flapping_told = True
            return
        self.is_flapping_told = False
        if self.visible is None:
            self.told = self.told_flip_id = self.told_incident_id = self.told_since = self.told_key = None
        else:
            self.told_key = self.opening
            self.told, self.told_flip_id = self.visible, self.flip_id
            self.told_incident_id, self.told_since = self.incident_id, self.flip.at


def encode_record(record: Record) -> str:
    """Return the text of a record; default values are left out."""
    row: dict[str, Any] = {
        "target": record.target,
        "location": record.location,
        "group": record.group,
        "visible": record.visible,
        "incident_id": str(record.incident_id),
        "at": record.at.isoformat(),
        "opened_at": record.opened_at.isoformat(),
        "incident_since": record.incident_since.isoformat(),
        "last_up_at": written(record.last_up_at),
        "trouble_cause": None if record.trouble_cause is None else fault_as_json(record.trouble_cause),
        "told": record.told,
        "told_flip_id": None if record.told_flip_id is None else str(record.told_flip_id),
        "told_incident_id": None if record.told_incident_id is None else str(record.told_incident_id),
        "told_since": written(record.told_since),
        "key": None if record.key is None else str(record.key),
        "told_key": None if record.told_key is None else str(record.told_key),
        "briefs": record.briefs,
        "brief": record.brief,
        "brief_since": written(record.brief_since),
        "is_suppressed": record.is_suppressed,
        "is_acked": record.is_acked,
        "reminders": record.reminders,
        "reminder_at": written(record.reminder_at),
        "changes": [moment.isoformat() for moment in record.changes],
        "flapping_since": written(record.flapping_since),
        "is_flapping_told": record.is_flapping_told,
        "place": record.place,
        "until": written(record.until),
    }
    text = _to_json({name: value for name, value in row.items() if value or name == "group"})
    return f'{{"flip":{record.flip_text},{text[1:]}'


def decode_record(text: str) -> Record:
    """Return a record.

    Raises:
        UnreadableRowError: it is not the text of a record.
    """
    with reading("a record of a channel"):
        row = json.loads(text)
        flip = flip_from_json(row["flip"])
        record = Record(
            a_text(row["target"]),
            a_text(row["location"]),
            maybe(a_text, row["group"]),
            maybe(a_trouble, row.get("visible")),
            flip,
            flip.flip_id,
            uuid.UUID(row["incident_id"]),
            a_moment(row["at"]),
            a_moment(row["opened_at"]),
            a_moment(row["incident_since"]),
            last_up_at=read(row.get("last_up_at")),
            trouble_cause=fault_from_json(row.get("trouble_cause")),
            told=maybe(a_trouble, row.get("told")),
            told_flip_id=an_id(row.get("told_flip_id")),
            told_incident_id=an_id(row.get("told_incident_id")),
            told_since=read(row.get("told_since")),
            key=an_id(row.get("key")),
            told_key=an_id(row.get("told_key")),
            briefs=a_number(row.get("briefs", 0)),
            brief=maybe(a_trouble, row.get("brief")),
            brief_since=read(row.get("brief_since")),
            is_suppressed=a_flag(row.get("is_suppressed", False)),
            is_acked=a_flag(row.get("is_acked", False)),
            reminders=a_number(row.get("reminders", 0)),
            reminder_at=read(row.get("reminder_at")),
            changes=[a_moment(moment) for moment in row.get("changes", ())],
            flapping_since=read(row.get("flapping_since")),
            is_flapping_told=a_flag(row.get("is_flapping_told", False)),
            place=Place(row["place"]),
            until=read(row.get("until")),
        )
        check_place(record.place, record.until)
        return record


def check_place(place: Place, until: datetime | None) -> None:
    """Check that a place that waits for a moment has one.

    Raises:
        ValueError: it does not.
    """
    if place in {Place.LATER, Place.SILENCE} and until is None:
        raise ValueError("it waits without a moment")

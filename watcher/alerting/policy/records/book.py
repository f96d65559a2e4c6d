"""Stores the records and groups of a channel together with the places where they wait. It decides nothing."""

from __future__ import annotations

import heapq
from datetime import timedelta
from typing import TYPE_CHECKING

from watcher.alerting.policy.records.agenda import LOOK, Agenda, Task, next_look
from watcher.alerting.policy.records.group import Group, decode_group, encode_group, group_key
from watcher.alerting.policy.records.notice import Notice, decode_notice, encode_notice
from watcher.alerting.policy.records.parents import WaitingForParents
from watcher.alerting.policy.records.record import Place, Record, decode_record, encode_record
from watcher.history.incidents import FLAPPING_WINDOW
from watcher.model.alerts.rows import UnreadableRowError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.of_target import Dependency

_RECORD, _NOTICE, _GROUP = "record/", "notice/", "group/"
NETWORK = f"{_NOTICE}network"


class Book:
    """Records and groups by their keys, and when to look at each."""

    def __init__(self, channel: Channel, texts: Mapping[str, str], *, is_written: bool = True) -> None:
        """Load stored texts.

        Args:
            channel: the channel of the records.
            texts: by key; unreadable ones are left out, and deleted with the next changes.
            is_written: whether changes will be written.
        """
        self._is_written = is_written
        self.records: dict[str, Record] = {}
        self.notices: dict[str, Notice] = {}
        self.groups: dict[str, Group] = {}
        self.unreadable: dict[str, str] = {}  # the error, by key
        for key, text in texts.items():
            try:
                if key.startswith(_GROUP):
                    self.groups[key] = decode_group(text)
                elif key.startswith(_RECORD):
                    self.records[key] = decode_record(text)
                elif key.startswith(_NOTICE):
                    self.notices[key] = decode_notice(text)
            except UnreadableRowError as error:
                self.unreadable[key] = str(error)
        self._changed: set[str] = set(self.unreadable)
        self.take_up(channel)

    def take_up(self, channel: Channel) -> None:
        """Continue with a configuration of the channel: rebuild everything that is not in the texts."""
        self.channel = channel
        self.agenda = Agenda()
        self.waiting = WaitingForParents()
        self.silenced = set[str]()
        self._wait = timedelta(seconds=channel.group_wait_seconds)
        self._interval = timedelta(seconds=channel.group_interval_seconds)
        # Their parents are in the configuration, which the first decision sees.
        self.resumed = sorted(key for key, record in self.records.items() if record.place is Place.PARENTS)
        for key, group in self.groups.items():
            group.pending, group.reminders = {}, []
            if group.flush_at is not None:
                self.agenda.add(group.flush_at, Task.FLUSH, key)
            if group.last_at is not None:
                self.agenda.add(group.last_at + self._interval, Task.TIDY, key)
        for key in sorted([*self.records, *self.notices], key=self.order_of):
            self._take_up(key, self.waiter(key))

    def leave_groups(self) -> None:
        """Drop the groups: the channel groups in another way from now on."""
        self._changed |= self.groups.keys()
        self.groups = {}

    def note_change(self, key: str) -> None:
        """Mark a record or a group as changed."""
        self._changed.add(key)

    def take_changes(self) -> dict[str, str | None]:
        """Return the texts changed since the last call; None for those to delete."""
        changed, self._changed = sorted(self._changed), set()
        return {key: self._text_of(key) for key in changed} if self._is_written else {}

    def waiter(self, key: str) -> Record | Notice:
        """Return a record or a notice."""
        return self.notices[key] if key in self.notices else self.records[key]

    def order_of(self, key: str) -> tuple[datetime, str]:
        """Return the sort key of a record or notice: the moment when it was found."""
        return self.waiter(key).at, key

    def drop(self, key: str) -> None:
        """Drop a record or a notice."""
        if key in self.records or key in self.notices:
            self.leave(key, self.waiter(key))
            self.records.pop(key, None)
            self.notices.pop(key, None)
            self._changed.add(key)

    def adopt(self, key: str, record: Record | Notice) -> None:
        """Add a record or a notice of another replica."""
        if isinstance(record, Notice):
            self.notices[key] = record
        else:
            self.records[key] = record
        self._changed.add(key)
        if record.place is Place.PARENTS:
            self.resumed.append(key)
        self._take_up(key, record)

    def adopt_group(self, group_name: str, group: Group) -> None:
        """Apply the moment of the last message to a group from another replica."""
        if group.last_at is not None:
            known = self.groups.setdefault(group_name, Group())
            if known.last_at is None or known.last_at < group.last_at:
                self.note_message(group_name, group.last_at)

    def rename(self, old: str, new: str, target: str) -> None:
        """Move a record to the new name of its target; it waits where it has waited.

        Args:
            old, new: its keys.
            target: the new name.
        """
        record = self.records[old]
        place, until = record.place, record.until
        self.leave(old, record)
        del self.records[old]
        self.drop(new)
        record.target, record.place, record.until = target, place, until
        self.records[new] = record
        self._changed |= {old, new}
        if place is Place.PARENTS:
            self.resumed.append(new)
        self._take_up(new, record)

    def join(self, key: str, record: Record | Notice, at: datetime, *, at_once: bool = False) -> None:
        """Add a record to the next message of its group.

        Args:
            key, record: waits nowhere.
            at: when its news was found.
            at_once: whether not to wait for others.
        """
        record.place = Place.GROUP
        self._changed.add(key)
        group_name = self._group_name(record)
        group = self.groups.setdefault(group_name, Group())
        if group.join(key, at, timedelta() if at_once else self._wait, self._interval):
            self._flush_later(group_name, group)

    def keep_back(self, group_name: str, until: datetime) -> None:
        """Delay the next message of a group until a moment."""
        group = self.groups[group_name]
        group.flush_at = until
        self._flush_later(group_name, group)

    def wait_until(self, key: str, record: Record | Notice, place: Place, until: datetime) -> None:
        """Let a record, which waits nowhere, wait until a moment."""
        record.place, record.until = place, until
        self._changed.add(key)
        self.agenda.add(until, Task.RECORD, key)
        if place is Place.SILENCE:
            self.silenced.add(key)

    def wait_for_parents(self, key: str, record: Record, depends_on: Sequence[Dependency], now: datetime) -> None:
        """Let a record, which waits nowhere, wait for its target's parents."""
        record.place = Place.PARENTS
        self._changed.add(key)
        look, is_first = self.waiting.add(key, depends_on)
        if is_first:
            self.agenda.add(next_look(now, LOOK), Task.PARENTS, look)

    def wait_for_nothing(self, key: str, record: Record) -> None:
        """Keep a record, which waits nowhere, from being sent, since its incident is acknowledged."""
        record.place = Place.ACK
        self._changed.add(key)

    def leave(self, key: str, record: Record | Notice) -> None:
        """Remove a record from the place where it waits."""
        match record.place:
            case Place.GROUP:
                self.groups[self._group_name(record)].pending.pop(key, None)
            case Place.PARENTS:
                self.waiting.discard(key)
            case Place.SILENCE:
                self.silenced.discard(key)
            case _:
                pass
        record.place, record.until = Place.NOWHERE, None
        self._changed.add(key)

    def await_reminder(self, key: str, record: Record) -> None:
        """Add the next reminder of a record to its group."""
        assert record.reminder_at is not None
        group_name = self._group_name(record)
        reminders = self.groups.setdefault(group_name, Group()).reminders
        heapq.heappush(reminders, (record.reminder_at, key))
        if reminders[0][1] == key:
            self.agenda.add(record.reminder_at, Task.REMIND, group_name)

    def take_reminders(self, group_name: str, now: datetime, together: timedelta) -> list[tuple[str, Record]]:
        """Remove and return the records of a group to remind of: if one is due, also those due soon.

        Args:
            group_name: of the group.
            now: the moment.
            together: how soon.
        """
        group = self.groups.get(group_name)
        taken: list[tuple[str, Record]] = []
        while group is not None and group.reminders:
            due, key = group.reminders[0]
            record = self.records.get(key)
            if record is not None and record.reminder_at == due:
                if due > (now + together if taken else now):
                    self.agenda.add(due, Task.REMIND, group_name)
                    break
                record.reminder_at = None
                self._changed.add(key)
                taken.append((key, record))
            heapq.heappop(group.reminders)
        self.tidy(group_name, now)
        return taken

    def note_message(self, group_name: str, now: datetime) -> None:
        """Record the moment of a group's last message."""
        self.groups[group_name].last_at = now
        self._changed.add(group_name)
        self.agenda.add(now + self._interval, Task.TIDY, group_name)

    def tidy(self, group_name: str, now: datetime) -> None:
        """Drop a group without pending records, once its interval is over."""
        group = self.groups.get(group_name)
        if group is None or group.pending or (group.last_at is not None and group.last_at + self._interval > now):
            return
        if group.last_at is not None:
            group.last_at = None
            self._changed.add(group_name)
        if not group.reminders:
            del self.groups[group_name]

    def _take_up(self, key: str, record: Record | Notice) -> None:
        match record.place:
            case Place.GROUP:
                group = self.groups.get(self._group_name(record))
                if group is None or group.flush_at is None:
                    self.join(key, record, record.at)
                else:
                    group.pending[key] = None
            case Place.SILENCE:
                self.silenced.add(key)
            case _:
                pass
        if record.until is not None:
            self.agenda.add(record.until, Task.RECORD, key)
        if isinstance(record, Notice):
            return
        if record.changes:
            self.agenda.add(record.changes[-1] + FLAPPING_WINDOW, Task.CALM, key)
        if record.reminder_at is not None:
            self.await_reminder(key, record)

    def _flush_later(self, group_name: str, group: Group) -> None:
        assert group.flush_at is not None
        self._changed.add(group_name)
        self.agenda.add(group.flush_at, Task.FLUSH, group_name)

    def _group_name(self, record: Record | Notice) -> str:
        return _GROUP + group_key(self.channel, record.target, record.group)

    def _text_of(self, key: str) -> str | None:
        if key.startswith(_RECORD):
            record = self.records.get(key)
            return None if record is None else encode_record(record)
        if key.startswith(_NOTICE):
            notice = self.notices.get(key)
            return None if notice is None else encode_notice(notice)
        group = self.groups.get(key)
        return None if group is None or (group.flush_at is group.last_at is None) else encode_group(group)


def record_key(location: str, target: str) -> str:
    """Return the key of the record of a target at a location."""
    return f"{_RECORD}{location}/{target}"


def certificate_key(location: str, target: str) -> str:
    """Return the key of the notice about a target's certificate."""
    return f"{_NOTICE}certificate/{location}/{target}"

"""The records and groups of a channel, and what waits where: it keeps both in step, and decides nothing."""

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
    """Records and groups by their keys, and when each is to be looked at."""

    def __init__(self, channel: Channel, texts: Mapping[str, str], *, is_written: bool = True) -> None:
        """Read what was written before.

        Args:
            channel: whose.
            texts: by key; what nobody understands is left out, and deleted by the next changes.
            is_written: whether there will be anybody who writes down what changes.
        """
        self._is_written = is_written
        self.records: dict[str, Record] = {}
        self.notices: dict[str, Notice] = {}
        self.groups: dict[str, Group] = {}
        self.unreadable: dict[str, str] = {}  # why, by key
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
        """Go on with a configuration of the channel: make anew all that does not stand in the texts."""
        self.channel = channel
        self.agenda = Agenda()
        self.waiting = WaitingForParents()
        self.silenced = set[str]()
        self._wait = timedelta(seconds=channel.group_wait_seconds)
        self._interval = timedelta(seconds=channel.group_interval_seconds)
        # What they depend on stands in the configuration, which the first decision sees.
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
        """Forget the groups: they are others from now on."""
        self._changed |= self.groups.keys()
        self.groups = {}

    def note_change(self, key: str) -> None:
        """Have a record or a group written."""
        self._changed.add(key)

    def take_changes(self) -> dict[str, str | None]:
        """Return the texts of what has changed since the last time; None for what is to be deleted."""
        changed, self._changed = sorted(self._changed), set()
        return {key: self._text_of(key) for key in changed} if self._is_written else {}

    def waiter(self, key: str) -> Record | Notice:
        """Return a record or a notice."""
        return self.notices[key] if key in self.notices else self.records[key]

    def order_of(self, key: str) -> tuple[datetime, str]:
        """Return what records and notices are put in order by: when they were found out."""
        return self.waiter(key).at, key

    def drop(self, key: str) -> None:
        """Forget a record or a notice."""
        if key in self.records or key in self.notices:
            self.leave(key, self.waiter(key))
            self.records.pop(key, None)
            self.notices.pop(key, None)
            self._changed.add(key)

    def adopt(self, key: str, record: Record | Notice) -> None:
        """Take up a record or a notice that another replica has kept until now."""
        if isinstance(record, Notice):
            self.notices[key] = record
        else:
            self.records[key] = record
        self._changed.add(key)
        if record.place is Place.PARENTS:
            self.resumed.append(key)
        self._take_up(key, record)

    def adopt_group(self, group_name: str, group: Group) -> None:
        """Take over when another replica has told a group last."""
        if group.last_at is not None:
            known = self.groups.setdefault(group_name, Group())
            if known.last_at is None or known.last_at < group.last_at:
                self.note_message(group_name, group.last_at)

    def rename(self, old: str, new: str, target: str) -> None:
        """Let a record go on under the name that its target has now; it waits where it has waited.

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
        """Let a record wait for the next message of its group.

        Args:
            key, record: it waits nowhere.
            at: when its news was found out.
            at_once: whether it does not wait for others.
        """
        record.place = Place.GROUP
        self._changed.add(key)
        group_name = self._group_name(record)
        group = self.groups.setdefault(group_name, Group())
        if group.join(key, at, timedelta() if at_once else self._wait, self._interval):
            self._flush_later(group_name, group)

    def keep_back(self, group_name: str, until: datetime) -> None:
        """Let the next message of a group wait for a moment."""
        group = self.groups[group_name]
        group.flush_at = until
        self._flush_later(group_name, group)

    def wait_until(self, key: str, record: Record | Notice, place: Place, until: datetime) -> None:
        """Let a record, which waits nowhere, wait for a moment."""
        record.place, record.until = place, until
        self._changed.add(key)
        self.agenda.add(until, Task.RECORD, key)
        if place is Place.SILENCE:
            self.silenced.add(key)

    def wait_for_parents(self, key: str, record: Record, depends_on: Sequence[Dependency], now: datetime) -> None:
        """Let a record, which waits nowhere, wait for what its target depends on."""
        record.place = Place.PARENTS
        self._changed.add(key)
        look, is_first = self.waiting.add(key, depends_on)
        if is_first:
            self.agenda.add(next_look(now, LOOK), Task.PARENTS, look)

    def wait_for_nothing(self, key: str, record: Record) -> None:
        """Let a record, which waits nowhere, not be told, since somebody knows."""
        record.place = Place.ACK
        self._changed.add(key)

    def leave(self, key: str, record: Record | Notice) -> None:
        """Take a record away from where it waits."""
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
        """Put the next reminder of a record among those of its group."""
        assert record.reminder_at is not None
        group_name = self._group_name(record)
        reminders = self.groups.setdefault(group_name, Group()).reminders
        heapq.heappush(reminders, (record.reminder_at, key))
        if reminders[0][1] == key:
            self.agenda.add(record.reminder_at, Task.REMIND, group_name)

    def take_reminders(self, group_name: str, now: datetime, together: timedelta) -> list[tuple[str, Record]]:
        """Take out the records of a group that are to be reminded of: where one is due, those too that are due soon.

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
        """Take down when a group was told last."""
        self.groups[group_name].last_at = now
        self._changed.add(group_name)
        self.agenda.add(now + self._interval, Task.TIDY, group_name)

    def tidy(self, group_name: str, now: datetime) -> None:
        """Forget a group that nothing waits in, once it may be told of anything at once."""
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
    """Return the key of what is to be told of a target's certificate."""
    return f"{_NOTICE}certificate/{location}/{target}"

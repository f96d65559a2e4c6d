"""Decides what a channel is sent and when, from events to messages and records. Pure, without a clock of its own.

The same records, events and moments make the same messages with the same ids: after a crash, a decision is repeated.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from watcher.alerting.policy.event import AlertEvent, Change
from watcher.alerting.policy.holding import (
    ROUNDS_AFTER_PARENTS,
    Hold,
    Parents,
    after_seconds,
    hold_of,
    is_told_of,
    last_look,
    parents_of,
    silence_end,
)
from watcher.alerting.policy.incidents import Unheard
from watcher.alerting.policy.line import Line
from watcher.alerting.policy.notices import line_of_notice, look_at_notice, may_tell_notice, take_notice
from watcher.alerting.policy.records.agenda import LOOK, Task, next_look
from watcher.alerting.policy.records.book import Book, record_key
from watcher.alerting.policy.records.handing_over import absorb
from watcher.alerting.policy.records.record import Place, Record
from watcher.alerting.policy.records.set_back import SET_BACK, bring_back, reminder_step
from watcher.alerting.policy.telling import line_of, message_of, reminder_of
from watcher.alerting.policy.view import Decision
from watcher.alerting.policy.windows import quiet_until
from watcher.history.incidents import FLAPPING_FLIPS, FLAPPING_WINDOW
from watcher.model.alerts.channel import Topic
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from watcher.alerting.policy.event import Handover, Incident
    from watcher.alerting.policy.view import View
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Notification
    from watcher.model.alerts.silence import Silence
    from watcher.model.state import Flip

# Reminders that are due within this part of their interval are one message.
_REMINDERS_TOGETHER = 4


class ChannelPolicy:
    """Decides for one channel."""

    def __init__(self, channel: Channel, records: Mapping[str, str], *, is_written: bool = True) -> None:
        """Continue from former decisions.

        Args:
            channel: its configuration.
            records: as stored by former decisions, by key.
            is_written: whether decisions return the changed records: that takes a third of their time.
        """
        self._channel = channel
        self._book = Book(channel, records, is_written=is_written)
        self.unreadable: Mapping[str, str] = self._book.unreadable  # why a record was left out, by key
        self._unheard = Unheard()
        self._silences: Sequence[Silence] = ()
        # Until the first decision it is unknown by which clock the records were written.
        self._newest_moment = datetime.max.replace(tzinfo=UTC)

    @property
    def due_at(self) -> datetime | None:
        """When `decide` is due without further events; None for never."""
        return min(filter(None, (self._book.agenda.due_at, self._unheard.due_at)), default=None)

    def reconfigured(self, channel: Channel) -> ChannelPolicy:
        """Return the policy that continues with another configuration; this one must not be used any more."""
        if channel.group_by != self._channel.group_by:
            self._book.leave_groups()
        self._channel = channel
        self._book.take_up(channel)
        return self

    def lacks(self, location: str, target: str, view: View) -> bool:
        """Return whether the channel is to be notified of a target and has no record of a present trouble of it."""
        record = self._book.records.get(record_key(location, target))
        return (record is None or record.visible is None) and self._after(target, view) is not None

    def take_open(self, incidents: Iterable[Incident], now: datetime) -> None:
        """Take the open incidents that the channel `lacks`, after all events: it is notified of those that last."""
        self._unheard.clear()
        for one in incidents:
            record = self._book.records.get(key := record_key(one.location, one.target))
            if record is None or (record.visible is None and record.flip.at < one.since):
                self._unheard.add(key, one, now)

    def take(self, event: AlertEvent, view: View) -> None:
        """Take the next event; `decide` decides on it."""
        self._newest_moment = max(self._newest_moment, event.at)
        if event.change is Change.RENAMED and event.incident is not None:
            self._rename(event, event.incident)
        elif event.flip is not None and event.incident is not None:
            self._take_change(event, event.flip, event.incident, view)
        elif self._channel.is_default if event.target is None else self._after(event.target, view) == 0:
            take_notice(self._book, event, view)

    def absorb(self, handover: Handover, view: View) -> None:
        """Take what another replica has sent to the channel; `decide` decides on it."""
        note_told, settle = partial(self._note_told, now=handover.at), partial(self._settle, at=handover.at, view=view)
        state_at = view.state_at if handover.is_whole else None
        absorb(self._book, handover.records, handover.over, handover.at, state_at, note_told, settle)

    def decide(self, now: datetime, view: View) -> Decision:
        """Decide what to send now.

        Args:
            now: the moment.
            view: the present state of the targets.

        Returns:
            new messages, and the records that have changed since the last decision.
        """
        if now < self._newest_moment - SET_BACK:
            bring_back(self._book, now, partial(last_look, self._channel, now, view), self._quiet_until(now))
        self._newest_moment = now
        for one in self._unheard.take_known(now, view):  # as if found now
            self._take_change(AlertEvent(0, Change.OPENED, now, one), one.flip, one, view)
        messages = self._heed_operators(now, view)
        to_flush, to_remind = set[str](), set[str]()
        while entry := self._book.agenda.pop(now):
            match entry.task:
                case Task.RECORD:
                    messages.append(self._look_at_waiter(entry.key, entry.due, now, view))
                case Task.PARENTS:
                    self._look_at_parents(entry.key, now, view)
                case Task.CALM:
                    self._calm_down(entry.key, now, view)
                case Task.FLUSH:
                    to_flush.add(entry.key)
                case Task.REMIND:
                    to_remind.add(entry.key)
                case Task.TIDY:
                    self._book.tidy(entry.key, now)
        messages += [self._flush(key, now, view) for key in sorted(to_flush)]
        messages += [self._remind(key, now, view) for key in sorted(to_remind)]
        return Decision(tuple(one for one in messages if one is not None), self._book.take_changes())

    def _take_change(self, event: AlertEvent, flip: Flip, incident: Incident, view: View) -> None:
        target = view.targets.get(flip.target)
        group = None if target is None else target.group
        for look in self._book.waiting.looks_at(flip.target, group):
            self._book.agenda.add(event.at, Task.PARENTS, look)
        key = record_key(flip.location, flip.target)
        self._unheard.discard(key, event.at if event.change is Change.CLOSED else None)
        record = self._book.records.get(key)
        if flip.state is State.PAUSED and (record is None or not record.note_pause()):
            self._book.drop(key)
            return
        visible = None if event.change is Change.CLOSED else incident.trouble
        if visible is not None and not is_told_of(self._channel, visible):
            visible = None
        after = self._after(flip.target, view)
        if record is None:
            if visible is None or after is None:
                return
            since = incident.since
            record = Record(
                flip.target, flip.location, group, None, flip, flip.flip_id, incident.id, event.at, event.at, since
            )
            self._book.records[key] = record
        elif visible is record.visible and (visible is None or flip.flip_id == record.flip_id):
            if record.note_further_end(flip, event.at):
                self._book.leave(key, record)
                self._settle(key, record, event.at, view)
            return
        elif event.change is Change.OPENED and record.is_same_outage(flip, incident.key, incident.last_up_at):
            return  # another replica has found the same outage
        elif after is None and record.told is None:
            self._book.drop(key)
            return
        self._book.leave(key, record)
        record.group = group
        record.note_incident(incident.id, incident.since, incident.key)
        is_silent = silence_end(view.silences, record.target, group, event.at) is not None
        record.note_flip(flip, visible, event.at, incident.last_up_at, is_silent=is_silent, is_escalated_to=bool(after))
        if Topic.FLAPPING in self._channel.topics and not after and flip.state is not State.PAUSED:
            record.note_change(event.at, FLAPPING_FLIPS, FLAPPING_WINDOW)
            self._book.agenda.add(event.at + FLAPPING_WINDOW, Task.CALM, key)
        self._settle(key, record, event.at, view)

    def _rename(self, event: AlertEvent, incident: Incident) -> None:
        old, new = (record_key(incident.location, name or "") for name in (event.target, incident.target))
        if old in self._book.records:
            self._book.rename(old, new, incident.target)
        else:
            self._unheard.add(new, incident, event.at)

    def _settle(self, key: str, record: Record, at: datetime, view: View, *, at_once: bool = False) -> None:
        """Let the news of a record, which waits nowhere, wait in the right place; drop a record without any."""
        if record.visible is None and not record.is_about_flapping and Topic.UP not in self._channel.topics:
            record.note_told()
        if not record.has_news:
            if record.is_done:
                self._book.drop(key)
            return
        after = self._after(record.target, view)
        if after and record.told is None:
            due = record.opened_at + timedelta(seconds=after)
            self._book.wait_until(key, record, Place.LATER, max(due, at))
        else:
            self._book.join(key, record, at, at_once=at_once)

    def _heed_operators(self, now: datetime, view: View) -> list[Notification | None]:
        """Take what may have changed without an event: silences, and the parents of targets."""
        messages: list[Notification | None] = []
        for key in self._book.resumed:
            record = self._book.records.get(key)
            if record is not None and record.place is Place.PARENTS:
                self._wait_for_parents(key, record, now, view)
        self._book.resumed = []
        if view.silences != self._silences:
            self._silences = view.silences
            silenced = [(key, self._book.waiter(key).until) for key in sorted(self._book.silenced)]
            messages += [self._look_at_waiter(key, until, now, view) for key, until in silenced]
        return messages

    def _look_at_waiter(self, key: str, due: datetime | None, now: datetime, view: View) -> Notification | None:
        """Look again at a waiting record or notice; return a message to send by itself."""
        notice = self._book.notices.get(key)
        if notice is None:
            self._look_at_record(key, due, now, view)
        elif notice.until == due:
            self._book.leave(key, notice)
            return look_at_notice(self._book, key, notice, now, view, self._quiet_until(now))
        return None

    def _look_at_record(self, key: str, due: datetime | None, now: datetime, view: View) -> None:
        record = self._book.records.get(key)
        if record is None or record.place not in {Place.LATER, Place.SILENCE} or record.until != due:
            return
        self._book.leave(key, record)
        is_escalation = self._is_escalation(record, view)
        if is_escalation and self._is_acked(key, record, view):
            self._book.wait_for_nothing(key, record)
        elif (hold := hold_of(record, now, view)) is not None:
            self._hold(key, record, hold, now, view)
        else:
            self._book.join(key, record, now, at_once=not is_escalation)

    def _look_at_parents(self, look: str, now: datetime, view: View) -> None:
        depends_on = self._book.waiting.depends_on(look)
        if not depends_on:
            return
        if parents_of(depends_on, view) is Parents.OUT_OF_ORDER:
            self._book.agenda.add(next_look(now, LOOK), Task.PARENTS, look)
            return
        for key in self._book.waiting.children(look):
            record = self._book.records[key]
            self._book.leave(key, record)
            target = view.targets.get(record.target)
            rounds = 0 if target is None else ROUNDS_AFTER_PARENTS * target.interval_seconds
            self._book.wait_until(key, record, Place.LATER, now + timedelta(seconds=rounds))

    def _calm_down(self, key: str, now: datetime, view: View) -> None:
        record = self._book.records.get(key)
        if record is None or not record.changes or record.changes[-1] + FLAPPING_WINDOW > now:
            return
        record.changes = []
        self._book.note_change(key)
        if record.flapping_since is not None:
            record.flapping_since = None
            self._book.leave(key, record)
            self._settle(key, record, now, view, at_once=True)
        elif record.is_done:
            self._book.drop(key)

    def _hold(self, key: str, record: Record, hold: Hold, now: datetime, view: View) -> None:
        """Hold the news of a record, which waits nowhere."""
        if hold.is_suppressed and record.is_brief:
            record.forget_briefs()
            self._settle(key, record, now, view)
            return
        record.is_suppressed |= hold.is_suppressed and not record.is_end_of_told
        if hold.place is Place.PARENTS:
            self._wait_for_parents(key, record, now, view)
        else:
            assert hold.until is not None
            self._book.wait_until(key, record, hold.place, hold.until)

    def _wait_for_parents(self, key: str, record: Record, now: datetime, view: View) -> None:
        target = view.targets.get(record.target)
        if target is None or not target.alerts.depends_on:
            self._book.leave(key, record)
            self._settle(key, record, now, view)
        else:
            self._book.wait_for_parents(key, record, target.alerts.depends_on, now)

    def _flush(self, group_name: str, now: datetime, view: View) -> Notification | None:
        """Return the message about all that is pending in a group."""
        group = self._book.groups.get(group_name)
        if group is None or group.flush_at is None or group.flush_at > now:
            return None
        until = self._quiet_until(now)
        if until is not None:
            self._book.keep_back(group_name, until)
            return None
        group.flush_at = None
        self._book.note_change(group_name)
        lines, members = list[Line](), list[uuid.UUID]()
        told = [key for key in sorted(group.pending, key=self._book.order_of) if self._may_tell(key, now, view)]
        for key in told:
            notice = self._book.notices.get(key)
            if notice is not None:
                lines.append(line_of_notice(notice, view))
                self._book.drop(key)
                continue
            record = self._book.records[key]
            lines.append(self._line(record, view))
            members += [one for one in (record.told_incident_id, record.incident_id) if one is not None]
            self._note_told(key, record, now)
        if not lines:
            self._book.tidy(group_name, now)
            return None
        self._book.note_message(group_name, now)
        return message_of(self._channel.name, lines, now, view, members)

    def _may_tell(self, key: str, now: datetime, view: View) -> bool:
        """Remove a pending record from its group; if it is not to be sent now, let it wait or drop it."""
        notice = self._book.notices.get(key)
        if notice is not None:
            self._book.leave(key, notice)
            return may_tell_notice(self._book, key, notice, now, view)
        record = self._book.records[key]
        self._book.leave(key, record)
        hold = hold_of(record, now, view)
        if hold is not None:
            self._hold(key, record, hold, now, view)
            return False
        is_unwanted = record.told is None and self._after(record.target, view) is None
        if record.is_about_flapping and view.state_at(record.location, record.target) in {State.PAUSED, None}:
            is_unwanted = not record.note_pause(is_known=False)
        if is_unwanted:
            self._book.drop(key)
        return not is_unwanted

    def _line(self, record: Record, view: View) -> Line:
        is_down = record.visible is State.DOWN
        dependents = self._book.waiting.count(record.target, record.group) if is_down else 0
        return line_of(record, is_escalation=self._is_escalation(record, view), dependents=dependents)

    def _note_told(self, key: str, record: Record, now: datetime) -> None:
        record.note_told()
        self._book.note_change(key)
        seconds = self._channel.reminder_interval_seconds
        if record.told is not None and not record.is_about_flapping and seconds:
            record.reminders, record.reminder_at = 0, now + timedelta(seconds=seconds)
            self._book.await_reminder(key, record)
        if record.is_done:
            self._book.drop(key)

    def _remind(self, group_name: str, now: datetime, view: View) -> Notification | None:
        """Return the reminder of the lasting troubles in a group, with those due soon."""
        until = self._quiet_until(now)
        interval = timedelta(seconds=self._channel.reminder_interval_seconds)
        reminded = []
        for key, record in self._book.take_reminders(group_name, now, interval / _REMINDERS_TOGETHER):
            if not interval or self._is_acked(key, record, view):
                continue
            if until is not None:
                record.reminder_at = until
            else:
                if not record.has_news and hold_of(record, now, view) is None:
                    record.reminders += 1
                    reminded.append(record)
                record.reminder_at = now + reminder_step(interval, record.reminders)
            self._book.await_reminder(key, record)
        if not reminded:
            return None
        lines = [reminder_of(record) for record in reminded]
        members = [record.incident_id for record in reminded]
        return message_of(self._channel.name, lines, now, view, members, reminded[0].reminders)

    def _after(self, target_name: str, view: View) -> float | None:
        """Return how many seconds a target's trouble must last before the channel is notified; None for never."""
        return after_seconds(self._channel, target_name, view)

    def _is_escalation(self, record: Record, view: View) -> bool:
        return record.told is None and record.visible is not None and bool(self._after(record.target, view))

    def _is_acked(self, key: str, record: Record, view: View) -> bool:
        acked_at = view.acked_at.get(record.target)
        if not record.is_acked and acked_at is not None and acked_at >= record.incident_since:
            record.is_acked = True
            self._book.note_change(key)
        return record.is_acked

    def _quiet_until(self, now: datetime) -> datetime | None:
        return quiet_until(self._channel.quiet_hours, now)

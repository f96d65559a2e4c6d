"""Corrects moments written before the clock was set back: no wait ends later than it could from now on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from watcher.alerting.policy.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from watcher.alerting.policy.records.book import Book
    from watcher.alerting.policy.records.group import Group
    from watcher.alerting.policy.records.notice import Notice

# Clocks are often corrected by less than this.
SET_BACK = timedelta(seconds=1)
_LONGEST_REMINDER_STEP = timedelta(days=1)


def reminder_step(interval: timedelta, reminders: int) -> timedelta:
    """Return the time from a message to the next reminder.

    Args:
        interval: the time to the first one.
        reminders: the number already sent.
    """
    doublings = min(reminders, 20)
    return min(interval * (1 << doublings), max(_LONGEST_REMINDER_STEP, interval))


def bring_back(
    book: Book, now: datetime, last_look: Callable[[Record | Notice], datetime], quiet_until: datetime | None
) -> None:
    """Correct moments that are too far ahead, and rebuild the agenda; the rest stays.

    Args:
        book: of a channel.
        now: the moment.
        last_look: returns the last moment until which a waiting record or notice may wait, apart from quiet hours.
        quiet_until: the end of the channel's quiet hours; None outside them.
    """
    for name, group in book.groups.items():
        _bring_group_back(book, name, group, now, quiet_until)
    for key in [*book.records, *book.notices]:
        waiter = book.waiter(key)
        last = max(last_look(waiter), quiet_until or now)
        if waiter.until is not None and waiter.until > last:
            waiter.until = last
            book.note_change(key)
        if isinstance(waiter, Record):
            _bring_record_back(book, key, waiter, now, quiet_until)
    book.take_up(book.channel)


def _bring_group_back(book: Book, name: str, group: Group, now: datetime, quiet_until: datetime | None) -> None:
    wait = book.channel.group_wait_seconds
    longest = wait if group.last_at is None else max(wait, book.channel.group_interval_seconds)
    last = max(now + timedelta(seconds=longest), quiet_until or now)
    if group.flush_at is not None and group.flush_at > last:
        group.flush_at = last
        book.note_change(name)
    if group.last_at is not None and group.last_at > now:
        group.last_at = now
        book.note_change(name)


def _bring_record_back(book: Book, key: str, record: Record, now: datetime, quiet_until: datetime | None) -> None:
    interval = timedelta(seconds=book.channel.reminder_interval_seconds)
    last = max(now + reminder_step(interval, record.reminders), quiet_until or now)
    if interval and record.reminder_at is not None and record.reminder_at > last:
        record.reminder_at = last
        book.note_change(key)
    if record.at > now or record.opened_at > now:
        # The wait for parents starts at `at`, that for escalations at `opened_at`.
        record.at, record.opened_at = min(record.at, now), min(record.opened_at, now)
        book.note_change(key)
    if record.changes and record.changes[-1] > now:
        # The times between changes stay: they decide whether it flaps.
        ahead = record.changes[-1] - now
        record.changes = [moment - ahead for moment in record.changes]
        book.note_change(key)

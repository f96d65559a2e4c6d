"""What a channel's policy makes of what another replica has told the channel; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.alerting.policy.records.book import Book, record_key
from watcher.alerting.policy.records.record import Place
from watcher.model.state import Flip, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.alerting.policy.event import Handover
    from watcher.alerting.policy.records.record import Record
    from watcher.alerting.policy.view import View


def absorb(
    book: Book,
    handover: Handover,
    view: View,
    note_told: Callable[[str, Record], None],
    settle: Callable[[str, Record], None],
) -> None:
    """Take in what another replica knows, after all events that it has told of: nobody is to be told twice.

    Args:
        book: of the channel.
        handover: what the other knows.
        view: the present.
        note_told: called with the key of a record, which waits nowhere, and itself, where the channel knows of it.
        settle: called with them where it has news.
    """
    theirs = Book(book.channel, handover.records, is_written=False)
    for group_name, group in theirs.groups.items():
        book.adopt_group(group_name, group)
    for key, record in theirs.records.items():
        known = book.records.get(key)
        if known is None:
            if handover.is_whole and record.visible is not None and view.state_of(record.target) is State.UP:
                _end(record, handover)
                book.records[key] = record
                settle(key, record)
            elif handover.is_whole:
                book.adopt(key, record)
        elif known.has_news and _tells_the_same(known, record):
            book.leave(key, known)
            note_told(key, known)
    for place in handover.over:
        key = record_key(*place)
        known = book.records.get(key)
        if known is not None and known.is_brief:
            book.leave(key, known)
            note_told(key, known)
    if handover.is_whole:
        for key, notice in theirs.notices.items():
            if key not in book.notices:
                book.adopt(key, notice)


def _tells_the_same(known: Record, other: Record) -> bool:
    """Whether the channel was told by another of what is news here."""
    if other.has_news or known.is_about_flapping != other.is_about_flapping:
        return False
    return known.visible is other.visible and (known.visible is None or known.flip_id == other.told_flip_id)


def _end(record: Record, handover: Handover) -> None:
    """End what is over by now: whoever has found that may have said so before this was known here."""
    assert record.visible is not None
    flip = Flip(record.target, record.location, handover.at, handover.at, State.UP, record.visible)
    record.place, record.until = Place.NOWHERE, None
    record.note_flip(
        flip, None, handover.at, record.last_up_at, is_silent=record.is_suppressed, is_escalated_to=record.told is None
    )

"""What a channel's policy makes of what another replica has told the channel; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.alerting.policy.records.book import Book, record_key
from watcher.alerting.policy.records.record import Place
from watcher.model.places import COMBINED
from watcher.model.state import Flip, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from watcher.alerting.policy.records.record import Record


def absorb(
    book: Book,
    records: Mapping[str, str],
    over: Iterable[tuple[str, str]],
    at: datetime,
    state_at: Callable[[str, str], State | None] | None,
    note_told: Callable[[str, Record], None],
    settle: Callable[[str, Record], None],
) -> None:
    """Take in what another replica knows, after all events that it has told of: nobody is to be told twice.

    Args:
        book: of the channel.
        records: what the other has kept, by key.
        over: location and target of what it has told, and of which nothing is left to tell.
        at: when it was handed over.
        state_at: the present state of a target by its location and name; None where others know of the same troubles,
            so that only those matter that were told.
        note_told: called with the key of a record, which waits nowhere, and itself, where the channel knows of it.
        settle: called with them where it has news.
    """
    theirs = Book(book.channel, records, is_written=False)
    for group_name, group in theirs.groups.items():
        book.adopt_group(group_name, group)
    for key, record in theirs.records.items():
        known = book.records.get(key)
        if known is None:
            if state_at is None:
                # A place that decided alone while PostgreSQL was away is the only one that knows of its incident.
                if record.location == COMBINED and record.told is not None:
                    book.adopt(key, record)
                continue
            if record.visible is not None and state_at(record.location, record.target) is State.UP:
                _end(record, record.visible, at)
                book.records[key] = record
                settle(key, record)
            else:
                book.adopt(key, record)
        elif known.has_news and _tells_the_same(known, record):
            book.leave(key, known)
            note_told(key, known)
    _note_over(book, over, note_told)
    if state_at is not None:
        for key, notice in theirs.notices.items():
            if key not in book.notices:
                book.adopt(key, notice)


def _note_over(book: Book, over: Iterable[tuple[str, str]], note_told: Callable[[str, Record], None]) -> None:
    """Drop the news of brief troubles that another replica has told already."""
    for place in over:
        key = record_key(*place)
        known = book.records.get(key)
        if known is not None and known.is_brief:
            book.leave(key, known)
            note_told(key, known)


def _tells_the_same(known: Record, other: Record) -> bool:
    """Whether the channel was told by another of what is news here."""
    if other.has_news or known.is_about_flapping != other.is_about_flapping:
        return False
    if known.visible is None or other.visible is None or known.flip_id == other.told_flip_id:
        return known.visible is other.visible
    return known.is_same_outage(other.flip, other.key, other.last_up_at)


def _end(record: Record, visible: State, at: datetime) -> None:
    """End what is over by now: whoever has found that may have said so before this was known here."""
    flip = Flip(record.target, record.location, at, at, State.UP, visible)
    record.place, record.until = Place.NOWHERE, None
    is_untold = record.told is None
    record.note_flip(flip, None, at, record.last_up_at, is_silent=record.is_suppressed, is_escalated_to=is_untold)

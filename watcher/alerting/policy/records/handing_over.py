"""Merges into a channel's records what another replica has sent to the channel. Pure."""

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
    """Merge the state of another replica, after all its events, so that nothing is sent twice.

    Args:
        book: of the channel.
        records: stored by the other replica, by key.
        over: location and target of what it has sent and what needs no further message.
        at: when it was handed over.
        state_at: returns the present state of a target by its location and name; None if other replicas know the same
            troubles, so that only sent ones matter.
        note_told: called with the key and the record, which waits nowhere, if the channel was notified of its news.
        settle: called with the key and a record that has news.
    """
    theirs = Book(book.channel, records, is_written=False)
    for group_name, group in theirs.groups.items():
        book.adopt_group(group_name, group)
    for key, record in theirs.records.items():
        known = book.records.get(key)
        if known is None:
            if state_at is None:
                # A place that decided alone while PostgreSQL was away: no other replica knows its incident.
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
    """Drop the news of brief troubles that another replica has sent."""
    for place in over:
        key = record_key(*place)
        known = book.records.get(key)
        if known is not None and known.is_brief:
            book.leave(key, known)
            note_told(key, known)


def _tells_the_same(known: Record, other: Record) -> bool:
    """Whether another replica has sent the channel the news of this record."""
    if other.has_news or known.is_about_flapping != other.is_about_flapping:
        return False
    if known.visible is None or other.visible is None or known.flip_id == other.told_flip_id:
        return known.visible is other.visible
    return known.is_same_outage(other.flip, other.key, other.last_up_at)


def _end(record: Record, visible: State, at: datetime) -> None:
    """End a trouble that is over by now: its end may have been reported before its start was known here."""
    flip = Flip(record.target, record.location, at, at, State.UP, visible)
    record.place, record.until = Place.NOWHERE, None
    is_untold = record.told is None
    record.note_flip(flip, None, at, record.last_up_at, is_silent=record.is_suppressed, is_escalated_to=is_untold)

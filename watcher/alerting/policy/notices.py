"""Decides on notices beside incidents: certificates that end soon, and gaps in this machine's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.alerting.policy.event import Certificate, Change
from watcher.alerting.policy.holding import silence_end
from watcher.alerting.policy.line import Line
from watcher.alerting.policy.records.agenda import LOOK, next_look
from watcher.alerting.policy.records.book import NETWORK, certificate_key
from watcher.alerting.policy.records.notice import Notice
from watcher.alerting.policy.records.record import Place
from watcher.alerting.policy.telling import message_of_gap
from watcher.model.alerts.channel import Topic
from watcher.model.alerts.notification import Kind
from watcher.model.places import COMBINED
from watcher.model.state import State

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.alerting.policy.event import AlertEvent
    from watcher.alerting.policy.records.book import Book
    from watcher.alerting.policy.view import View
    from watcher.model.alerts.notification import Notification


def take_notice(book: Book, event: AlertEvent, view: View) -> None:
    """Store the notice of an event; it replaces an older one of the same kind.

    Args:
        book: of a channel that is notified of the target.
        event: about a certificate or the network.
        view: the present state of the targets.
    """
    if event.change is Change.CONNECTIVITY and event.gap_start is not None:
        earlier = book.notices.get(NETWORK)
        start = event.gap_start if earlier is None or earlier.gap_start is None else earlier.gap_start
        book.drop(NETWORK)
        book.notices[NETWORK] = notice = Notice("", "", None, event.at, gap_start=start)
        book.wait_until(NETWORK, notice, Place.LATER, event.at)
    elif event.certificate is not None and event.target is not None and Topic.CERTIFICATE in book.channel.topics:
        target = view.targets.get(event.target)
        location = event.location or ""
        if not view.tells_certificate(location, event.target):
            return
        if target is not None and target.locations:
            location = COMBINED
        key = certificate_key(location, event.target)
        book.drop(key)
        certificate = event.certificate
        book.notices[key] = notice = Notice(
            event.target,
            location,
            None if target is None else target.group,
            event.at,
            certificate.step_days,
            certificate.expires_at,
        )
        book.join(key, notice, event.at)


def look_at_notice(
    book: Book, key: str, notice: Notice, now: datetime, view: View, quiet_until: datetime | None
) -> Notification | None:
    """Look again at a notice whose wait is over: let it wait for its group, or for longer.

    Args:
        book: of the channel.
        key, notice: the notice.
        now: the moment.
        view: the present state of the targets.
        quiet_until: the end of the channel's quiet hours; None outside them.

    Returns:
        the message about a gap in the network, which does not wait for a group.
    """
    if not may_tell_notice(book, key, notice, now, view):
        return None
    if notice.gap_start is None:
        book.join(key, notice, now, at_once=True)
        return None
    if quiet_until is not None:
        book.wait_until(key, notice, Place.LATER, quiet_until)
        return None
    book.drop(key)
    return message_of_gap(book.channel.name, notice.gap_start, notice.at, now)


def may_tell_notice(book: Book, key: str, notice: Notice, now: datetime, view: View) -> bool:
    """Return whether a notice, which waits nowhere, may be sent now; otherwise let it wait or drop it."""
    silent_until = silence_end(view.silences, notice.target, notice.group, now)
    if silent_until is not None:
        book.wait_until(key, notice, Place.SILENCE, silent_until)
    elif view.state_at(notice.location, notice.target) is State.MAINTENANCE:
        book.wait_until(key, notice, Place.LATER, next_look(now, LOOK))
    elif notice.gap_start is None and notice.target not in view.targets:
        book.drop(key)
    else:
        return True
    return False


def line_of_notice(notice: Notice, view: View) -> Line:
    """Return the line about a certificate."""
    assert notice.expires_at is not None
    state = view.state_at(notice.location, notice.target) or State.UNKNOWN
    certificate = Certificate(notice.step_days, notice.expires_at)
    return Line(
        Kind.CERTIFICATE,
        notice.target,
        notice.location,
        state,
        state,
        confirmed_at=notice.at,
        certificate=certificate,
    )

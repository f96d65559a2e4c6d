"""Decides what holds news back: silences, maintenance, parents, and a monitor that cannot check any target."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from watcher.alerting.policy.records.agenda import LOOK, next_look
from watcher.alerting.policy.records.record import Place
from watcher.model.alerts.channel import Topic
from watcher.model.places import COMBINED
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from watcher.alerting.policy.records.notice import Notice
    from watcher.alerting.policy.records.record import Record
    from watcher.alerting.policy.view import View
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.of_target import Dependency
    from watcher.model.alerts.silence import Silence
    from watcher.model.target import Target

# The longest that an alert waits for the next check of its target's parents.
PARENT_CHECK_WAIT = timedelta(seconds=30)
# A target has this many intervals to come up after its parents before it gets an alert of its own.
ROUNDS_AFTER_PARENTS = 2
# The end of a combined trouble waits this many intervals for the last places to come up.
ROUNDS_AFTER_PLACES = 2
_PARENT_CHECK_LOOK = timedelta(seconds=2)

_OUT_OF_ORDER = frozenset({State.DOWN, State.MAINTENANCE})
_TOPICS = {State.DOWN: Topic.DOWN, State.DEGRADED: Topic.DEGRADED, State.UNKNOWN: Topic.UNKNOWN}
_KNOWN = frozenset({State.UP, State.DEGRADED, State.DOWN})


class Hold(NamedTuple):
    """Where news waits, and until when.

    Attributes:
        place: see there.
        until: None if only an event or a look at the parents ends it.
        is_suppressed: whether a trouble that ends meanwhile is never sent.
    """

    place: Place
    until: datetime | None = None
    is_suppressed: bool = True


class Parents(enum.Enum):
    """The combined state of a target's parents."""

    IN_ORDER = enum.auto()
    UNCLEAR = enum.auto()
    OUT_OF_ORDER = enum.auto()


def hold_of(record: Record, now: datetime, view: View) -> Hold | None:
    """Return what holds the news of a record back; None if nothing does.

    Args:
        record: it has news.
        now: the moment.
        view: the present state of the targets.
    """
    silent_until = silence_end(view.silences, record.target, record.group, now)
    if silent_until is not None:
        return Hold(Place.SILENCE, silent_until)
    if record.is_end_of_told and not record.is_about_flapping:
        return _wait_for_places(record, now, view)
    if view.state_at(record.location, record.target) is State.MAINTENANCE:
        return Hold(Place.LATER, next_look(now, LOOK))
    if record.is_end_of_told:
        return None
    if record.visible is State.UNKNOWN and not can_tell_of_any(view):
        return Hold(Place.LATER, next_look(now, LOOK))
    target = view.targets.get(record.target)
    if target is None or not target.alerts.depends_on:
        return None
    match parents_of(target.alerts.depends_on, view, record.at):
        case Parents.OUT_OF_ORDER:
            return Hold(Place.PARENTS)
        case Parents.UNCLEAR if now < record.at + PARENT_CHECK_WAIT:
            until = min(next_look(now, _PARENT_CHECK_LOOK), record.at + PARENT_CHECK_WAIT)
            return Hold(Place.LATER, until, is_suppressed=False)
        case _:
            alone_at = told_alone_at(target, record.flip.at, now, view)
            return None if alone_at is None else Hold(Place.LATER, alone_at)


def _wait_for_places(record: Record, now: datetime, view: View) -> Hold | None:
    """Hold an end while fewer places than the quorum see the target down: places come up one by one."""
    target = view.targets.get(record.target)
    if target is None or record.location != COMBINED or record.flip.state is not State.DEGRADED:
        return None
    until = record.at + timedelta(seconds=ROUNDS_AFTER_PLACES * target.interval_seconds)
    return Hold(Place.LATER, until, is_suppressed=False) if now < until else None


def told_alone_at(target: Target, began_at: datetime, now: datetime, view: View) -> datetime | None:
    """Return until when a trouble is not sent because a parent has only just come back.

    Args:
        target: its parents are up again, or unclear.
        began_at: start of its trouble; if that is after the return of its parents, they did not cause it.
        now: the moment.
        view: the present state of the targets.

    Returns:
        when its two rounds to come up after its parents are over; None if they are, or if it needs none.
    """
    back_at = max(filter(None, (_back_at(one, view) for one in target.alerts.depends_on)), default=None)
    if back_at is None or not began_at <= back_at <= now:
        return None
    alone_at = back_at + timedelta(seconds=ROUNDS_AFTER_PARENTS * target.interval_seconds)
    return alone_at if now < alone_at else None


def silence_end(silences: Sequence[Silence], target: str, group: str | None, moment: datetime) -> datetime | None:
    """Return when the last silence that covers a target at a moment ends; None without one."""
    return max((one.end for one in silences if one.covers(target, group, moment)), default=None)


def is_told_of(channel: Channel, trouble: State) -> bool:
    """Return whether a channel is notified of a kind of trouble."""
    return _TOPICS[trouble] in channel.topics


def after_seconds(channel: Channel, target_name: str, view: View) -> float | None:
    """Return how many seconds a target's trouble must last before a channel is notified; None for never."""
    target = view.targets.get(target_name)
    after = None if target is None else _after_by(channel, target)
    return view.routes_elsewhere.get((channel.name, target_name)) if after is None else after


def routes_to(channels: Iterable[Channel], target: Target | None) -> dict[str, float]:
    """Return after how many seconds channels are notified of a target, by channel name; only those that are."""
    found = {} if target is None else {channel.name: _after_by(channel, target) for channel in channels}
    return {name: after for name, after in found.items() if after is not None}


def _after_by(channel: Channel, target: Target) -> float | None:
    routes = target.alerts.routes
    if routes is None:
        return 0.0 if channel.is_default else None
    return min((route.after_seconds for route in routes if route.channel == channel.name), default=None)


def last_look(channel: Channel, now: datetime, view: View, waiter: Record | Notice) -> datetime:
    """Return the last moment until which a record or a notice may have to wait, apart from quiet hours.

    Args:
        channel: the channel of the record.
        now: the moment.
        view: the present state of the targets.
        waiter: waits for a moment.
    """
    if waiter.place is Place.SILENCE:
        return silence_end(view.silences, waiter.target, waiter.group, now) or now
    target = view.targets.get(waiter.target)
    after_parents = 0.0 if target is None else ROUNDS_AFTER_PARENTS * target.interval_seconds
    longest = max(after_seconds(channel, waiter.target, view) or 0.0, after_parents)
    return max(now + LOOK, now + timedelta(seconds=longest))


def can_tell_of_any(view: View) -> bool:
    """Return whether this monitor can check any target."""
    return any(view.state_of(name) in _KNOWN for name in view.targets)


def parents_of(depends_on: Sequence[Dependency], view: View, since: datetime | None = None) -> Parents:
    """Return the combined state of parents: down or in maintenance if one of them is.

    Args:
        depends_on: targets, and groups; a group is down when all of its targets are.
        view: the present state of the targets.
        since: only targets checked after this moment are clear; None for all.
    """
    found = Parents.IN_ORDER
    for dependency in depends_on:
        match _state_of(dependency, view, since):
            case Parents.OUT_OF_ORDER:
                return Parents.OUT_OF_ORDER
            case Parents.UNCLEAR:
                found = Parents.UNCLEAR
            case Parents.IN_ORDER:
                pass
    return found


def _state_of(dependency: Dependency, view: View, since: datetime | None) -> Parents:
    found: Parents | None = None
    for name in (dependency.target,) if dependency.target is not None else view.members.get(dependency.group or "", ()):
        state = view.state_of(name)
        if state is None or state is State.PAUSED:
            continue
        if state in _OUT_OF_ORDER:
            found = found or Parents.OUT_OF_ORDER
        elif _is_unclear(name, state, view, since):
            found = Parents.UNCLEAR
        else:
            return Parents.IN_ORDER
    return found or Parents.IN_ORDER


def _back_at(dependency: Dependency, view: View) -> datetime | None:
    """Return when a parent came back; for a group, when the first of its targets that are up did."""
    if dependency.target is not None:
        return view.back_at(dependency.target)
    members = view.members.get(dependency.group or "", ())
    there = [view.back_at(name) for name in members if view.state_of(name) in {State.UP, State.DEGRADED}]
    return None if None in there else min(filter(None, there), default=None)


def _is_unclear(name: str, state: State, view: View, since: datetime | None) -> bool:
    if since is None:
        return False
    checked_at = view.checked_at(name)
    return checked_at is None or checked_at <= since or state not in _KNOWN or view.is_in_doubt(name)

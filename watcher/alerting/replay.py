"""Replays past flips through the present policy and yields the messages that it would have sent. Pure."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from watcher.alerting.policy.channel_policy import ChannelPolicy
from watcher.alerting.policy.event import AlertEvent, Change
from watcher.alerting.policy.holding import PARENT_CHECK_WAIT
from watcher.alerting.policy.incidents import follow
from watcher.alerting.policy.maintenance import MaintenancePlan
from watcher.alerting.policy.view import View
from watcher.alerting.policy.windows import is_open, next_change
from watcher.model.alerts.channel import AlertmanagerReceiver
from watcher.model.alerts.silence import Ack, Silence
from watcher.model.returns import Returns
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, tzinfo

    from watcher.alerting.policy.event import Incident
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Kind, Notification
    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.alerts.windows import Window
    from watcher.model.state import Flip
    from watcher.model.target import Target

# Replayed before the period shown, so that reminders, groups and silences are in place at its start.
WARM_UP = timedelta(days=3)
NIGHT_START, NIGHT_END = time(22), time(7)

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class Tally:
    """The messages that a channel would have been sent.

    Attributes:
        zone: decides what is a day and a night; None for the zone of this machine.
        kinds: the number of messages of each kind.
        days: the number of messages on each day.
        at_night: the number of messages between 22:00 and 07:00.
    """

    zone: tzinfo | None = None
    kinds: Counter[Kind] = field(default_factory=Counter)
    days: Counter[date] = field(default_factory=Counter)
    at_night: int = 0

    def count(self, message: Notification) -> None:
        """Count a message."""
        moment = message.created_at.astimezone(self.zone)
        self.kinds[message.kind] += 1
        self.days[moment.date()] += 1
        self.at_night += not NIGHT_END <= moment.time() < NIGHT_START

    @property
    def worst_day(self) -> tuple[date, int] | None:
        """The first of the days with the most messages, and their number; None without messages."""
        return max(self.days.items(), key=lambda item: (item[1], -item[0].toordinal()), default=None)


def told_by_messages(channels: Sequence[Channel]) -> list[Channel]:
    """Return the channels that get messages; an Alertmanager gets states and decides by itself."""
    return [channel for channel in channels if not isinstance(channel.receiver, AlertmanagerReceiver)]


class Replay:
    """Replays what happened at one location, in virtual time.

    Attributes:
        tallies: the messages that each channel would have been sent, by channel name.
        left_out: the number of flips of each target that is no longer configured.
    """

    def __init__(
        self,
        options: AlertingOptions,
        targets: Mapping[str, Target],
        orders: Sequence[Silence | Ack],
        since: datetime,
        zones: Mapping[str, tzinfo] | None = None,
    ) -> None:
        """Start `WARM_UP` before the period shown.

        Args:
            options: the channels and windows of the present configuration.
            targets: its targets, by name.
            orders: silences and acks of that time.
            since: start of the period shown; with a time zone.
            zones: decide what is a day and a night, by channel; by default the zone of this machine.
        """
        channels = told_by_messages(options.channels)
        self.tallies = {channel.name: Tally((zones or {}).get(channel.name)) for channel in channels}
        self.left_out = Counter[str]()
        self._policies = [ChannelPolicy(channel, {}, is_written=False) for channel in channels]
        self._since = since
        self._now = since - WARM_UP
        self._states: dict[str, State] = {}
        self._incidents: dict[str, Incident] = {}
        # Flips within the longest wait for a parent: until then, the parent's checks contradict its state.
        self._ahead: deque[Flip] = deque()
        self._coming: dict[str, Flip] = {}
        self._orders = _Orders(orders)
        self._windows = _OpenWindows(targets, options)
        self._returns = Returns()
        back_at = self._returns.of
        self._view = View(targets, self._state_of, lambda _: self._now, is_in_doubt=self._is_in_doubt, back_at=back_at)
        self._move_to(self._now)

    def take(self, flip: Flip) -> Iterator[Notification]:
        """Replay the next flip, and yield the messages that would have been sent before it.

        Args:
            flip: in the order of `confirmed_at`; before the start, only the last ones of each target.
        """
        if flip.target not in self._view.targets:
            if flip.confirmed_at >= self._since:
                self.left_out[flip.target] += 1
            return
        self._ahead.append(flip)
        self._coming[flip.target] = flip
        while self._ahead[0].confirmed_at + PARENT_CHECK_WAIT <= flip.confirmed_at:
            yield from self._play(self._ahead.popleft())

    def finish(self, until: datetime) -> Iterator[Notification]:
        """Yield the messages that would have been sent before a moment, after the last flip before it."""
        while self._ahead:
            yield from self._play(self._ahead.popleft())
        yield from self._wait_until(until)

    def _play(self, flip: Flip) -> Iterator[Notification]:
        if flip.confirmed_at > self._now:
            yield from self._wait_until(flip.confirmed_at)
            self._move_to(flip.confirmed_at)
        if self._coming.get(flip.target) is flip:
            del self._coming[flip.target]
        self._states[flip.target] = flip.state
        self._returns.take(flip.target, flip.state, flip.confirmed_at)
        before = self._incidents.pop(flip.target, None)
        after, change = follow(before, flip)
        if after is not None:
            self._incidents[flip.target] = after
        if change is None:
            return
        incident = before if change is Change.CLOSED else after
        event = AlertEvent(0, change, flip.confirmed_at, incident, flip, flip.target, flip.location)
        for policy in self._policies:
            policy.take(event, self._view)

    def _wait_until(self, moment: datetime) -> Iterator[Notification]:
        """Let channels decide each time that they are due before a moment."""
        while (due := min([policy.due_at or _NEVER for policy in self._policies], default=_NEVER)) < moment:
            self._move_to(max(due, self._now))
            for policy in self._policies:
                if (policy.due_at or _NEVER) <= self._now:
                    yield from self._shown(policy.decide(self._now, self._view).messages)

    def _shown(self, messages: Sequence[Notification]) -> Iterator[Notification]:
        for message in messages:
            if message.created_at >= self._since:
                self.tallies[message.channel].count(message)
                yield message

    def _move_to(self, now: datetime) -> None:
        self._now = now
        if self._orders.move_to(now):
            self._view = replace(self._view, silences=self._orders.silences, acks=tuple(self._orders.acks.values()))

    def _state_of(self, name: str) -> State | None:
        state = self._states.get(name)
        if state is not None and state is not State.PAUSED and self._windows.cover(name, self._now):
            return State.MAINTENANCE
        return state

    def _is_in_doubt(self, name: str) -> bool:
        coming = self._coming.get(name)
        return coming is not None and coming.at <= self._now


class _Orders:
    """Silences and acks as they were known at a moment.

    Attributes:
        silences: those in force.
        acks: the newest of each target.
    """

    def __init__(self, orders: Sequence[Silence | Ack]) -> None:
        self.silences: tuple[Silence, ...] = ()
        self.acks: dict[str, Ack] = {}
        self._silences = [one for one in orders if isinstance(one, Silence)]
        self._silences.sort(key=lambda one: one.start, reverse=True)
        self._acks = [one for one in orders if isinstance(one, Ack)]
        self._acks.sort(key=lambda one: one.at, reverse=True)

    def move_to(self, now: datetime) -> bool:
        """Go on to a moment, and return whether anything has changed."""
        holding, is_other = list(self.silences), False
        while self._silences and self._silences[-1].start <= now:
            holding.append(self._silences.pop())
        while self._acks and self._acks[-1].at <= now:
            ack = self._acks.pop()
            self.acks[ack.target], is_other = ack, True
        silences = tuple(one for one in holding if one.end > now)
        is_other |= silences != self.silences
        self.silences = silences
        return is_other


class _OpenWindows:
    """The targets in maintenance by the present configuration; moments must not decrease."""

    def __init__(self, targets: Mapping[str, Target], options: AlertingOptions) -> None:
        self._plan = MaintenancePlan(options.maintenance)
        for target in targets.values():
            self._plan.add(target)
        self._known: dict[Window, tuple[bool, datetime]] = {}

    def cover(self, name: str, now: datetime) -> bool:
        """Return whether a window is open for a target."""
        target = self._plan.targets.get(name)
        if target is None:
            return False
        # Whether it is open comes first: mostly no window is.
        return any(self._is_open(one.window, now) for one in target.alerts.maintenance) or any(
            self._is_open(one.window, now) and self._plan.covers(one, target) for one in self._plan.for_all
        )

    def _is_open(self, window: Window, now: datetime) -> bool:
        known = self._known.get(window)
        if known is None or known[1] <= now:
            known = self._known[window] = (is_open(window, now), next_change(window, now) or _NEVER)
        return known[0]

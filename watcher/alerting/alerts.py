"""Runs a dispatcher and a sender for each channel, so that no channel waits for another. Trio."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog
import trio

from watcher.alerting.dispatcher import Dispatcher
from watcher.alerting.messages import set_channels
from watcher.alerting.poster import Poster
from watcher.alerting.sender import Sender
from watcher.alerting.turns import ByTurns
from watcher.model.alerts.channel import AlertmanagerReceiver
from watcher.model.clock_trust import wall_seconds
from watcher.outbox.errors import OutboxUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from watcher.alerting.dispatcher import Source
    from watcher.alerting.policy.view import View
    from watcher.alerting.sharing import AlertSharing
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Delivery, Notification
    from watcher.outbox.thread import OutboxThread

log = structlog.get_logger()

# At the stop, deliveries under way get this long to be answered and noted; the rest waits for the next start.
LAST_ANSWERS_SECONDS = 0.3
# The longest that a stuck disk may delay a start or a reload.
SETTLE_SECONDS = 3.0
# The results of a try. Each has a series from the first scrape on: else its first increase would not be seen.
RESULTS = ("sent", "failed", "given_up")
# How long a channel rests after an internal error.
MISHAP_SECONDS = 10.0


class Deliverer(Protocol):
    """Delivers messages; see `watcher.alerting.channels.deliver`. It never raises for what a receiver does."""

    async def deliver(self, notification: Notification, channel: Channel) -> Delivery:
        """Try once to deliver a message."""

    async def post_alerts(self, alerts: Sequence[dict[str, Any]], channel: Channel) -> Delivery:
        """Post alerts to an Alertmanager once."""


@dataclass(frozen=True, eq=False)
class _AtWork:
    """The tasks of one channel.

    Attributes:
        deciding: a dispatcher, or the poster of an Alertmanager.
        sender: None for an Alertmanager.
        scope: cancels the tasks.
        ended: set when the tasks have ended.
    """

    deciding: Dispatcher | ByTurns | Poster
    sender: Sender | None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)

    async def run(self, closing: trio.Event) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_guarded, self.deciding.run)
                if self.sender is not None:
                    nursery.start_soon(self._send, self.sender, nursery.cancel_scope)
                await closing.wait()
                if self.sender is None:
                    nursery.cancel_scope.cancel()
                else:
                    self.sender.close()
        self.ended.set()

    @staticmethod
    async def _send(sender: Sender, work: trio.CancelScope) -> None:
        await _guarded(sender.run)
        work.cancel()


async def _guarded(work: Callable[[], Awaitable[None]]) -> None:
    """Run the work of a channel, and again after any exception: this boundary keeps the checks running."""
    while True:
        try:
            await work()
        except Exception as error:
            log.error("alerting failed inside watcher, trying again", exc_info=error)
            await trio.sleep(MISHAP_SECONDS)
        else:
            return


class Alerts:
    """Decides which channel is notified of what, and sends the notifications.

    Attributes:
        results: the number of tries since the start by channel and result (`sent`, `failed`, `given_up`).
    """

    def __init__(
        self,
        disk: OutboxThread,
        view: Callable[[], View],
        written: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = wall_seconds,
        sharing: AlertSharing | None = None,
        is_here: Callable[[str], bool] = lambda _target: True,
    ) -> None:
        """Create one without channels.

        Args:
            disk: the outbox.
            view: returns the present state of the targets.
            written: called when the outbox has something new for PostgreSQL.
            clock: seconds since 1970.
            sharing: decides which replica dispatches which channel; None without other replicas.
            is_here: returns whether this replica watches a configured target.
        """
        self.results: Counter[tuple[str, str]] = Counter()
        self._disk = disk
        self._view = view
        self._written = written
        self._clock = clock
        self._sharing = sharing
        self._is_here = is_here
        self._configured: dict[str, Channel] = {}
        self._at_work: dict[str, _AtWork] = {}
        self._work: tuple[trio.Nursery, Deliverer] | None = None
        self._closing = trio.Event()
        self._seen_events = 0

    @property
    def pending(self) -> int:
        """The number of messages that wait to be sent."""
        return sum(one.sender.pending for one in self._at_work.values() if one.sender is not None)

    @property
    def dispatches_for_others(self) -> bool:
        """Whether this replica also dispatches what other replicas find."""
        return self._sharing is not None and self._sharing.is_needed()

    async def note_channels(self, channels: Sequence[Channel]) -> None:
        """Store the names of the channels, before the first event that they are to be notified of."""
        names = frozenset(channel.name for channel in channels)
        try:
            with trio.fail_after(SETTLE_SECONDS):
                if self._sharing is not None:
                    await self._sharing.begin()
                given_up = await self._disk.run(partial(set_channels, names=names, now=self._clock()))
        except (OutboxUnavailableError, trio.TooSlowError) as error:
            log.error("channels not written to the outbox, the next start tries again", error=error)
            return
        if given_up:
            total = given_up.total()
            log.error("notifications given up, their channels are not configured", given_up=total)
            self._count_given_up(given_up)
            self._written()

    async def run(self, channels: Sequence[Channel], deliverer: Deliverer) -> None:
        """Run the channels, and those added later, until closed or cancelled."""
        async with trio.open_nursery() as nursery:
            self._work = nursery, deliverer
            for channel in channels:
                self._start_channel(channel, nursery, deliverer)
            if self._sharing is not None:
                nursery.start_soon(_guarded, self._sharing.run)
            await self._closing.wait()
            nursery.cancel_scope.deadline = trio.current_time() + LAST_ANSWERS_SECONDS
        if self._sharing is not None:
            with suppress(OutboxUnavailableError):  # other replicas claim the channels when this one is gone
                await self._sharing.close()

    def close(self) -> None:
        """Let `run` end: deliveries under way may be answered for a moment; the rest waits for the next start."""
        self._closing.set()

    def look(self) -> None:
        """Wake the dispatchers if there are new alert events; call it when flips are on disk. Takes no time."""
        if self._seen_events != self._disk.outbox.alert_events:
            self._seen_events = self._disk.outbox.alert_events
            self.decide_anew()
            if self._sharing is not None:
                self._sharing.wake()

    def decide_anew(self) -> None:
        """Make all channels decide again, for example after a change of silences."""
        for one in self._at_work.values():
            one.deciding.wake()

    async def change(self, channels: Sequence[Channel]) -> None:
        """Apply a new set of channels: a changed one keeps its waiting messages, a removed one's are given up."""
        if self._work is None:
            await self.note_channels(channels)  # `run` starts them
            return
        names = {channel.name for channel in channels}
        # A channel that changes between messages and states (Alertmanager) is a new channel.
        others = [
            name
            for name, known in self._configured.items()
            if name not in names or _takes_states(known) is not _takes_states(_named(name, channels))
        ]
        ended = [self._at_work.pop(name) for name in others]
        for one in ended:
            one.scope.cancel()
        for one in ended:
            await one.ended.wait()
        for name in others:
            del self._configured[name]
            if self._sharing is not None:
                with suppress(OutboxUnavailableError):
                    await self._sharing.remove(name)
        await self.note_channels(channels)
        for channel in channels:
            if channel.name not in self._configured:
                self._start_channel(channel, *self._work)
            elif channel != self._configured[channel.name]:
                self._configured[channel.name] = channel
                self._at_work[channel.name].deciding.reconfigure(channel)
                if (sender := self._at_work[channel.name].sender) is not None:
                    sender.channel = channel
        self.decide_anew()

    def other_than(self, channel: str) -> str | None:
        """Return the name of another channel, to notify that this one fails; None without another."""
        others = [
            (one.sender.is_failing, not self._configured[name].is_default, name)
            for name, one in self._at_work.items()
            if name != channel and one.sender is not None
        ]
        return min(others)[-1] if others else None

    def tell_result(self, channel: str, result: str) -> None:
        """Count the result of a try: `sent`, `failed` or `given_up`."""
        self.results[channel, result] += 1
        self._written()
        if result == "given_up":
            for one in self._at_work.values():  # another channel is notified of it
                if one.sender is not None:
                    one.sender.wake()

    def _start_channel(self, channel: Channel, nursery: trio.Nursery, deliverer: Deliverer) -> None:
        deciding: Dispatcher | ByTurns | Poster
        sender: Sender | None = None
        if _takes_states(channel):
            post = deliverer.post_alerts
            tell, is_here = self.tell_result, self._is_here
            deciding = Poster(channel, self._disk, post, self._view, tell, clock=self._clock, is_here=is_here)
        else:
            sharing, deliver, name = self._sharing, deliverer.deliver, channel.name
            may_send = (lambda: True) if sharing is None else partial(sharing.may_send, name)
            sender = Sender(channel, self._disk, deliver, self, clock=self._clock, may_send=may_send)
            decide = partial(self._dispatcher, sender)
            deciding = decide(channel) if sharing is None else ByTurns(channel, decide)
            if sharing is not None and isinstance(deciding, ByTurns):
                sharing.add(name, deciding, sender)
        for result in RESULTS:
            self.results.setdefault((channel.name, result), 0)
        at_work = _AtWork(deciding, sender)
        self._configured[channel.name], self._at_work[channel.name] = channel, at_work
        nursery.start_soon(at_work.run, self._closing, name=f"channel {channel.name}")

    def _dispatcher(self, sender: Sender, channel: Channel, source: Source | None = None) -> Dispatcher:
        hand_on = partial(self._hand_on, sender)
        return Dispatcher(channel, self._disk, self._view, hand_on, self._count_given_up, self._clock, source)

    def _count_given_up(self, counts: Mapping[str, int]) -> None:
        self.results.update({(channel, "given_up"): count for channel, count in counts.items()})

    def _hand_on(self, sender: Sender) -> None:
        sender.wake()
        self._written()


def _takes_states(channel: Channel | None) -> bool:
    return channel is not None and isinstance(channel.receiver, AlertmanagerReceiver)


def _named(name: str, channels: Sequence[Channel]) -> Channel | None:
    return next((channel for channel in channels if channel.name == name), None)

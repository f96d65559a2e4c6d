"""Dispatches a channel: reads events, lets the policy decide, and writes the messages to the outbox. Trio."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

import structlog
import trio

from watcher.alerting.messages import kept_of, write_decision
from watcher.alerting.policy.channel_policy import ChannelPolicy
from watcher.alerting.policy.event import AlertEvent
from watcher.checking.scheduling.small_turns import in_small_turns
from watcher.model.clock_trust import next_beat, wall_seconds
from watcher.outbox.alerts import events_for, some_incidents
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.thread import lack_of_a_thread_mapped

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping, Sequence

    from watcher.alerting.messages import Kept
    from watcher.alerting.policy.event import Handover, Incident
    from watcher.alerting.policy.view import Decision, View
    from watcher.model.alerts.channel import Channel
    from watcher.model.target import Target
    from watcher.outbox.outbox import Outbox
    from watcher.outbox.thread import OutboxThread

    Lacks = Callable[[str, str], bool]

Result = TypeVar("Result")

log = structlog.get_logger()

# Events read and decided on at once.
MAX_EVENTS_AT_ONCE = 500
OUTBOX_RETRY_SECONDS = 1.0
# Events of this time are decided on together: in an outage, targets flip many times a second.
GATHER_SECONDS = 0.25
# The longest time between two looks at the clock, which may leap.
MAX_NAP_SECONDS = 30.0


class Source(Protocol):
    """Supplies a dispatcher with events and stores its decisions."""

    async def kept(self) -> Kept:
        """Return the stored position and records of the channel."""

    async def read(
        self, limit: int, lacks: Lacks | None
    ) -> tuple[Sequence[AlertEvent | Handover], Sequence[Incident] | None]:
        """Return the oldest events that the channel has not read, and the open incidents that it lacks.

        Args:
            limit: the largest number of events.
            lacks: returns whether the channel lacks the open incident of a location and a target; None if it lacks
                none.

        Returns:
            the events and the incidents; None instead of the incidents while they cannot be known.
        """

    async def write(self, decision: Decision, now: float) -> Counter[str]:
        """Write a decision together with the new position; return the number of messages given up, by channel.

        Raises:
            OutboxUnavailableError: it cannot be written now; try again.
        """


class OwnEvents:
    """The events of this outbox alone."""

    def __init__(self, disk: OutboxThread, channel: str, *, tells_open: bool = True) -> None:
        """Use an outbox.

        Args:
            disk: the outbox.
            channel: the name of the channel.
            tells_open: whether no other replica can have notified the channel of open incidents.
        """
        self._disk = disk
        self._channel = channel
        self._tells_open = tells_open
        self._position = 0

    async def kept(self) -> Kept:
        """Return the stored position and records of the channel."""
        kept = await self._disk.run(partial(kept_of, channel=self._channel))
        self._position = kept.position
        return kept

    async def read(self, limit: int, lacks: Lacks | None) -> tuple[Sequence[AlertEvent], Sequence[Incident]]:
        """Return at most `limit` of the oldest unread events, and the open incidents that the channel lacks."""
        events, opened = await self._disk.run(partial(self._read, limit=limit, lacks=lacks))
        self._position = max(self._position, events[-1].number if events else 0)
        return events, opened

    def _read(self, outbox: Outbox, limit: int, lacks: Lacks | None) -> tuple[Sequence[AlertEvent], Sequence[Incident]]:
        events = events_for(outbox, self._channel, limit)
        if lacks is None or not self._tells_open or len(events) == limit:
            return events, ()
        # In the same turn of the outbox: an incident whose event is still unread is left to that event.
        return events, some_incidents(outbox, lacks)

    async def write(self, decision: Decision, now: float) -> Counter[str]:
        """Write a decision as a whole; return the number of messages given up, by channel."""
        write = partial(write_decision, channel=self._channel, position=self._position, messages=decision.messages)
        return await self._disk.run(partial(write, records=decision.changed, now=now))


class Dispatcher:
    """Decides for a channel and writes each decision as a whole."""

    def __init__(
        self,
        channel: Channel,
        disk: OutboxThread,
        view: Callable[[], View],
        written: Callable[[], None],
        count_given_up: Callable[[Mapping[str, int]], None],
        clock: Callable[[], float] = wall_seconds,
        source: Source | None = None,
    ) -> None:
        """Create a dispatcher.

        Args:
            channel: the channel to decide for.
            disk: the outbox.
            view: returns the present state of the targets.
            written: called when messages were written.
            count_given_up: called with the number of messages, by channel, that this write gave up as too many wait.
            clock: seconds since 1970.
            source: supplies the events; by default the outbox alone.
        """
        self._channel = channel
        self._source = source or OwnEvents(disk, channel.name)
        self._view = view
        self._written = written
        self._count_given_up = count_given_up
        self._clock = clock
        self._policy: ChannelPolicy | None = None
        self._other: Channel | None = None
        self._heard: Mapping[str, Target] | None = None  # whose open incidents were looked for
        self._decided_at = datetime.fromtimestamp(0, UTC)
        self._wake = trio.Event()

    def wake(self) -> None:
        """Decide again: there is an event, or the view has changed."""
        self._wake.set()

    def look_anew(self) -> None:
        """Look once more for open incidents that the channel lacks."""
        self._heard = None
        self._wake.set()

    def reconfigure(self, channel: Channel) -> None:
        """Continue with another configuration of the channel; its records stay."""
        self._other = channel
        self._wake.set()

    async def run(self) -> NoReturn:
        """Decide until cancelled."""
        while True:
            self._wake = trio.Event()
            try:
                due_at = await self._decide_all()
            except OutboxUnavailableError:  # the outbox writer logs it
                await trio.sleep(OUTBOX_RETRY_SECONDS)
                continue
            moment = trio.current_time()
            wake_at = next_beat(moment, MAX_NAP_SECONDS)
            if due_at is not None:
                wake_at = min(wake_at, moment + max(due_at.timestamp() - self._clock(), 0.0))
            with trio.move_on_at(wake_at):
                await self._wake.wait()
                await trio.sleep(GATHER_SECONDS)

    async def _decide_all(self) -> datetime | None:
        """Decide on all events; return when the next decision is due without further events."""
        policy = self._policy or await self._take_up()
        while (other := self._other) is not None:
            policy = await self._reconfigure(policy, other)
        while True:
            view = self._view()
            lacks = None if view.targets is self._heard else partial(_lacks, policy, view)
            events, opened = await self._source.read(MAX_EVENTS_AT_ONCE, lacks)
            if len(events) < MAX_EVENTS_AT_ONCE and opened is not None:
                self._heard = view.targets
            view = self._view()
            is_all = len(events) < MAX_EVENTS_AT_ONCE
            now = datetime.fromtimestamp(self._clock(), UTC)
            # While events are left, the moment is that of the last one read: events of one moment are one message.
            self._decided_at = now if is_all else max(min(events[-1].at, now), self._decided_at)
            try:
                decision = await self._decide(policy, events, opened or (), view)
            except BaseException:
                self._policy = None  # it is ahead of what is stored, so load it again
                raise
            await self._write(events, decision)
            if is_all:
                return policy.due_at

    async def _decide(
        self,
        policy: ChannelPolicy,
        events: Sequence[AlertEvent | Handover],
        opened: Sequence[Incident],
        view: View,
    ) -> Decision:
        """Let the policy take in what was read, and decide."""
        moment = self._decided_at

        def decide() -> Decision:
            for event in events:
                if isinstance(event, AlertEvent):
                    policy.take(event, view)
                else:
                    policy.absorb(event, view)
            if opened:
                policy.take_open(opened, moment)
            return policy.decide(moment, view)

        return await _in_thread(decide)

    async def _reconfigure(self, policy: ChannelPolicy, other: Channel) -> ChannelPolicy:
        """Let a policy continue with another configuration of the channel, unless it has changed again by then."""
        try:
            policy = await _in_thread(partial(policy.reconfigured, other))
        except BaseException:
            self._policy = None  # an abandoned thread may still use it
            raise
        self._policy, self._channel, self._heard = policy, other, None
        if self._other is other:
            self._other = None
        return policy

    async def _take_up(self) -> ChannelPolicy:
        kept = await self._source.kept()
        self._policy, self._heard = await _in_thread(partial(ChannelPolicy, self._channel, kept.records)), None
        for key, error in self._policy.unreadable.items():
            log.error("unreadable record dropped", channel=self._channel.name, key=key, error=error)
        return self._policy

    async def _write(self, events: Sequence[AlertEvent | Handover], decision: Decision) -> None:
        """Write a decision, however long the disk fails: the policy does not make it twice."""
        if not (events or decision.messages or decision.changed):
            return
        while True:
            try:
                given_up = await self._source.write(decision, self._clock())
            except OutboxUnavailableError:
                await trio.sleep(OUTBOX_RETRY_SECONDS)
                continue
            if given_up:
                log.error("too many notifications wait, oldest given up", given_up=given_up.total())
                self._count_given_up(given_up)
            if decision.messages:
                self._written()
            return


def _lacks(policy: ChannelPolicy, view: View, location: str, target: str) -> bool:
    return policy.lacks(location, target, view)


async def _in_thread(work: Callable[[], Result]) -> Result:
    """Run work of a channel outside the loop: each of thousands of targets takes 0.1 ms.

    Raises:
        OutboxUnavailableError: the system cannot start a thread; nothing was done.
    """
    with lack_of_a_thread_mapped("no thread to decide in"), in_small_turns():
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)

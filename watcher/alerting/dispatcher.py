"""The dispatcher of a channel: reads what has happened, asks the policy, and writes down what is to be sent. Trio."""

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

# So many are read and decided on at once.
MAX_EVENTS_AT_ONCE = 500
OUTBOX_RETRY_SECONDS = 1.0
# What comes meanwhile is decided on together: in an outage, something flips many times a second.
GATHER_SECONDS = 0.25
# How long at most nobody looks at the clock: it may have leapt.
MAX_NAP_SECONDS = 30.0


class Source(Protocol):
    """Where a dispatcher has from what it decides on, and where what it comes to goes."""

    async def kept(self) -> Kept:
        """Return what is known of the channel."""

    async def read(
        self, limit: int, lacks: Lacks | None
    ) -> tuple[Sequence[AlertEvent | Handover], Sequence[Incident] | None]:
        """Return the oldest events that have not been taken in, and the open incidents that the channel lacks.

        Args:
            limit: the most events.
            lacks: says of a location and a target whether the channel lacks what is open there; None where it lacks
                nothing.

        Returns:
            both; None in place of the incidents where they cannot be known yet.
        """

    async def write(self, decision: Decision, now: float) -> Counter[str]:
        """Write a decision as a whole, with all taken in that was returned; return how many were given up, by channel.

        Raises:
            OutboxUnavailableError: it cannot be written now; it may be tried again.
        """


class OwnEvents:
    """The events of this outbox alone."""

    def __init__(self, disk: OutboxThread, channel: str, *, tells_open: bool = True) -> None:
        """Take the outbox.

        Args:
            disk: the outbox.
            channel: the name of the channel.
            tells_open: whether nobody else may have told the channel of what is open.
        """
        self._disk = disk
        self._channel = channel
        self._tells_open = tells_open
        self._position = 0

    async def kept(self) -> Kept:
        """Return what is known of the channel."""
        kept = await self._disk.run(partial(kept_of, channel=self._channel))
        self._position = kept.position
        return kept

    async def read(self, limit: int, lacks: Lacks | None) -> tuple[Sequence[AlertEvent], Sequence[Incident]]:
        """Return the oldest events that are not taken in, at most `limit`, and what is open and the channel lacks."""
        events, opened = await self._disk.run(partial(self._read, limit=limit, lacks=lacks))
        self._position = max(self._position, events[-1].number if events else 0)
        return events, opened

    def _read(self, outbox: Outbox, limit: int, lacks: Lacks | None) -> tuple[Sequence[AlertEvent], Sequence[Incident]]:
        events = events_for(outbox, self._channel, limit)
        if lacks is None or not self._tells_open or len(events) == limit:
            return events, ()
        # Of the same moment: what is open by an event that is not taken in yet is told by that.
        return events, some_incidents(outbox, lacks)

    async def write(self, decision: Decision, now: float) -> Counter[str]:
        """Write a decision as a whole, and return how many messages were given up, by channel."""
        write = partial(write_decision, channel=self._channel, position=self._position, messages=decision.messages)
        return await self._disk.run(partial(write, records=decision.changed, now=now))


class Dispatcher:
    """Decides for a channel, and writes each decision down as a whole."""

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
        """Make a dispatcher.

        Args:
            channel: for which it decides.
            disk: the outbox.
            view: returns the present.
            written: called when messages were written down.
            count_given_up: called with how many were given up then, since too many wait, by channel.
            clock: seconds since 1970.
            source: of what it decides on; the outbox alone where there is none.
        """
        self._channel = channel
        self._source = source or OwnEvents(disk, channel.name)
        self._view = view
        self._written = written
        self._count_given_up = count_given_up
        self._clock = clock
        self._policy: ChannelPolicy | None = None
        self._other: Channel | None = None
        self._heard: Mapping[str, Target] | None = None  # for which it was looked at what is open
        self._decided_at = datetime.fromtimestamp(0, UTC)
        self._wake = trio.Event()

    def wake(self) -> None:
        """Say that something has happened, or that the present is another."""
        self._wake.set()

    def look_anew(self) -> None:
        """Look once more for open incidents that the channel lacks."""
        self._heard = None
        self._wake.set()

    def reconfigure(self, channel: Channel) -> None:
        """Go on with another configuration of the channel; what it keeps stays."""
        self._other = channel
        self._wake.set()

    async def run(self) -> NoReturn:
        """Decide until cancelled."""
        while True:
            self._wake = trio.Event()
            try:
                due_at = await self._decide_all()
            except OutboxUnavailableError:  # the outbox writer tells of it
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
        """Take in all that has happened, and return when something is due without more."""
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
            # While events are left to read, the moment is that of the last one: what comes together is told together.
            self._decided_at = now if is_all else max(min(events[-1].at, now), self._decided_at)
            try:
                decision = await self._decide(policy, events, opened or (), view)
            except BaseException:
                self._policy = None  # it has taken in what is not written down, and is to be taken up anew
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
        """Take in what was read, and decide."""
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
        """Have a policy go on with another configuration of the channel, unless it is another one again by then."""
        try:
            policy = await _in_thread(partial(policy.reconfigured, other))
        except BaseException:
            self._policy = None  # a thread that was left behind may still work on it
            raise
        self._policy, self._channel, self._heard = policy, other, None
        if self._other is other:
            self._other = None
        return policy

    async def _take_up(self) -> ChannelPolicy:
        kept = await self._source.kept()
        self._policy, self._heard = await _in_thread(partial(ChannelPolicy, self._channel, kept.records)), None
        for key, error in self._policy.unreadable.items():
            log.error("a record that cannot be read was dropped", channel=self._channel.name, key=key, error=error)
        return self._policy

    async def _write(self, events: Sequence[AlertEvent | Handover], decision: Decision) -> None:
        """Write a decision, however long the disk cannot be written: the policy has made it, and would not again."""
        if not (events or decision.messages or decision.changed):
            return
        while True:
            try:
                given_up = await self._source.write(decision, self._clock())
            except OutboxUnavailableError:
                await trio.sleep(OUTBOX_RETRY_SECONDS)
                continue
            if given_up:
                log.error("too many notifications wait: the oldest were given up", given_up=given_up.total())
                self._count_given_up(given_up)
            if decision.messages:
                self._written()
            return


def _lacks(policy: ChannelPolicy, view: View, location: str, target: str) -> bool:
    return policy.lacks(location, target, view)


async def _in_thread(work: Callable[[], Result]) -> Result:
    """Work for a channel beside the loop: each of thousands of targets takes a tenth of a millisecond.

    Raises:
        OutboxUnavailableError: the system has no thread to give; nothing was done.
    """
    with lack_of_a_thread_mapped("no thread to decide in"), in_small_turns():
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)

"""Dispatches channels by turns, as the replicas agree, and alone while cut off from PostgreSQL. Trio.

A replica that is alone notifies its channels of its own events. Where several replicas share channels, events and the
records of a channel are stored in the tables, and the replica that dispatches the channel reads them from there.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import structlog
import trio

from watcher.alerting.dispatcher import OwnEvents
from watcher.alerting.scope import Move, Scope
from watcher.alerting.table_events import FORCE_SECONDS, TableEvents
from watcher.alerting.untold import UntoldLooks
from watcher.model.clock_trust import wall_seconds
from watcher.outbox.encoding import ALERT_EVENT, CHANNEL_STEP
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.shared_alerts import (
    EXPORTED,
    SCOPE,
    Step,
    advance,
    end_turn,
    export_events,
    go_on_alone,
    hand_over,
    is_on_its_way,
    is_taken_in,
    share_no_more,
)
from watcher.postgres.errors import StorageError

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable, Mapping

    from watcher.alerting.scope import Footing, Ledger, Sending, Share
    from watcher.alerting.turns import ByTurns
    from watcher.outbox.outbox import Outbox
    from watcher.outbox.thread import OutboxThread

log = structlog.get_logger()

# Between two looks at the agreement and at the tables.
LOOK_SECONDS = 0.5
# Between two looks, while the tables lack a decision.
SOON_SECONDS = 0.1
FORGET_SECONDS = 600.0
# How long this replica may send after a look that found the channel its own.
KNOWN_SECONDS = 3.0
# How long a hand-over waits for a receiver's answer.
SETTLE_SECONDS = 2.0
# How long a move waits for replicas that still have a channel. Their leases are shorter.
MOVE_SECONDS = 8.0
# The number of looks that a hand-over is delayed for its channels to read the newest events.
MAX_PUT_OFFS = 20


class AlertSharing:
    """Lets one replica dispatch each channel."""

    def __init__(
        self,
        disk: OutboxThread,
        ledger: Ledger,
        footing: Footing,
        location: str,
        written: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = wall_seconds,
        force_seconds: float = FORCE_SECONDS,
        prepare: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
        routes_of: Callable[[str], Mapping[str, float]] | None = None,
    ) -> None:
        """Create one without channels.

        Args:
            disk: the outbox.
            ledger: the tables.
            footing: the standing of this replica among the others.
            location: of this replica.
            written: called when something for the tables is in the outbox.
            clock: seconds since 1970.
            force_seconds: how long a living owner may take to release a channel.
            prepare: called before the first decision for others; finds out the states of their targets.
            routes_of: returns, by channel name, after how many seconds this file notifies the channel of a target.
        """
        # By channel and target, from the files of others; see `View.routes_elsewhere`. At most one for each channel and
        # target of any file, and none once all replicas have the same file.
        self.routes: dict[tuple[str, str], float] = {}
        self._routes_of = routes_of
        self._prepare = prepare
        self._disk = disk
        self._scope = Scope(location, ledger, footing)
        self._home = location
        self._shared_at = location  # the location where channels were last handed over
        self._moving_since: float | None = None
        self._written = written
        self._clock = clock
        self._force_seconds = force_seconds
        self._channels: dict[str, ByTurns] = {}
        self._senders: dict[str, Sending] = {}
        self._turns: dict[str, TableEvents] = {}  # the channels of this replica
        self._handed_over: set[str] = set()
        self._leaving: set[str] = set()
        self._alone: set[str] = set()  # the channels that get the events of this replica alone
        self._is_sharing = self._has_begun = self._is_mixed = False
        self._put_offs = 0
        self._newest = -1
        self._looked_at = self._forget_at = -math.inf
        self._untold = UntoldLooks()
        self._wake = trio.Event()

    async def begin(self) -> None:
        """Read how the last run ended, before this one writes anything. Only the first call does so."""
        if self._has_begun:
            return
        exported, scope = await self._disk.run(lambda outbox: (outbox.meta(EXPORTED), outbox.meta(SCOPE)))
        self._is_sharing = exported is not None
        # Former versions stored no scope: they shared channels at the location of the replica.
        self._shared_at = scope if isinstance(scope, str) else self._home
        self._has_begun = True

    def enter(self, scope: Scope) -> None:
        """Share channels at another location, or with other replicas, from now on; their records move there."""
        if (scope.location, scope.footing) != (self._scope.location, self._scope.footing):
            self._scope = scope
            self._moving_since = None
            self._looked_at = -math.inf
            self._wake.set()

    def add(self, channel: str, turns: ByTurns, sender: Sending) -> None:
        """Add a channel."""
        self._channels[channel], self._senders[channel] = turns, sender
        self._wake.set()

    async def remove(self, channel: str) -> None:
        """Remove a channel that is not configured any more and whose dispatcher does not run."""
        self._channels.pop(channel, None)
        self._senders.pop(channel, None)
        self._handed_over.discard(channel)
        self._alone.discard(channel)
        share = self._scope.footing.share
        others = frozenset[object]() if share is None else share.telling(channel) - {self._disk.outbox.id}
        await self._end_turn(channel, "released" if others else "removed")

    def wake(self) -> None:
        """Look at once: there is an event or a new agreement."""
        self._wake.set()

    def is_needed(self) -> bool:
        """Return whether this replica dispatches a channel for others, and so needs the states of their targets."""
        return bool(self._turns)

    def may_send(self, channel: str) -> bool:
        """Return whether this replica may send the messages of a channel now."""
        if channel in self._leaving:
            return False
        if channel in self._turns:
            # A process that was paused does not know what the others have agreed on meanwhile.
            is_known = trio.current_time() - self._looked_at < KNOWN_SECONDS
            return is_known and self._turns[channel].is_stored and self._scope.footing.holds_lease()
        return channel in self._alone or channel in self._handed_over

    async def run(self) -> NoReturn:
        """Switch the turns until cancelled."""
        while True:
            self._wake = trio.Event()
            with suppress(StorageError, OutboxUnavailableError):  # the drain, or the outbox writer, logs it
                await self._order()
            footing, share = self._scope.footing, self._scope.footing.share
            if share is not None and share.is_alone and self._has_begun and not self._is_sharing:
                await self._wait_for_others(footing, share)
                continue
            is_stored = all(events.is_stored for events in self._turns.values())
            with trio.move_on_after(LOOK_SECONDS if is_stored else SOON_SECONDS):
                await self._wake.wait()

    async def _wait_for_others(self, footing: Footing, share: Share) -> None:
        """Wait for another agreement or a call of `wake`; until then, this replica alone tells all channels."""

        async def wait_for_change() -> None:
            await footing.changed_from(share)
            self._wake.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for_change)
            await self._wake.wait()
            nursery.cancel_scope.cancel()

    async def close(self) -> None:
        """Release all channels, so that other replicas can claim them at once."""
        for channel in list(self._turns):
            await self._end_turn(channel, "released")

    async def _order(self) -> None:
        await self.begin()
        share = self._scope.footing.share
        if share is None and self._scope.location != self._home:
            return  # this replica joins the others, within a limit of time
        if share is None or self._scope.footing.is_cut_off():
            await self._go_on_alone()
        elif self._is_sharing and self._shared_at != self._scope.location:
            await self._move()
        elif share.is_alone and not self._is_sharing:
            self._tell_alone()
        else:
            await self._share(share)

    async def _move(self) -> None:
        """Take channels from the location where they were shared, to hand them over at the present one."""
        self._stop_all()
        # First store the decisions made here, and the events for the replicas that stay.
        if await self._disk.run(partial(is_on_its_way, kind=CHANNEL_STEP)) or await self._disk.run(
            partial(is_on_its_way, kind=ALERT_EVENT)
        ):
            return
        await self._settle(set(self._channels))
        self._moving_since = self._moving_since or trio.current_time()
        former = self._scope.ledger.at(self._shared_at)
        must = trio.current_time() >= self._moving_since + MOVE_SECONDS
        move = Move(self._disk, former, self._shared_at, self._clock)
        if not await move.make(list(self._channels), must=must):
            return  # the owner of a channel is about to move as well, or its lease is about to end
        log.info("channels now shared at another location", location=self._scope.location)
        self._turns, self._handed_over, self._leaving, self._is_sharing = {}, set(), set(), False
        self._moving_since = None
        self._written()
        self._wake.set()

    async def _go_on_alone(self) -> None:
        """Notify all channels of the events of this replica alone, since the database does not answer."""
        if self._is_sharing and self._channels and not self._alone:
            log.warning("database unreachable, this replica alerts on its own checks only")
            self._stop_all()
            await self._disk.run(partial(go_on_alone, now=self._clock()))
            self._turns, self._handed_over = {}, set()
        self._tell_alone()

    def _tell_alone(self) -> None:
        for name in self._channels.keys() - self._alone:
            self._alone.add(name)
            # Replicas that shared the channel have sent what is open.
            self._channels[name].switch(OwnEvents(self._disk, name, tells_open=not self._is_sharing))
            self._senders[name].wake()

    async def _share(self, share: Share) -> None:
        if not self._channels:
            return
        names = self._channels.keys() - self._handed_over
        if names and not await self._hand_over(names):
            return
        self._is_mixed = share.is_mixed
        if not share.is_mixed:
            self.routes.clear()
        if await self._disk.run(self._export):
            self._written()
        for name in list(self._channels):
            is_mine = share.dispatches(name)
            events = self._turns.get(name)
            if is_mine and (events is None or not (events.has_claimed or events.step.epoch == share.epoch)):
                self._begin_turn(name, share.epoch)
            elif not is_mine and name in self._turns:
                self._channels[name].stop()
                await self._end_turn(name, "released")
        for name, events in list(self._turns.items()):
            if not events.is_stored:
                await events.look_for_stored()
                self._senders[name].wake()
        if trio.current_time() >= self._looked_at + LOOK_SECONDS:
            await self._look()
        is_due = self._untold.is_due(share.epoch, trio.current_time(), is_mixed=share.is_mixed)
        for name, events in self._turns.items():
            if is_due or events.is_looking:
                self._channels[name].look_anew()
        if share.is_alone and await self._is_all_here():
            await self._take_home()

    async def _hand_over(self, names: set[str]) -> bool:
        """Hand channels over to the tables; return False if this was delayed."""
        # A replica that already shared has handed over the rest; only an added channel is new.
        is_whole = not self._is_sharing
        must = self._is_sharing or self._put_offs >= MAX_PUT_OFFS
        if not must and names <= self._alone and not await self._disk.run(is_taken_in):
            self._put_offs += 1
            return False
        for name in names:
            self._channels[name].stop()
        await self._settle(names)
        hand = partial(hand_over, location=self._scope.location, channels=sorted(names), is_whole=is_whole, must=must)
        if not await self._disk.run(partial(hand, now=datetime.fromtimestamp(self._clock(), UTC))):
            self._put_offs += 1
            self._leaving -= names
            self._alone -= names
            self._tell_alone()
            return False
        self._leaving -= names
        self._alone -= names
        self._handed_over |= names
        self._is_sharing, self._put_offs, self._newest = True, 0, -1
        self._shared_at = self._scope.location
        self._written()
        return True

    def _export(self, outbox: Outbox) -> int:
        """Send events to the tables; return how many. This runs in a thread, where nothing may be woken."""
        routes_of = self._routes_of if self._is_mixed else None
        return export_events(outbox, self._scope.location, self._clock(), routes_of)

    def _begin_turn(self, name: str, epoch: int) -> None:
        events = TableEvents(
            self._disk,
            self._scope.ledger,
            Step(self._scope.location, name, self._disk.outbox.id, epoch),
            partial(self._hand_on, name),
            force_seconds=self._force_seconds,
            clock=self._clock,
            prepare=self._prepare,
            tellers=partial(self._tellers, name),
            routes=self.routes,
        )
        self._turns[name] = events
        self._channels[name].switch(events)

    def _tellers(self, name: str) -> frozenset[uuid.UUID]:
        share = self._scope.footing.share
        return frozenset() if share is None else share.telling(name)

    def _hand_on(self, name: str) -> None:
        if name in self._senders:
            self._senders[name].wake()
        self._written()

    async def _end_turn(self, name: str, ending: str) -> None:
        events = self._turns.get(name)
        if events is not None and events.has_claimed:
            await self._settle({name})
            await self._disk.run(partial(end_turn, step=events.step, ending=ending, now=self._clock()))
            self._written()
        self._turns.pop(name, None)
        self._leaving.discard(name)

    async def _settle(self, names: set[str]) -> None:
        """Start no new delivery, and wait for the answers of those under way."""
        self._leaving |= names
        with trio.move_on_after(SETTLE_SECONDS):
            for name in names & self._senders.keys():
                await self._senders[name].settle()

    async def _look(self) -> None:
        """Read from the tables: new events, positions of channels, and channels that others have claimed."""
        if not self._scope.footing.holds_lease():
            return
        asked_at = trio.current_time()
        looks, newest = await self._scope.ledger.look()
        taken = {name: one.taken for name, one in looks.items() if name in self._handed_over and one.taken is not None}
        await self._disk.run(partial(advance, positions=taken, now=self._clock()))
        for name, events in list(self._turns.items()):
            owner = looks[name].owner if name in looks else None
            if events.has_claimed and owner != self._disk.outbox.id:
                log.warning("channel claimed by another replica", channel=name)
                self._channels[name].stop()
                await self._end_turn(name, "released")  # its decisions since then are not applied
            elif newest != self._newest:
                self._channels[name].wake()
        self._newest, self._looked_at = newest, asked_at
        if self._turns and trio.current_time() >= self._forget_at:
            self._forget_at = trio.current_time() + FORGET_SECONDS
            await self._scope.ledger.forget()

    async def _is_all_here(self) -> bool:
        """Whether this replica, which is alone, has read all events that others have left."""
        turns = [self._turns.get(name) for name in self._channels]
        is_all = all(events is not None and events.has_claimed and events.is_caught_up for events in turns)
        return is_all and not await self._disk.run(partial(is_on_its_way, kind=ALERT_EVENT))

    async def _take_home(self) -> None:
        """Stop sharing: notify channels of the events of this replica alone."""
        self._stop_all()
        steps = [events.step for events in self._turns.values()]
        await self._disk.run(partial(share_no_more, steps=steps, now=self._clock()))
        log.info("no other replica left, this one sends all alerts", channels=len(steps))
        self._turns, self._handed_over, self._is_sharing = {}, set(), False
        self._written()
        self._tell_alone()

    def _stop_all(self) -> None:
        for turns in self._channels.values():
            turns.stop()
        self._alone = set()

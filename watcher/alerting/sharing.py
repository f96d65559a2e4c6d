"""Which replica tells which channel: takes turns as what is agreed on changes, and goes on alone when cut off. Trio.

One that is alone tells its channels of its own events, without asking anybody. Where several share, events and all that
is known of a channel go to the tables, and whoever dispatches the channel takes them from there.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NoReturn, Protocol

import structlog
import trio

from watcher.alerting.dispatcher import OwnEvents
from watcher.alerting.table_events import FORCE_SECONDS, Claims, TableEvents
from watcher.alerting.untold import UntoldLooks
from watcher.model.clock_trust import wall_seconds
from watcher.outbox.encoding import ALERT_EVENT
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.shared_alerts import (
    EXPORTED,
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

    from watcher.alerting.turns import ByTurns
    from watcher.outbox.outbox import Outbox
    from watcher.outbox.thread import OutboxThread

log = structlog.get_logger()

# How often it is looked whose turn it is, and what is in the tables.
LOOK_SECONDS = 0.5
# How often it is looked whether what was decided is stored.
SOON_SECONDS = 0.1
FORGET_SECONDS = 600.0
# For how long it counts that a channel was found to be this replica's.
KNOWN_SECONDS = 3.0
# For how long a receiver may take to answer before a channel is handed over all the same.
SETTLE_SECONDS = 2.0
# How often a replica that begins to share waits for its channels to take in what has just happened.
MAX_PUT_OFFS = 20


class Share(Protocol):
    """What is agreed on; see `watcher.cluster.protocol.Share`."""

    @property
    def epoch(self) -> int:
        """Of the agreement."""

    @property
    def is_alone(self) -> bool:
        """Whether there is no other replica."""

    @property
    def is_mixed(self) -> bool:
        """Whether replicas are agreed on that work by different configurations."""

    def dispatches(self, channel: str) -> bool:
        """Whether a channel is this replica's."""

    def telling(self, channel: str) -> frozenset[uuid.UUID]:
        """Return the replicas that are agreed on and have a channel."""


class Footing(Protocol):
    """How this replica stands with the others."""

    @property
    def share(self) -> Share | None:
        """What is agreed on; None where nobody could be asked yet."""

    def holds_lease(self) -> bool:
        """Whether no other replica may have taken over what this one has."""

    def is_cut_off(self) -> bool:
        """Whether the lease is over, and the database could not be asked for another one."""


class ChannelLook(Protocol):
    """Whose a channel is, and until which number it has taken in the events of this replica."""

    @property
    def owner(self) -> uuid.UUID | None:
        """The id of its outbox."""

    @property
    def taken(self) -> int | None:
        """None where it has taken in none."""


class Sending(Protocol):
    """Who sends the messages of a channel; see `watcher.alerting.sender`."""

    def wake(self) -> None:
        """Say that there may be something new to send."""

    async def settle(self) -> None:
        """Wait until what is being tried has been answered, and that is noted."""


class Ledger(Claims, Protocol):
    """The tables of channels; see `watcher.postgres.queries.channels`. All raise StorageError."""

    async def look(self) -> tuple[Mapping[str, ChannelLook], int]:
        """Return how the channels stand, by name, and the number of the newest event."""

    async def forget(self) -> None:
        """Delete events that nobody needs any more."""


class AlertSharing:
    """Sees to it that each channel is dispatched by one replica."""

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
    ) -> None:
        """Make one that knows of no channel.

        Args:
            disk: the outbox.
            ledger: the tables.
            footing: how this replica stands with the others.
            location: where it stands.
            written: called when something for the tables is in the outbox.
            clock: seconds since 1970.
            force_seconds: for how long an owner that lives is waited for to release a channel.
            prepare: called before anything is decided for others; finds out how their targets stand.
        """
        self._prepare = prepare
        self._disk = disk
        self._ledger = ledger
        self._footing = footing
        self._location = location
        self._written = written
        self._clock = clock
        self._force_seconds = force_seconds
        self._channels: dict[str, ByTurns] = {}
        self._senders: dict[str, Sending] = {}
        self._turns: dict[str, TableEvents] = {}  # of the channels that are this replica's
        self._handed_over: set[str] = set()
        self._leaving: set[str] = set()
        self._alone: set[str] = set()  # the channels that it tells of its own events
        self._is_sharing = self._has_begun = False
        self._put_offs = 0
        self._newest = -1
        self._looked_at = self._forget_at = -math.inf
        self._untold = UntoldLooks()
        self._wake = trio.Event()

    async def begin(self) -> None:
        """Find out how this replica was left, before anything of now is written down; once."""
        if self._has_begun:
            return
        self._is_sharing = await self._disk.run(lambda outbox: outbox.meta(EXPORTED)) is not None
        self._has_begun = True

    def add(self, channel: str, turns: ByTurns, sender: Sending) -> None:
        """Take a channel, whose turns are ordered here from now on."""
        self._channels[channel], self._senders[channel] = turns, sender
        self._wake.set()

    async def remove(self, channel: str) -> None:
        """Leave out a channel that is not in the configuration any more, and for which nobody decides now."""
        self._channels.pop(channel, None)
        self._senders.pop(channel, None)
        self._handed_over.discard(channel)
        self._alone.discard(channel)
        share = self._footing.share
        others = frozenset[object]() if share is None else share.telling(channel) - {self._disk.outbox.id}
        await self._end_turn(channel, "released" if others else "removed")

    def wake(self) -> None:
        """Say that something has happened, or that something else is agreed on."""
        self._wake.set()

    def is_needed(self) -> bool:
        """Say whether this replica dispatches a channel for others, so that it must know how their targets stand."""
        return bool(self._turns)

    def may_send(self, channel: str) -> bool:
        """Say whether a message of a channel may be sent by this replica now."""
        if channel in self._leaving:
            return False
        if channel in self._turns:
            # A process that was stopped does not know what others have agreed on meanwhile.
            is_known = trio.current_time() - self._looked_at < KNOWN_SECONDS
            return is_known and self._turns[channel].is_stored and self._footing.holds_lease()
        return channel in self._alone or channel in self._handed_over

    async def run(self) -> NoReturn:
        """Order the turns until cancelled."""
        while True:
            self._wake = trio.Event()
            with suppress(StorageError, OutboxUnavailableError):  # the drain, or the outbox writer, tells of it
                await self._order()
            is_stored = all(events.is_stored for events in self._turns.values())
            with trio.move_on_after(LOOK_SECONDS if is_stored else SOON_SECONDS):
                await self._wake.wait()

    async def close(self) -> None:
        """Release all channels, so that others need not wait."""
        for channel in list(self._turns):
            await self._end_turn(channel, "released")

    async def _order(self) -> None:
        await self.begin()
        share = self._footing.share
        if share is None or self._footing.is_cut_off():
            await self._go_on_alone()
        elif share.is_alone and not self._is_sharing:
            self._tell_alone()
        else:
            await self._share(share)

    async def _go_on_alone(self) -> None:
        """Tell all channels of what happens here, since nobody can be asked."""
        if self._is_sharing and self._channels and not self._alone:
            log.warning("no other replica can be asked: this one tells of what it finds by itself")
            self._stop_all()
            await self._disk.run(partial(go_on_alone, now=self._clock()))
            self._turns, self._handed_over = {}, set()
        self._tell_alone()

    def _tell_alone(self) -> None:
        for name in self._channels.keys() - self._alone:
            self._alone.add(name)
            # Once others were there, they have told what is open.
            self._channels[name].switch(OwnEvents(self._disk, name, tells_open=not self._is_sharing))
            self._senders[name].wake()

    async def _share(self, share: Share) -> None:
        if not self._channels:
            return
        names = self._channels.keys() - self._handed_over
        if names and not await self._hand_over(names):
            return
        await self._disk.run(self._export)
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
        """Let others know what is known of channels, and return whether that is done."""
        # Of a replica that has shared before, others know the rest; a channel that comes later is new.
        is_whole = not self._is_sharing
        must = self._is_sharing or self._put_offs >= MAX_PUT_OFFS
        if not must and names <= self._alone and not await self._disk.run(is_taken_in):
            self._put_offs += 1
            return False
        for name in names:
            self._channels[name].stop()
        await self._settle(names)
        hand = partial(hand_over, location=self._location, channels=sorted(names), is_whole=is_whole, must=must)
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
        self._written()
        return True

    def _export(self, outbox: Outbox) -> None:
        if export_events(outbox, self._location, self._clock()):
            self._written()

    def _begin_turn(self, name: str, epoch: int) -> None:
        step = Step(self._location, name, self._disk.outbox.id, epoch)
        hand_on = partial(self._hand_on, name)
        timing = self._force_seconds, self._clock
        events = TableEvents(
            self._disk, self._ledger, step, hand_on, *timing, self._prepare, partial(self._tellers, name)
        )
        self._turns[name] = events
        self._channels[name].switch(events)

    def _tellers(self, name: str) -> frozenset[uuid.UUID]:
        share = self._footing.share
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
        """Begin no other try to send, and let what is being tried be answered."""
        self._leaving |= names
        with trio.move_on_after(SETTLE_SECONDS):
            for name in names & self._senders.keys():
                await self._senders[name].settle()

    async def _look(self) -> None:
        """Look into the tables: what is new there, what was taken in, and whether a channel was taken away."""
        if not self._footing.holds_lease():
            return
        asked_at = trio.current_time()
        looks, newest = await self._ledger.look()
        taken = {name: one.taken for name, one in looks.items() if name in self._handed_over and one.taken is not None}
        await self._disk.run(partial(advance, positions=taken, now=self._clock()))
        for name, events in list(self._turns.items()):
            owner = looks[name].owner if name in looks else None
            if events.has_claimed and owner != self._disk.outbox.id:
                log.warning("another replica has taken over a channel", channel=name)
                self._channels[name].stop()
                await self._end_turn(name, "released")  # which is not applied, as what was decided meanwhile is not
            elif newest != self._newest:
                self._channels[name].wake()
        self._newest, self._looked_at = newest, asked_at
        if self._turns and trio.current_time() >= self._forget_at:
            self._forget_at = trio.current_time() + FORGET_SECONDS
            await self._ledger.forget()

    async def _is_all_here(self) -> bool:
        """Whether this replica, which is alone, has taken in all that others have left."""
        turns = [self._turns.get(name) for name in self._channels]
        is_all = all(events is not None and events.has_claimed and events.is_caught_up for events in turns)
        return is_all and not await self._disk.run(partial(is_on_its_way, kind=ALERT_EVENT))

    async def _take_home(self) -> None:
        """Tell of own events alone again."""
        self._stop_all()
        steps = [events.step for events in self._turns.values()]
        await self._disk.run(partial(share_no_more, steps=steps, now=self._clock()))
        log.info("no other replica is left: alerts are told by this one alone", channels=len(steps))
        self._turns, self._handed_over, self._is_sharing = {}, set(), False
        self._written()
        self._tell_alone()

    def _stop_all(self) -> None:
        for turns in self._channels.values():
            turns.stop()
        self._alone = set()

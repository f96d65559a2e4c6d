"""This replica among the others of its location: a thin shell around the decisions of `protocol.py`."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.cluster.gate import LeaseGate
from watcher.cluster.lease import Lease
from watcher.cluster.protocol import Share, alone, cut_off, proposal, share_of
from watcher.cluster.values import Timing
from watcher.model.clock_trust import next_beat, steady_seconds
from watcher.postgres.errors import DatabaseUnavailableError, SchemaTooNewError, StorageError
from watcher.postgres.queries.membership import CHANNEL, Beat, agree, end, join, leave, renew

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from watcher.cluster.values import Agreement, Figures, Member, Replica, Seat
    from watcher.postgres.db import Database
    from watcher.postgres.queries.membership import Answer

log = structlog.get_logger()

# A beat that nobody asked for comes when a lease that is looked at ends, and this much after it.
AFTER_LEASE_SECONDS = 0.02
# Of the time between two beats: the second one of who has come may be a little early.
SETTLED_SHARE = 0.9
# The least time between two beats, however many ask for one.
LEAST_SECONDS = 0.01
LEAVE_SECONDS = 0.5
NO_ANSWER = "the database does not answer in time"
# Between two tries to listen; who does not hear learns all the same by its beats.
LISTEN_AGAIN_SECONDS = 5.0


class Membership:
    """Renews the lease of a replica, and follows what its location agrees on.

    It needs connections that nobody else holds for long: give it a database of its own.

    Attributes:
        share: what this replica does now; None before it has joined.
        members: whom the database knew at the last beat.
        gate: what checks pass.
    """

    def __init__(
        self,
        database: Database,
        replica: Replica,
        figures: Callable[[], Figures],
        timing: Timing | None = None,
        clock: Callable[[], float] = steady_seconds,
        refer: Callable[[float, float, float], None] = lambda _asked_at, _answered_at, _seconds: None,
    ) -> None:
        """Make one that has not joined.

        Args:
            database: where they meet.
            replica: who this is; with an incarnation that is new at each start.
            figures: tells how it fares; asked at each beat.
            timing: the same for all replicas of a location.
            clock: seconds of a clock that nobody sets and that goes on in a suspend.
            refer: told with each answer of the database, before it is used, what time that has; see `WallClock.refer`.
        """
        self._database = database
        self._replica = replica
        self._figures = figures
        self._timing = timing or Timing()
        self._clock = clock
        self._refer = refer
        self.share: Share | None = None
        self.members: tuple[Member, ...] = ()
        self.gate = LeaseGate(self.hurry, clock)
        self._lease = Lease(self._timing.ttl_seconds)
        # No epoch comes twice, also where a database was brought back to what it was before.
        self._highest_epoch = 0
        self._epoch_in_effect = 0
        # While nobody could be asked since the start, all is checked; once asked, nobody checks without a seat.
        self._fallback: Share | None = None
        # When checks began to wait for what others have taken over; None while they do not.
        self._holding_since: float | None = None
        self._has_joined = self._has_failed = self._has_told_outage = False
        self._other: str | None = None
        self._hurried = trio.Event()
        self._changed = trio.Event()
        self._beating = trio.CancelScope()

    @property
    def is_held(self) -> bool:
        """Whether the lease lasts: no other replica can have taken over what must be done by one only."""
        return self._other is None and self._lease.is_held(self._clock())

    @property
    def is_cut_off(self) -> bool:
        """Whether the lease is over and the database did not answer when it was asked for another one."""
        return self._has_failed and self._other is None and not self.is_held

    @property
    def fingerprint(self) -> str:
        """Of the configuration that this replica has announced."""
        return self._replica.seat.fingerprint

    async def join(self, limit_seconds: float) -> Share | None:
        """Ask for the first time, before the first check.

        Args:
            limit_seconds: the longest that it may take.

        Returns:
            what this replica does; None where nobody can be asked: then it does everything, and joins by `run`.

        Raises:
            SchemaTooNewError: a newer version of watcher has upgraded the tables.
        """
        try:
            with trio.fail_after(limit_seconds):
                await self._database.init_db()
                sent_at = self._clock()
                await self._take(sent_at, await join(self._database, self._beat()))
        except SchemaTooNewError:
            raise
        except (StorageError, trio.TooSlowError) as error:
            self._failed(self._clock(), error)
            self._fallback = alone(self._replica.seat.replica)
            self._use(self._fallback)
            return None
        return self.share

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Beat until it leaves, or until cancelled."""
        self._beating = trio.CancelScope()
        with self._beating:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen)
                task_status.started()
                while True:
                    began_at, self._hurried = trio.current_time(), trio.Event()
                    await self._beat_once()
                    ended_at = trio.current_time()
                    with trio.move_on_at(self._next_at(began_at)):
                        await self._hurried.wait()
                    await trio.sleep_until(ended_at + LEAST_SECONDS)

    async def changed_from(self, known: object) -> Share:
        """Return what this replica does, once that is something else than what is known."""
        while self.share is None or self.share == known:
            await self._changed.wait()
        return self.share

    def hurry(self) -> None:
        """Beat at once."""
        self._hurried.set()

    def set_fingerprint(self, fingerprint: str) -> None:
        """Announce another configuration; the share follows when it has settled."""
        if fingerprint != self._replica.seat.fingerprint:
            self._replica = replace(self._replica, seat=replace(self._replica.seat, fingerprint=fingerprint))
            self.hurry()

    def let_go(self, epoch: int) -> None:
        """Say that nothing is checked here any more that others have by an agreement: checks that wait may begin.

        Args:
            epoch: of the agreement.
        """
        if self.share is not None and epoch == self.share.epoch:
            self._holding_since = None
            self._move_gate()

    def put_into_effect(self, epoch: int) -> None:
        """Say that all of an agreement has come into effect here: the others are told at once.

        Args:
            epoch: of the agreement.
        """
        if epoch != self._epoch_in_effect:
            self._epoch_in_effect = epoch
            self.hurry()
        self.let_go(epoch)

    async def leave(self) -> None:
        """Take this replica off the agreement, so that others ask for its targets; they have them after `end`."""
        self._beating.cancel()
        until = self._figures().slots_until
        await self._tell_others(partial(leave, slots_until=until))

    async def end(self) -> None:
        """Let others take over what was watched here, after `leave`, and once the database has all that is known."""
        await self._tell_others(end)

    async def _tell_others(self, tell: Callable[[Database, str, Seat], Awaitable[None]]) -> None:
        with trio.move_on_after(LEAVE_SECONDS):
            try:
                await tell(self._database, self._replica.location, self._replica.seat)
            except StorageError as error:
                if self.share is not None and not self.share.is_alone:
                    log.warning("the other replicas could not be told that this one leaves", error=error)

    async def _listen(self) -> None:
        """Beat at once when somebody says that something has changed."""

        def heard(location: str) -> None:
            if location in {"", self._replica.location}:
                self.hurry()

        while True:
            try:
                await self._database.listen(CHANNEL, heard)
            except StorageError:
                await trio.sleep(LISTEN_AGAIN_SECONDS)

    def _next_at(self, began_at: float) -> float:
        """Return when the next beat is due: sooner after a failure, and where the lease of a peer ends before.

        A lease is three beats long: without a third try within it, two failures would end it.
        """
        beat_seconds = self._timing.beat_seconds
        if self._has_failed:
            return began_at + beat_seconds / 2
        agreed = frozenset() if self.share is None else self.share.agreed
        ends = [member.lease_seconds for member in self.members if member.seat.replica in agreed]
        soonest = min((end for end in ends if end > 0), default=math.inf) + AFTER_LEASE_SECONDS
        return min(next_beat(began_at, beat_seconds), began_at + soonest)

    def _beat(self) -> Beat:
        return Beat(self._replica, self._figures(), self._timing.ttl_seconds, self._epoch_in_effect)

    async def _beat_once(self) -> None:
        sent_at = self._clock()
        try:
            with trio.fail_after(self._timing.limit_seconds):
                answer = await _once_more(self._renew)
        except (StorageError, trio.TooSlowError) as error:
            self._failed(sent_at, error)
            return
        await self._take(sent_at, answer)

    async def _renew(self) -> Answer:
        if not self._has_joined:
            return await join(self._database, self._beat())
        return await renew(self._database, self._beat(), is_back=self._has_failed)

    def _failed(self, sent_at: float, error: Exception) -> None:
        self._has_failed = True
        self._lease = self._lease.failed(sent_at)
        if self.share is not None and self._other is None:
            share = cut_off(self.share, self.is_held)
            if share is not self.share:
                self._fallback = share
                self._use(share)
        is_shared = self.share is not None and not self.share.is_alone
        if is_shared and not self.is_held and not self._has_told_outage:
            self._has_told_outage = True
            text = NO_ANSWER if isinstance(error, trio.TooSlowError) else error
            log.warning("the database cannot be asked who checks what, it stays as it is", error=text)
        self._move_gate()

    async def _take(self, sent_at: float, answer: Answer) -> None:
        """Take over what the database has answered, and propose what should change."""
        if answer.seconds is not None:
            self._refer(sent_at, self._clock(), answer.seconds)
        if self._has_told_outage:
            log.info("the database can be asked again who checks what")
        self._has_joined, self._has_failed, self._has_told_outage = True, False, False
        self._tell_other(answer.other)
        self.members = answer.members
        was_lapsed = self._lease.has_lapsed(self._clock())
        if answer.other is None:
            self._lease = self._lease.begin(sent_at)
        agreement = await self._propose(answer)
        self._highest_epoch = max(self._highest_epoch, agreement.epoch)
        share = share_of(agreement, self._replica.seat, self._fallback)
        if answer.other is not None:
            share = _without_me(share)
        if share is not self._fallback:
            self._fallback = None
        if was_lapsed and self.share is not None and share != self.share:
            self._holding_since = self._clock()
        self._use(share)
        self._move_gate()

    async def _propose(self, answer: Answer) -> Agreement:
        """Propose what should be agreed on, and return what is."""
        present = answer.agreement
        settle_seconds = self._timing.beat_seconds * SETTLED_SHARE
        proposed = proposal(present, answer.members, self._replica.seat, settle_seconds)
        if proposed is None or answer.other is not None:
            return present
        proposed = replace(proposed, epoch=max(proposed.epoch, self._highest_epoch + 1))
        try:
            with trio.fail_after(self._timing.limit_seconds):
                if await agree(self._database, self._replica.location, present.epoch, proposed):
                    return proposed
        except (StorageError, trio.TooSlowError):
            pass  # whether it is agreed on or not, the next beat tells
        self.hurry()
        return present

    def _use(self, share: Share) -> None:
        if share != self.share:
            self.share = share
            changed, self._changed = self._changed, trio.Event()
            changed.set()

    def _move_gate(self) -> None:
        """Open the gate for as long as the lease, or the failure to renew it, allows."""
        now = self._clock()
        if self._holding_since is not None and now < self._holding_since + self._timing.ttl_seconds:
            self.gate.set_end(now)
            return
        self._holding_since = None
        self.gate.set_end(max(self._lease.held_until, self._lease.excused_until))

    def _tell_other(self, other: str | None) -> None:
        if other is not None and self._other is None:
            log.error(
                "another daemon works with a copy of this data folder: it has come later, and this one checks nothing"
                " while that one lasts; remove the copy of outbox.sqlite there, and start it anew",
                other=other,
            )
        elif other is None and self._other is not None:
            log.info("the daemon with a copy of this data folder is gone, this one goes on", other=self._other)
        self._other = other


async def _once_more(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask, and once more where the connection may have been gone for long, as after a freeze."""
    try:
        return await ask()
    except DatabaseUnavailableError:
        return await ask()


def _without_me(share: Share) -> Share:
    """Return the share of a replica that has lost its place to another daemon of the same id."""
    me = frozenset({share.me})
    others = tuple(one for one in share.fingerprints if one[0] != share.me)
    agreed, dispatchers = share.agreed - me, share.dispatchers - me
    return replace(share, agreed=agreed, peers=frozenset(), dispatchers=dispatchers, fingerprints=others)

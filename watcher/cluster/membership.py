"""Joins this replica with the others of its location: a thin shell around the decisions of `protocol.py`."""

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

# An extra beat comes so long after the end of a lease that is watched.
AFTER_LEASE_SECONDS = 0.02
# Part of the time between two beats: the second beat of a new replica may come a little early.
SETTLED_SHARE = 0.9
# The shortest time between two beats.
LEAST_SECONDS = 0.01
LEAVE_SECONDS = 0.5
NO_ANSWER = "the database does not answer in time"
# Between two tries to listen; without notifications a replica learns of changes by its beats.
LISTEN_AGAIN_SECONDS = 5.0


class Membership:
    """Renews the lease of a replica, and follows the agreement of its location.

    Give it a database of its own: it needs connections that no other task holds for long.

    Attributes:
        share: the work of this replica now; None before it has joined.
        members: those that the database knew at the last beat.
        gate: holds checks back.
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
        """Create one that has not joined.

        Args:
            database: shared by the replicas.
            replica: this one; with an incarnation that is new at each start.
            figures: returns the figures to publish; called at each beat.
            timing: the same for all replicas of a location.
            clock: seconds of a clock that is never set and that counts a suspend.
            refer: called with the time in each answer of the database, before its use; see `WallClock.refer`.
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
        # No epoch is used twice, even after the database was restored from a backup.
        self._highest_epoch = 0
        self._epoch_in_effect = 0
        # Until the database has answered once, this replica checks everything; after that, nothing without a seat.
        self._fallback: Share | None = None
        # Since when checks wait for those that others have taken over; None while they do not.
        self._holding_since: float | None = None
        self._has_joined = self._has_failed = self._has_told_outage = False
        self._other: str | None = None
        self._hurried = trio.Event()
        self._changed = trio.Event()
        self._beating = trio.CancelScope()

    @property
    def is_held(self) -> bool:
        """Whether the lease lasts: no other replica can have taken over work for one replica."""
        return self._other is None and self._lease.is_held(self._clock())

    @property
    def is_cut_off(self) -> bool:
        """Whether the lease has ended and the database did not answer the request for another."""
        return self._has_failed and self._other is None and not self.is_held

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the configuration that this replica has announced."""
        return self._replica.seat.fingerprint

    async def join(self, limit_seconds: float) -> Share | None:
        """Query the database for the first time, before the first check.

        Args:
            limit_seconds: the longest wait.

        Returns:
            this replica's share; None if the database does not answer: then it checks everything, and joins in `run`.

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
        """Beat until it leaves or is cancelled."""
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
        """Return this replica's share once it differs from a known one."""
        while self.share is None or self.share == known:
            await self._changed.wait()
        return self.share

    def hurry(self) -> None:
        """Beat at once."""
        self._hurried.set()

    def set_fingerprint(self, fingerprint: str) -> None:
        """Announce another configuration; the share follows once it has settled."""
        if fingerprint != self._replica.seat.fingerprint:
            self._replica = replace(self._replica, seat=replace(self._replica.seat, fingerprint=fingerprint))
            self.hurry()

    def let_go(self, epoch: int) -> None:
        """Report that no target of other replicas is checked here any more: waiting checks may start.

        Args:
            epoch: of the agreement.
        """
        if self.share is not None and epoch == self.share.epoch:
            self._holding_since = None
            self._move_gate()

    def put_into_effect(self, epoch: int) -> None:
        """Report that an agreement is in full effect here; the others learn it at once.

        Args:
            epoch: of the agreement.
        """
        if epoch != self._epoch_in_effect:
            self._epoch_in_effect = epoch
            self.hurry()
        self.let_go(epoch)

    async def leave(self) -> None:
        """Remove this replica from the agreement, so that others claim its targets; they get them after `end`."""
        self._beating.cancel()
        until = self._figures().slots_until
        await self._tell_others(partial(leave, slots_until=until))

    async def end(self) -> None:
        """Hand the targets over, after `leave` and once the database has all results."""
        await self._tell_others(end)

    async def _tell_others(self, tell: Callable[[Database, str, Seat], Awaitable[None]]) -> None:
        with trio.move_on_after(LEAVE_SECONDS):
            try:
                await tell(self._database, self._replica.location, self._replica.seat)
            except StorageError as error:
                if self.share is not None and not self.share.is_alone:
                    log.warning("other replicas not notified that this one leaves", error=error)

    async def _listen(self) -> None:
        """Beat at once on a notification of a change."""

        def heard(location: str) -> None:
            if location in {"", self._replica.location}:
                self.hurry()

        while True:
            try:
                await self._database.listen(CHANNEL, heard)
            except StorageError:
                await trio.sleep(LISTEN_AGAIN_SECONDS)

    def _next_at(self, began_at: float) -> float:
        """Return when the next beat is due: sooner after a failure, or if the lease of a peer ends before.

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
            log.warning("database unreachable, targets stay with their replicas", error=text)
        self._move_gate()

    async def _take(self, sent_at: float, answer: Answer) -> None:
        """Apply an answer of the database, and propose a change if needed."""
        if answer.seconds is not None:
            self._refer(sent_at, self._clock(), answer.seconds)
        if self._has_told_outage:
            log.info("database reachable again, replicas agree on targets")
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
        """Propose an agreement; return the one in force."""
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
            pass  # the next beat shows whether it is agreed on
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
                "another daemon, started later, works with a copy of this data folder: this one checks nothing"
                " while that one lasts; remove the copy of outbox.sqlite there, and start it anew",
                other=other,
            )
        elif other is None and self._other is not None:
            log.info("the daemon with a copy of this data folder is gone, checks continue here", other=self._other)
        self._other = other


async def _once_more(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Query, and once more if the connection may be dead, such as after a freeze."""
    try:
        return await ask()
    except DatabaseUnavailableError:
        return await ask()


def _without_me(share: Share) -> Share:
    """Return the share of a replica that has lost its seat to another daemon with the same id."""
    me = frozenset({share.me})
    others = tuple(one for one in share.fingerprints if one[0] != share.me)
    agreed, dispatchers = share.agreed - me, share.dispatchers - me
    return replace(share, agreed=agreed, peers=frozenset(), dispatchers=dispatchers, fingerprints=others)

"""Makes this replica a member of the location `*`, whose replicas decide the combined states of targets. Trio.

The location `*` has members, an agreement, owners and flips, as each location has. But its replicas do not check sites:
they read the views of the places once a second, and decide from these.
"""

from __future__ import annotations

import math
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, Protocol

import structlog
import trio

from watcher import __version__
from watcher.cluster.membership import Membership
from watcher.cluster.replica_name import kept_name
from watcher.cluster.values import Figures, Replica, Seat
from watcher.daemon.places.alone import Alone
from watcher.daemon.places.causes import Causes
from watcher.daemon.places.decisions import Decision, decide
from watcher.daemon.places.ownership import OwnedTargets
from watcher.daemon.places.poll import Poll
from watcher.daemon.sharing.incidents import ClaimsWithIncidents
from watcher.daemon.sharing.wanted import FORCE_BEATS
from watcher.model.clock_trust import steady_seconds, utc_now
from watcher.model.places import COMBINED, PlaceView
from watcher.outbox.errors import OutboxUnavailableError
from watcher.postgres.errors import StorageError
from watcher.postgres.ownership import Ownership
from watcher.postgres.queries.channels import ChannelLedger
from watcher.postgres.queries.places import mark_decided, tell_combined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from watcher.cluster.protocol import Share
    from watcher.cluster.values import Timing
    from watcher.config.env.settings import Settings
    from watcher.daemon.places.poll import Look
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread
    from watcher.postgres.db import Database
    from watcher.recording.board import Board
    from watcher.recording.place_views import PlaceViews

log = structlog.get_logger()

LOOK_SECONDS = 1.0
# Between two claims of a target that another replica has not released yet.
RETRY_SECONDS = 0.2
# Between two records that a replica decides. Without one for `STALE_AFTER`, three times as long, no replica decides.
MARK_SECONDS = 5.0
# From the end of targets until the others are registered again.
TELL_AGAIN_SECONDS = 5.0
JOIN_SECONDS = 3.0
# The most targets that are decided in one transaction, before other tasks get a turn.
TARGETS_A_TURN = 500
# After PostgreSQL was away, the others have decided from the views of all places within this many looks.
LOOKS_AFTER_AWAY = 3


class Surroundings(Protocol):
    """The parts of the daemon that decisions need; see `watcher.daemon.sinks.Sinks`."""

    @property
    def disk(self) -> OutboxThread:
        """The outbox."""

    @property
    def board(self) -> Board:
        """The newest outcome and the standing of each target that is watched here."""

    @property
    def place_views(self) -> PlaceViews:
        """The views of places."""

    @property
    def timing(self) -> Timing:
        """The times of leases, beats and graces."""


class Places:
    """This replica as a member of the location `*`, while the configuration has targets with `locations`.

    Attributes:
        membership: of the location `*`; None while no target has `locations`.
    """

    def __init__(
        self,
        databases: tuple[Database, Database],
        sinks: Surroundings,
        settings: Settings,
        home: Membership,
        *,
        written: Callable[[], None],
        share_with: Callable[[Membership | None], None],
    ) -> None:
        """Start without having joined.

        Args:
            databases: one for the membership and claims, and one for reading views.
            sinks: the parts of the daemon. The id of the outbox is that of the replica.
            settings: with the location and the name of this replica.
            home: the membership of its own location, which has the fingerprint of the configuration first.
            written: called when the outbox has a new entry.
            share_with: called with the membership that shares channels over all places, or None.
        """
        self._database, reader = databases
        self._disk = sinks.disk
        self._views = sinks.place_views
        self._timing = sinks.timing
        self._home = home
        self._share_with = share_with
        self._name = settings.replica or kept_name(settings.data_dir)
        ledger = ChannelLedger(self._database, COMBINED, sinks.disk.outbox.id)
        self._ownership = Ownership(self._database, sinks.disk, COMBINED)
        claims = ClaimsWithIncidents(self._ownership, ledger, sinks.disk, COMBINED)
        self._owned = OwnedTargets(sinks.disk, claims, written, FORCE_BEATS * self._timing.beat_seconds)
        self._alone = Alone(sinks.disk, settings.location, sinks.board, self._views, self._owned, written)
        self._poll = Poll(reader, self._views, self._timing.grace_seconds, self.decides)
        self._causes = Causes(reader, sinks.disk.outbox.id)
        self.membership: Membership | None = None
        self._is_registered = False
        self._register_again_at = math.inf
        self._mark_at = 0.0
        self._away_since: float | None = None
        self._settled_looks = 0
        self._due = set[str]()  # targets to decide: a view, the file or the owner has changed since the last decision
        self._ended = set[str]()  # targets decided here that no longer have `locations`
        self._renamed: dict[str, str] = {}
        self._configured = frozenset[str]()  # all names of the file
        self._known: tuple[Share | None, Mapping[str, Target]] = None, {}
        self._wanted = frozenset[str]()
        self._changed = trio.Event()

    def use(self, targets: Iterable[Target], renamed: Mapping[str, str] | None = None) -> None:
        """Apply a configuration, at the start and after each reload.

        Args:
            targets: all that are configured.
            renamed: new names of targets, by the former ones.
        """
        before, configured = self._views.targets, list(targets)
        self._views.use(configured)
        self._configured = frozenset(target.name for target in configured)
        # The same views may result in another state, as with another quorum.
        self._due |= {name for name, target in self._views.targets.items() if before.get(name) is not target}
        self._ended = (self._ended | self._owned.standings.keys()) - self._views.targets.keys()
        self._renamed |= renamed or {}
        self._is_registered = False
        self._poll.look_at_all()
        self._changed.set()

    def decides(self, target: str) -> bool:
        """Whether this replica decides the combined state of a target."""
        return self._owned.holds(target)

    async def run(self) -> NoReturn:
        """Decide for this replica's share of the targets with `locations`, whenever there are any, until cancelled."""
        await self._take_up_past()
        while True:
            self._changed = trio.Event()
            if self._views.targets or self._ended:
                await self._take_part()
            else:
                await self._changed.wait()

    async def leave(self) -> None:
        """Release all targets and leave the location `*`, so that other replicas decide at once."""
        if self.membership is not None:
            with suppress(OutboxUnavailableError):
                await self._owned.release(list(self._owned.standings))
            await self.membership.leave()

    async def end(self) -> None:
        """End the lease: the database has every decision of this replica, so the others need not wait."""
        if self.membership is not None:
            await self.membership.end()

    async def _take_up_past(self) -> None:
        """Find the targets that this replica decided for when it ran last, and that no longer have `locations`."""
        with suppress(OutboxUnavailableError, StorageError), trio.move_on_after(JOIN_SECONDS):
            known = await self._disk.run(lambda outbox: outbox.standings(COMBINED))
            gone = [name for name in known if name not in self._views.targets]
            owners = await self._ownership.owners_of(gone) if gone else {}
            self._ended |= {name for name, owner in owners.items() if owner == self._disk.outbox.id}

    async def _take_part(self) -> None:
        """Be a member of the location `*` until no target has `locations`."""
        seat = Seat(self._disk.outbox.id, uuid.uuid4(), self._home.fingerprint)
        membership = Membership(
            self._database, Replica(COMBINED, seat, self._name, __version__), self._figures, self._timing
        )
        self.membership = membership
        self._share_with(membership)
        await membership.join(JOIN_SECONDS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(membership.run)
            nursery.start_soon(self._follow_shares, membership)
            while self._views.targets:
                self._changed = trio.Event()
                membership.set_fingerprint(self._home.fingerprint)
                await self._look(membership)
                with trio.move_on_after(LOOK_SECONDS if self._owned.has_all else RETRY_SECONDS):
                    await self._changed.wait()
            nursery.cancel_scope.cancel()
        self._share_with(None)
        with suppress(OutboxUnavailableError, StorageError):
            await self._end_what_is_over(utc_now())
            await tell_combined(self._database, self._disk.outbox.id, ())
        self._ended.clear()
        await membership.leave()
        await membership.end()
        self.membership = None

    async def _follow_shares(self, membership: Membership) -> NoReturn:
        known: Share | None = None
        while True:
            known = await membership.changed_from(known)
            self._changed.set()

    async def _look(self, membership: Membership) -> None:
        try:
            look = await self._poll.look()
            self._due |= self._owned.standings.keys() if look.is_other else look.changed
            await self._act(membership, look)
        except StorageError:
            await self._go_on_without(membership)
        except OutboxUnavailableError:
            self._poll.look_at_all()  # the outbox writer logs the error

    async def _act(self, membership: Membership, look: Look) -> None:
        """Act on a look: register, claim and release targets, and decide for those that are held."""
        self._away_since = None
        is_due = trio.current_time() >= self._register_again_at
        if look.is_back or look.missing or is_due or not self._is_registered:
            targets = self._views.targets
            await tell_combined(self._database, self._disk.outbox.id, tuple(targets.values()))
            self._register_again_at = math.inf
            self._is_registered = targets is self._views.targets  # a reload meanwhile brings others
        self._owned.doubt(look.missing)
        await self._end_what_is_over(look.now)
        if not membership.is_held:
            # For example after a freeze: other replicas may have taken over the targets.
            self._owned.doubt()
            return
        await self._follow(membership)
        self._settled_looks = self._settled_looks + 1 if self._poll.is_settled else 0
        if self._settled_looks:
            await self._decide(look.now)
        if self._settled_looks >= LOOKS_AFTER_AWAY:
            await self._alone.end()

    async def _follow(self, membership: Membership) -> None:
        """Release and claim targets by the newest agreement."""
        share = membership.share
        assert share is not None, "the lease lasts"
        if (share, self._views.targets) != self._known:
            former, self._known = self._known[0], (share, self._views.targets)
            self._wanted = frozenset(name for name in self._views.targets if share.holds(name))
            if any(one is not None and one.peers != one.agreed for one in (former, share)):
                self._owned.doubt()  # replicas with another file decide for some of these as well
        claimed = await self._owned.follow(self._wanted, steady_seconds(), is_mixed=share.is_mixed)
        standings = self._owned.standings
        self._views.take((name, PlaceView(COMBINED, standings[name].state, standings[name].since)) for name in claimed)
        self._due |= claimed
        membership.let_go(share.epoch)
        if self._owned.has_all:
            membership.put_into_effect(share.epoch)

    async def _decide(self, now: datetime) -> None:
        due = [name for name in self._due if self._owned.holds(name)]
        self._due = set(due)  # the others become due when they are claimed
        for first in range(0, len(due), TARGETS_A_TURN):
            decisions, some = dict[str, Decision](), due[first : first + TARGETS_A_TURN]
            self._due.difference_update(some)  # removed first: targets that a reload changes meanwhile become due again
            for name in some:
                views = self._views.views_of(name)
                found = decide(self._views.targets[name], self._owned.standings[name], views, now) if views else None
                if found is not None:
                    decisions[name] = found
                elif views:
                    self._causes.note(name, self._views.combined_of(name))
            if decisions:
                try:
                    await self._owned.record(decisions)
                except OutboxUnavailableError:
                    self._due.update(some)
                    raise
                self._views.take((name, one.view) for name, one in decisions.items())
                for name, one in decisions.items():
                    self._causes.note(name, one.view, is_flip=True)
            await trio.lowlevel.checkpoint()
        await self._causes.write(self.decides)
        if self._owned.standings and trio.current_time() >= self._mark_at:
            self._mark_at = trio.current_time() + MARK_SECONDS
            await mark_decided(self._database, self._disk.outbox.id)

    async def _end_what_is_over(self, now: datetime) -> None:
        ended, renamed = set(self._ended), dict(self._renamed)
        if ended:  # while these had an owner, a replica with the former file may have registered them
            self._register_again_at = trio.current_time() + TELL_AGAIN_SECONDS
        await self._owned.end(ended, renamed, now, self._configured)
        self._ended -= ended
        self._renamed = {old: new for old, new in self._renamed.items() if old not in renamed}

    async def _go_on_without(self, membership: Membership) -> None:
        """Decide alone once PostgreSQL has been away for long, and the lease could not be renewed either."""
        self._settled_looks = 0
        if self._away_since is None:
            self._away_since = trio.current_time()
        is_away = trio.current_time() >= self._away_since + self._timing.alone_after_seconds
        if is_away and membership.is_cut_off:
            with suppress(OutboxUnavailableError):
                await self._alone.decide(self._views.targets, utc_now())

    def _figures(self) -> Figures:
        return Figures(len(self._owned.standings))

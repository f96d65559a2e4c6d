"""Several places watch one target: this replica among the replicas of all places. Trio.

The location `*` is one like others, with members, an agreement, owners and flips. Only what is a check elsewhere is a
decision here: its replicas look once a second what the places say.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn, Protocol

import structlog
import trio

from watcher import __version__
from watcher.cluster.fingerprint import fingerprint_of
from watcher.cluster.membership import Membership
from watcher.cluster.replica_name import kept_name
from watcher.cluster.values import Figures, Replica, Seat
from watcher.daemon.places.alone import Alone
from watcher.daemon.places.decisions import Decision, decide
from watcher.daemon.places.ownership import OwnedTargets
from watcher.daemon.sharing.incidents import ClaimsWithIncidents
from watcher.daemon.sharing.sharer import FORCE_BEATS
from watcher.model.clock_trust import steady_seconds
from watcher.model.places import COMBINED
from watcher.outbox.errors import OutboxUnavailableError
from watcher.postgres.errors import StorageError
from watcher.postgres.ownership import Ownership
from watcher.postgres.queries.channels import ChannelLedger
from watcher.postgres.queries.places import living_places, mark_decided, tell_combined, views_of_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from watcher.cluster.values import Timing
    from watcher.config import Configuration
    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread
    from watcher.postgres.db import Database
    from watcher.recording.board import Board
    from watcher.recording.place_views import PlaceViews

log = structlog.get_logger()

LOOK_SECONDS = 1.0
# A look for what has changed goes back so far: what was confirmed then may have waited in an outbox.
RECENT_SECONDS = 15.0
# After so many looks for what has changed, one at all of them finds what came later than that.
LOOKS_BETWEEN_ALL = 60
# Between two notes that somebody decides: one that is older than three of them says that nobody does.
MARK_SECONDS = 5.0
JOIN_SECONDS = 3.0


class Surroundings(Protocol):
    """What the daemon has opened; see `watcher.daemon.sinks.Sinks`."""

    @property
    def disk(self) -> OutboxThread:
        """The outbox."""

    @property
    def board(self) -> Board:
        """The newest of each target."""

    @property
    def place_views(self) -> PlaceViews:
        """What places say."""

    @property
    def timing(self) -> Timing:
        """Of the replicas' leases."""


class Places:
    """This replica among the replicas of all places, for as long as a target is watched by several of them.

    Attributes:
        membership: who is there of all places; None while no target is watched by several.
    """

    def __init__(
        self,
        databases: tuple[Database, Database],
        sinks: Surroundings,
        configuration: Configuration,
        *,
        written: Callable[[], None],
        share_with: Callable[[Membership | None], None],
    ) -> None:
        """Make one that has not joined.

        Args:
            databases: where the replicas meet, and where it is read what places say.
            sinks: what the daemon has opened. The id of its outbox is that of the replica.
            configuration: what it begins with.
            written: called when something new is in the outbox.
            share_with: told with whom channels are shared: with the replicas of all places, or None.
        """
        self._database, self._reader = databases
        self._disk = sinks.disk
        self._views = sinks.place_views
        self._timing = sinks.timing
        self._written = written
        self._share_with = share_with
        settings = configuration.settings
        self._name = settings.replica or kept_name(settings.data_dir)
        me = sinks.disk.outbox.id
        ledger = ChannelLedger(self._database, COMBINED, me)
        claims = ClaimsWithIncidents(Ownership(self._database, sinks.disk, COMBINED), ledger, sinks.disk, COMBINED)
        self._owned = OwnedTargets(sinks.disk, claims, written, FORCE_BEATS * self._timing.beat_seconds)
        self._alone = Alone(sinks.disk, settings.location, sinks.board, self._views, self._owned, written)
        self.membership: Membership | None = None
        self._targets: Mapping[str, Target] = {}
        self._fingerprint = ""
        self._is_registered = False
        self._looks_left = 0  # before one at all of them
        self._mark_at = 0.0
        self._away_since: float | None = None
        self._changed = trio.Event()
        self.use(configuration.targets, configuration.alerting)

    def use(self, targets: Iterable[Target], alerting: AlertingOptions) -> None:
        """Take what is configured."""
        targets = tuple(targets)
        self._targets = {target.name: target for target in targets if target.locations}
        self._fingerprint = fingerprint_of(targets, alerting) if self._targets else ""
        self._views.use({name: target.locations for name, target in self._targets.items()})
        self._is_registered, self._looks_left = False, 0
        self._changed.set()

    async def run(self) -> NoReturn:
        """Decide what is this replica's to decide, whenever several places watch a target, until cancelled."""
        while True:
            self._changed = trio.Event()
            if self._targets:
                await self._take_part()
            else:
                await self._changed.wait()

    async def leave(self) -> None:
        """Leave all decisions to others."""
        if self.membership is not None:
            with suppress(OutboxUnavailableError):
                await self._owned.release(list(self._owned.standings), (), datetime.now(UTC))
            await self.membership.leave()

    async def end(self) -> None:
        """Tell the others that the database has all that was decided here, and that they need not wait any more."""
        if self.membership is not None:
            await self.membership.end()

    async def _take_part(self) -> None:
        """Meet the others until no target is watched by several places any more."""
        seat = Seat(self._disk.outbox.id, uuid.uuid4(), self._fingerprint)
        replica = Replica(COMBINED, seat, self._name, __version__)
        self.membership = Membership(self._database, replica, self._figures, self._timing)
        self._share_with(self.membership)
        await self.membership.join(JOIN_SECONDS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.membership.run)
            nursery.start_soon(self._look_on, self.membership)
            while self._targets:
                self._changed = trio.Event()
                self.membership.set_fingerprint(self._fingerprint)
                await self._changed.wait()
            nursery.cancel_scope.cancel()
        await self._withdraw(self.membership)

    async def _withdraw(self, membership: Membership) -> None:
        """Leave the others, since no target is watched by several places here."""
        self._share_with(None)
        owned = list(self._owned.standings)
        with suppress(OutboxUnavailableError, StorageError):
            await self._owned.release(owned, owned, datetime.now(UTC))
            await tell_combined(self._database, self._disk.outbox.id, ())
        await membership.leave()
        await membership.end()
        self.membership = None

    async def _look_on(self, membership: Membership) -> NoReturn:
        while True:
            try:
                await self._look(membership)
            except StorageError:
                await self._go_on_without()
            except OutboxUnavailableError:
                self._looks_left = 0  # the outbox writer tells of it
            with trio.move_on_after(LOOK_SECONDS):
                await self._changed.wait()

    async def _look(self, membership: Membership) -> None:
        """Look once what places say, and decide what is this replica's to decide."""
        now, living = await living_places(self._reader, self._timing.grace_seconds)
        are_all = self._looks_left <= 0 or living != self._views.living
        names = list(self._targets) if are_all else None
        seen = await views_of_places(self._reader, names, None if are_all else RECENT_SECONDS)
        self._views.take_all(seen, living, are_all=are_all)
        self._looks_left = LOOKS_BETWEEN_ALL if are_all else self._looks_left - 1
        if self._away_since is not None:
            await self._owned.confirm()
            await self._alone.end()
            self._away_since, self._is_registered = None, False
        if not self._is_registered:
            await tell_combined(self._database, self._disk.outbox.id, tuple(self._targets.values()))
            self._is_registered = True
        claimed = await self._follow(membership, now)
        news = (self._views.take_news() | claimed) & self._owned.standings.keys()
        if membership.is_held:
            await self._decide(list(self._owned.standings) if are_all else news, now)

    async def _follow(self, membership: Membership, now: datetime) -> set[str]:
        """Release and claim what the newest agreement says."""
        share = membership.share
        if share is None:
            return set()
        membership.let_go(share.epoch)
        claimed = await self._owned.follow(share, self._targets.keys(), now, steady_seconds())
        if self._owned.has_all:
            membership.put_into_effect(share.epoch)
        return claimed

    async def _decide(self, names: Iterable[str], now: datetime) -> None:
        decisions = dict[str, Decision]()
        for name in names:
            found = decide(self._targets[name], self._owned.standings[name], self._views.views_of(name), now)
            if found is not None:
                decisions[name] = found
        if decisions:
            await self._owned.record(decisions)
            for name, one in decisions.items():
                self._views.take(name, one.view)
        if self._owned.standings and trio.current_time() >= self._mark_at:
            self._mark_at = trio.current_time() + MARK_SECONDS
            await mark_decided(self._database, self._disk.outbox.id)

    async def _go_on_without(self) -> None:
        """Decide alone where PostgreSQL has not answered for long."""
        self._looks_left = 0
        if self._away_since is None:
            self._away_since = trio.current_time()
        if trio.current_time() >= self._away_since + self._timing.alone_after_seconds:
            with suppress(OutboxUnavailableError):
                await self._alone.decide(self._targets, datetime.now(UTC))

    def _figures(self) -> Figures:
        return Figures(len(self._owned.standings))

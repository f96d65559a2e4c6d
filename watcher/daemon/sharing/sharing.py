"""Makes this replica join the others of its location, watch its share, and leave. Trio."""

from __future__ import annotations

import math
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NoReturn, Protocol

import structlog
import trio

from watcher import __version__
from watcher.checking.gate import Gate
from watcher.cluster.fingerprint import fingerprint_of
from watcher.cluster.membership import Membership
from watcher.cluster.replica_name import kept_name
from watcher.cluster.values import Figures, Replica, Seat
from watcher.daemon.sharing.incidents import ClaimsWithIncidents
from watcher.daemon.sharing.sharer import Sharer
from watcher.daemon.sharing.start import Beginning, resume_share
from watcher.model.clock_trust import WALL_CLOCK, next_beat
from watcher.model.target import watched_at
from watcher.model.wording import duration
from watcher.outbox.errors import OutboxUnavailableError
from watcher.postgres.errors import StorageError
from watcher.postgres.ownership import Ownership
from watcher.postgres.queries.channels import ChannelLedger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from watcher.checking.check_context import CheckContext
    from watcher.cluster.protocol import Share
    from watcher.cluster.values import Timing
    from watcher.config import Configuration
    from watcher.daemon.changes import Change
    from watcher.daemon.sharing.sharer import Step
    from watcher.model.state import Standing
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread
    from watcher.postgres.db import Database
    from watcher.recording.recorder import Tally

log = structlog.get_logger()

# How long a start waits for the database: for the other replicas, and then for the owners of the targets.
JOIN_SECONDS = 3.0
FIRST_CLAIM_SECONDS = 3.0
# How often the targets of this replica are compared with their owners in the database, and how long that may take.
TAKE_BACK_EVERY_SECONDS = 10.0
TAKE_BACK_SECONDS = 3.0
# How long targets may be between two owners after a change of the share.
MOVING_SECONDS = 10


class Surroundings(Protocol):
    """The parts of the daemon that sharing needs; see `watcher.daemon.sinks.Sinks`."""

    @property
    def disk(self) -> OutboxThread:
        """The outbox."""

    @property
    def tally(self) -> Tally:
        """Counts the checks."""

    @property
    def timing(self) -> Timing:
        """The times of the replicas' leases."""

    @property
    def tell_share(self) -> Callable[[int, int], None]:
        """Takes the number of targets watched here, and the number of replicas that share all of them."""


class Sharing:
    """Makes this replica watch its share of the targets of its location.

    Attributes:
        membership: the replicas of the location.
        gate: which targets may be checked here.
    """

    def __init__(self, database: Database, sinks: Surroundings, configuration: Configuration) -> None:
        """Start without having joined.

        Args:
            database: shared by the replicas; nothing else uses its connections.
            sinks: the parts of the daemon. The id of its outbox is that of the replica.
            configuration: of the start.
        """
        disk, timing, settings = sinks.disk, sinks.timing, configuration.settings
        location = settings.location
        fingerprint = fingerprint_of(configuration.targets, configuration.alerting)
        seat = Seat(disk.outbox.id, uuid.uuid4(), fingerprint)
        self._database = database
        self._disk = disk
        self._location = location
        self._timing = timing
        self._sinks = sinks
        self._at_last_beat = 0.0, 0  # the summed lateness of all checks in seconds, and their number
        self._of_the_file: Sequence[Target] = configuration.targets  # of the start
        self._configured: Sequence[Target] = watched_at(configuration.targets, location)
        self._context: CheckContext | None = None
        self._sharer: Sharer | None = None
        self._ownership = Ownership(database, disk, location)
        past = ChannelLedger(database, location, disk.outbox.id)
        self._claims = ClaimsWithIncidents(self._ownership, past, disk, location)
        replica = Replica(location, seat, settings.replica or kept_name(settings.data_dir), __version__)
        self._first_share: Share | None = None
        self._has_logged_clock = False
        self._asked_at = math.inf  # when the last answered beat was sent
        self._lapsed = trio.Event()  # set when a beat came later than the lease
        self.membership = Membership(database, replica, self._figures, timing, refer=self._refer)
        self.gate = Gate(self._may_check, self._wait_to_check)

    async def join(self) -> None:
        """Join the other replicas and learn the time of the database, before anything is dated.

        Raises:
            SchemaTooNewError: a newer version of watcher has upgraded the database.
        """
        self._first_share = await self.membership.join(JOIN_SECONDS)

    async def begin(self) -> Beginning:
        """Return the targets to watch from the start, after `join`."""
        share = self._first_share
        if share is None:
            log.warning("PostgreSQL unreachable, other replicas unknown: all targets of this location are checked here")
            return Beginning(self._configured, frozenset(target.name for target in self._configured))
        held = [target for target in self._configured if share.holds(target.name)]
        names = [target.name for target in held]
        taken, owners = None, dict[str, uuid.UUID]()
        with trio.move_on_after(FIRST_CLAIM_SECONDS):
            await self._leave_former_location()
            owners = await self._owners_of_others(frozenset(names))
            taken = await self._claims.claim(names)
        if taken is None:
            return Beginning(held, frozenset(names), owners=owners)
        return Beginning([target for target in held if target.name in taken], taken=taken, owners=owners)

    @property
    def counts(self) -> tuple[int, int] | None:
        """The number of replicas that share the targets, and of targets watched here; None if unknown."""
        share = self.membership.share
        if share is None or self._sharer is None:
            return None
        return max(len(share.agreed), 1), self._sharer.watched

    @property
    def shared_epoch(self) -> int | None:
        """A number that changes with the targets of the other replicas; None while there are no others."""
        share, sharer = self.membership.share, self._sharer
        if share is None or share.is_alone or sharer is None:
            return None
        # A lost target is another's only once that one has claimed it: until then, each look is at all of them.
        since = int(trio.current_time() - sharer.changed_at)
        return share.epoch * MOVING_SECONDS + min(since, MOVING_SECONDS - 1)

    async def until_shared(self) -> None:
        """Wait until there are others."""
        while (share := self.membership.share) is None or share.is_alone:
            await self.membership.changed_from(share)

    def resume(self, beginning: Beginning, now: float) -> Awaitable[Mapping[str, Standing]]:
        """Resume the targets watched here; see `resume_share`."""
        configured, self._of_the_file = self._of_the_file, ()
        return self._disk.run(lambda outbox: resume_share(outbox, beginning, configured, self._location, now))

    async def run(
        self,
        context: CheckContext,
        beginning: Beginning,
        changes: trio.MemoryReceiveChannel[Change],
        apply: Callable[[Step], Awaitable[None]],
    ) -> NoReturn:
        """Beat, and follow the file and the other replicas until cancelled.

        Args:
            context: of the checks.
            beginning: the targets watched from the start.
            changes: of the file.
            apply: applies a step to all parts of the daemon.
        """
        self._context = context
        beat_seconds, tell = self._timing.beat_seconds, self._sinks.tell_share
        pick = partial(watched_at, location=self._location)
        sharer = Sharer(self.membership, self._claims, apply, _fingerprint, beat_seconds, tell=tell, pick=pick)
        sharer.begin(self._configured, beginning.targets, beginning.unclaimed)
        self._sharer = sharer
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.membership.run)
            nursery.start_soon(sharer.run, changes)
            nursery.start_soon(self._keep_known)
            nursery.start_soon(self._claim_what_others_took)
            await trio.sleep_forever()
        raise AssertionError("all tasks run until cancelled")

    async def leave(self) -> None:
        """Leave: the others take over as soon as the database has what this replica knows."""
        await self.membership.leave()

    async def end(self) -> None:
        """End the lease: the database has everything, so the others need not wait any more."""
        await self.membership.end()

    def rename(self, renamed: Mapping[str, str], here: Collection[str]) -> None:
        """Record renames of targets.

        Args:
            renamed: the new names, by the former ones.
            here: the names of targets that start here without a claim.
        """
        self._claims.rename(renamed, here)

    async def take_back(self) -> None:
        """Write again who owns the targets that are watched here, if the database was restored from a backup."""
        share = self.membership.share
        if share is None or self._sharer is None or share.is_mixed or not self.membership.is_held:
            return  # another replica may have taken them over
        names, count = self._sharer.claimed, 0
        with suppress(OutboxUnavailableError, StorageError), trio.move_on_after(TAKE_BACK_SECONDS):
            count = await self._ownership.take_back(names, share.epoch)
        if count:
            log.warning("the database has lost the owners of targets, writing them again", targets=count)

    async def _keep_known(self) -> NoReturn:
        while True:
            await trio.sleep_until(next_beat(trio.current_time(), TAKE_BACK_EVERY_SECONDS))
            await self.take_back()

    async def _claim_what_others_took(self) -> NoReturn:
        """Claim targets again that others took while the lease may have been over, whatever the agreement."""
        while True:
            await self._lapsed.wait()
            self._lapsed = trio.Event()
            assert self._sharer is not None
            try:
                names = self._sharer.names
                owners = await self._ownership.owners_of(names)
            except StorageError:
                self._lapsed.set()
                await trio.sleep(self._timing.beat_seconds)
            else:
                me = self._disk.outbox.id
                self._sharer.claim_anew(name for name in names if owners.get(name) != me)

    def _refer(self, asked_at: float, answered_at: float, seconds: float) -> None:
        """Use the database's time in the answer to a beat, and record whether the beat came after the lease."""
        if answered_at > self._asked_at + self._timing.ttl_seconds:
            self._lapsed.set()
        self._asked_at = asked_at
        WALL_CLOCK.refer(asked_at, answered_at, seconds)
        ahead = WALL_CLOCK.ahead_seconds
        if ahead is not None and not self._has_logged_clock:
            far = f"{duration(round(abs(ahead)))} {'ahead of' if ahead > 0 else 'behind'}"
            log.warning(f"this clock is {far} the database's; times follow the database's")
        elif ahead is None and self._has_logged_clock:
            log.info("this clock agrees with the database's again; times follow this clock")
        self._has_logged_clock = ahead is not None

    def _may_check(self, name: str) -> bool:
        return self.membership.gate.is_open and (self._sharer is None or self._sharer.may_check(name))

    async def _wait_to_check(self, name: str) -> None:
        while not self._may_check(name):
            await self.membership.gate.passed()
            if self._sharer is not None and not self._sharer.may_check(name):
                await self._sharer.caught_up()

    async def _owners_of_others(self, here: frozenset[str]) -> dict[str, uuid.UUID]:
        """Return the owners of the targets that this outbox knows and that are not watched here."""
        with suppress(OutboxUnavailableError, StorageError):
            known = await self._disk.run(lambda outbox: outbox.standings(self._location))
            return await self._ownership.owners_of([name for name in known if name not in here])
        return {}

    async def _leave_former_location(self) -> None:
        """Forget targets that others now watch at this replica's former location: they are not paused."""
        with suppress(OutboxUnavailableError, StorageError):
            former = await self._disk.run(lambda outbox: outbox.meta("location"))
            if former in {None, self._location}:
                return
            known = await self._disk.run(lambda outbox: outbox.standings(former))
            owners = await self._ownership.owners_of(list(known), former)
            others = [name for name, owner in owners.items() if owner != self._disk.outbox.id]
            await self._disk.run(lambda outbox: outbox.forget_standings(former, others))

    def _figures(self) -> Figures:
        if self._context is None or self._sharer is None:
            return Figures()
        clock = self._context.clock
        until = self.gate.checked_until(clock.now(), self._context.timer.next_due)
        return Figures(self._sharer.watched, self._lateness_ms(), datetime.fromtimestamp(until, UTC))

    def _lateness_ms(self) -> float | None:
        """Return the mean lateness of checks since the last beat."""
        seconds, checks = self._sinks.tally.lateness.sum, self._sinks.tally.successes + self._sinks.tally.failures
        (seconds_before, checks_before), self._at_last_beat = self._at_last_beat, (seconds, checks)
        return (seconds - seconds_before) / (checks - checks_before) * 1000 if checks > checks_before else None


def _fingerprint(change: Change) -> str:
    return fingerprint_of(change.difference.targets, change.alerting)

"""Applies changes of the file and of the share to the targets that are watched here. Trio.

It compares the watched targets with those that should be watched, and takes steps until both are the same. So a step
that is cut off, comes too early, or fails for lack of the database is found again by the next comparison.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

import structlog
import trio

from watcher.checking.scheduling.small_turns import in_small_turns
from watcher.daemon.sharing.moves import find_moves, gained
from watcher.daemon.sharing.wanted import Wanted
from watcher.model.difference import Difference

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from watcher.cluster.protocol import Share
    from watcher.daemon.changes import Change
    from watcher.model.resumption import Taken
    from watcher.model.target import Target

log = structlog.get_logger()
T = TypeVar("T")

# A target that another replica has not released yet is claimed again after this time.
RETRY_SECONDS = 0.2
# Claiming takes at most this share of the time, so that many failing claims do not load the database.
ASKING_SHARE = 1 / 3
# How long a claim may delay other steps, for example while packets are lost; a claim that is cut off is repeated.
CLAIM_CUT_OFF_SECONDS = 3.0
# The most targets in one claim: claimed targets start while the next are claimed.
TARGETS_A_CLAIM = 2000
# The most targets compared in the loop; more would hold up the checks, so a thread compares them.
COMPARED_IN_LOOP = 500


class Members(Protocol):
    """The replicas of this location; see `watcher.cluster.membership.Membership`."""

    @property
    def share(self) -> Share | None:
        """This replica's share by the newest agreement; the same object while it is the same."""

    async def changed_from(self, known: Share | None) -> Share:
        """Return this replica's share, once it differs from the known one."""

    def set_fingerprint(self, fingerprint: str) -> None:
        """Announce another configuration."""

    def let_go(self, epoch: int) -> None:
        """Report that every target that an agreement took away has ended here."""

    def put_into_effect(self, epoch: int) -> None:
        """Report that every target that an agreement brought is checked here."""


class Claims(Protocol):
    """The ownership of targets in the database; see `watcher.postgres.ownership.Ownership`."""

    async def claim(self, names: Sequence[str], *, by_force: bool = False) -> dict[str, Taken] | None:
        """Claim targets that no other living replica has, or by force; None if the database is unreachable."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the targets watched here.

    Attributes:
        difference: of the targets watched here.
        file: the whole change of the file, if a file caused the step.
        moved: names of removed targets that are watched elsewhere from now on.
        taken: what is known of starting targets that were watched elsewhere, by name.
    """

    difference: Difference
    file: Change | None = None
    moved: frozenset[str] = frozenset()
    taken: Mapping[str, Taken] = field(default_factory=dict)


class Sharer:
    """Makes this replica watch its share of the configured targets.

    Attributes:
        changed_at: when the watched or configured targets last changed.
    """

    def __init__(
        self,
        members: Members,
        claims: Claims,
        apply: Callable[[Step], Awaitable[None]],
        fingerprint: Callable[[Change], str],
        beat_seconds: float,
        clock: Callable[[], float] = trio.current_time,
        tell: Callable[[int, int], None] = lambda _targets, _replicas: None,
        pick: Callable[[Sequence[Target]], Sequence[Target]] = lambda targets: targets,
    ) -> None:
        """Create a sharer; it watches nothing before `begin`.

        Args:
            members: the replicas.
            claims: claims targets in the database.
            apply: applies a step to all parts of the daemon.
            fingerprint: of a configuration; may be called in a thread.
            beat_seconds: the time between two looks at the other replicas.
            clock: seconds.
            tell: called with the number of targets watched here, and the number of replicas that share all of them.
            pick: returns those of the configured targets that the replicas share; may be called in a thread.
        """
        self._pick = pick
        self._report_watched = tell
        self._members = members
        self._claims = claims
        self._apply = apply
        self._fingerprint = fingerprint
        self._beat_seconds = beat_seconds
        self._clock = clock
        self._wake = trio.Event()
        self._pending: Change | None = None
        self._configured: Sequence[Target] = ()
        self._new = frozenset[str]()  # names that the newest file has and the one before did not have
        self._watched: dict[str, Target] = {}
        self._wanted: dict[str, Wanted] = {}
        self._unclaimed: set[str] = set()  # watched, though their owners could not be queried
        self._is_away = False
        self._news = frozenset[str]()  # names changed since all replicas last had the same file
        self._moved_at = -math.inf  # when any wanted target was claimed last
        self._asking_seconds = 0.0  # how long it took to claim all wanted targets
        self.changed_at = clock()
        self._gained = self._lost = 0
        self._logged = -1  # the epoch of the last line
        self._in_effect: Share | None = None
        self._effective = trio.Event()

    @property
    def watched(self) -> int:
        """The number of targets watched here."""
        return len(self._watched)

    @property
    def claimed(self) -> list[str]:
        """The names of the targets that are watched here and were claimed; none while the share is about to change."""
        is_changing = self._members.share is not self._in_effect
        return [] if is_changing else [name for name in self._watched if name not in self._unclaimed]

    @property
    def names(self) -> list[str]:
        """The names of the targets that are watched here."""
        return list(self._watched)

    def claim_anew(self, names: Iterable[str]) -> None:
        """Claim watched targets again that others may have claimed meanwhile."""
        self._unclaimed |= self._watched.keys() & set(names)
        self._wake.set()

    def begin(self, configured: Sequence[Target], watched: Sequence[Target], unclaimed: Iterable[str] = ()) -> None:
        """Set the targets that are watched from the start.

        Args:
            configured: all targets that the replicas share.
            watched: those that are watched here.
            unclaimed: names of those that are watched though their owners could not be queried.
        """
        self._configured, self._watched = configured, {target.name: target for target in watched}
        self._unclaimed = set(unclaimed)

    def may_check(self, name: str) -> bool:
        """Whether a target is this replica's, also while loops of lost targets have not ended yet."""
        share = self._members.share
        return share is self._in_effect or share is None or share.holds(name)

    async def caught_up(self) -> None:
        """Wait until all targets that the newest share takes away have ended."""
        while self._members.share is not self._in_effect:
            await self._effective.wait()

    async def run(self, changes: trio.MemoryReceiveChannel[Change]) -> NoReturn:
        """Follow the file and the share until cancelled.

        Args:
            changes: of the file. Each is marked as applied when all targets have ended and started, except those that
                another replica has not released yet.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take_changes, changes)
            nursery.start_soon(self._follow_shares)
            while True:
                self._wake = trio.Event()
                await self._step()
                with trio.move_on_after(self._pause_seconds()):
                    await self._wake.wait()

    async def _take_changes(self, changes: trio.MemoryReceiveChannel[Change]) -> None:
        async for change in changes:
            # The sender waits until the change is applied: there is never more than one.
            self._pending = change
            self._wake.set()

    async def _follow_shares(self) -> NoReturn:
        known: Share | None = None
        while True:
            known = await self._members.changed_from(known)
            self._wake.set()

    def _pause_seconds(self) -> float:
        """Return the seconds to the next step, unless something wakes it before."""
        if not self._is_in_effect():
            return max(RETRY_SECONDS, self._asking_seconds * (1 / ASKING_SHARE - 1))
        return self._beat_seconds if self._unclaimed or self._wanted else math.inf

    def _is_in_effect(self) -> bool:
        """Whether every target of the share is watched, except those that are left to replicas with another file."""
        return all(wanted.is_left for wanted in self._wanted.values())

    async def _step(self) -> None:
        """End lost targets, and start those that can be claimed."""
        share, change, self._pending = self._members.share, self._pending, None
        assert share is not None, "a share exists before anything is watched"
        if change is not None:
            await self._take_file(change)
        if change is not None or share is not self._in_effect:
            await self._compare(share, change)
        began_at = self._clock()
        await self._gain()
        self._asking_seconds = self._clock() - began_at
        if self._is_in_effect():
            self._members.put_into_effect(share.epoch)
            self._log_share(share)
        if change is not None:
            change.taken_over.set()

    async def _take_file(self, change: Change) -> None:
        """Apply the configured targets of a file, and record which of them are new."""
        before, targets = self._configured, change.difference.targets

        def compute() -> tuple[Sequence[Target], frozenset[str], str]:
            picked = self._pick(targets)
            new = {target.name for target in picked}.difference(target.name for target in before)
            return picked, frozenset(new), self._fingerprint(change)

        self._configured, self._new, fingerprint = await self._off_the_loop(compute, len(targets))
        self._members.set_fingerprint(fingerprint)

    async def _compare(self, share: Share, change: Change | None) -> None:
        """Compare, and end lost targets first, since other replicas wait for them."""
        renamed = None if change is None else change.difference.renamed
        moves = await self._off_the_loop(lambda: find_moves(self._watched, self._configured, share.holds, renamed))
        if change is not None or moves.ends_or_changes:
            moved = frozenset(target.name for target in moves.lost)
            await self._apply(Step(moves.first, change, moved))
            self._watched = {target.name: target for target in (*moves.staying, *moves.going_on)}
            self._unclaimed &= self._watched.keys()
            self._unclaimed |= {target.name for target in moves.going_on}
            self._lost += len(moved)
        self._want(moves.wanted, share, change)
        if share is not self._in_effect:
            if _may_be_others(self._in_effect, share):
                self._unclaimed |= self._watched.keys()
            self._in_effect = share
            self._effective.set()
            self._effective = trio.Event()
            self._members.let_go(share.epoch)

    def _want(self, targets: Iterable[Target], share: Share, change: Change | None) -> None:
        """Record the targets to watch here that another replica may still have."""
        now = self.changed_at = self._clock()
        is_mixed = bool(share.peers) and share.peers != share.agreed
        new = frozenset[str]()
        if change is not None:
            new = self._new
            changed = new.union(target.name for target in change.difference.changed)
            self._news = changed | self._news if is_mixed else changed
        waiting, self._wanted = self._wanted, {}
        for target in targets:
            known, is_left = waiting.get(target.name), is_mixed and target.name not in self._news
            since = now if known is None or known.is_left is not is_left else known.since
            is_new = target.name in new if known is None else known.is_new
            self._wanted[target.name] = Wanted(target, since, is_new, is_left)

    async def _gain(self) -> None:
        """Claim the wanted targets, and start each portion while the next is claimed."""
        names = [*self._wanted, *self._unclaimed]
        claimed: tuple[Sequence[str], Mapping[str, Taken] | None] = (), {}
        for first in range(0, len(names), TARGETS_A_CLAIM):
            some = names[first : first + TARGETS_A_CLAIM]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._begin, *claimed)
                taken = await self._claim(some)
            claimed = some, taken
            if taken is None or self._wake.is_set():
                break  # the database is unreachable, or other targets may be wanted by now
        await self._begin(*claimed)

    async def _begin(self, some: Sequence[str], taken: Mapping[str, Taken] | None) -> None:
        """Start the claimed ones of some targets.

        Args:
            some: the names in the claim.
            taken: what is known of the claimed ones; None if the database is unreachable.
        """
        if taken is None:
            beginning = self._overdue()
            self._unclaimed |= {target.name for target in beginning}
        else:
            beginning = [self._wanted[name].target for name in some if name in taken and name in self._wanted]
            await self._go_on_as_others_did({name: taken[name] for name in taken.keys() & self._unclaimed})
            self._unclaimed -= taken.keys()
            if beginning:
                self._moved_at = self._clock()
        if beginning:
            known = {target.name: taken[target.name] for target in beginning} if taken else {}
            await self._apply(Step(gained(self._watched.values(), beginning), taken=known))
            self._watched |= {target.name: target for target in beginning}
            self._gained += len(beginning)
        for target in beginning:
            del self._wanted[target.name]

    def _overdue(self) -> list[Target]:
        """Return the targets to start without a claim: better two replicas that check a target than none.

        Targets that others have watched wait as long as a claim may take: a replica that starts them without asking
        repeats the others' findings, and a database that restarts is back soon.
        """
        since = self._clock() - CLAIM_CUT_OFF_SECONDS
        return [wanted.target for wanted in self._wanted.values() if wanted.is_new or wanted.since <= since]

    async def _go_on_as_others_did(self, claimed: Mapping[str, Taken]) -> None:
        """Restart targets that others watched too while the database was away: flips are one chain."""
        others = {name: known for name, known in claimed.items() if known.until is not None and known.standing}
        if others:
            changed = tuple(self._watched[name] for name in others)
            await self._apply(Step(Difference(changed=changed, targets=tuple(self._watched.values())), taken=others))

    async def _claim(self, names: Sequence[str]) -> Mapping[str, Taken] | None:
        taken = None
        with trio.move_on_after(CLAIM_CUT_OFF_SECONDS):
            taken = await self._claims.claim(names)
        is_waiting = len(self._overdue()) < len(self._wanted)
        self._log_outage(is_away=taken is None and not is_waiting)
        if taken is None:
            return None
        beats = self._clock(), self._moved_at, self._beat_seconds
        held = [self._wanted[name] for name in names if name not in taken and name in self._wanted]
        late = [wanted.target.name for wanted in held if wanted.is_late(*beats)]
        if not late:
            return taken
        forced = await self._claims.claim(late, by_force=True) or {}
        if forced:  # targets that this replica has released itself are not claimed
            log.warning("targets taken over by force, their replica does not release them", targets=len(forced))
        return {**taken, **forced}

    def _log_outage(self, *, is_away: bool) -> None:
        """Log that the database is unreachable; for a daemon alone, other lines suffice."""
        share = self._members.share
        if is_away and not self._is_away and share is not None and not share.is_alone:
            log.warning("PostgreSQL unreachable, owners of targets unknown: this replica checks those of its share")
        self._is_away = is_away

    async def _off_the_loop(self, compute: Callable[[], T], count: int = 0) -> T:
        """Compute in a thread if there are many targets, or `count` is large."""
        if max(len(self._configured), len(self._watched), count) <= COMPARED_IN_LOOP:
            return compute()
        with in_small_turns():
            return await trio.to_thread.run_sync(compute)

    def _log_share(self, share: Share) -> None:
        """Log a share once all its targets have started."""
        # Nothing is logged for a daemon alone, or for one that is not part of an agreement yet.
        is_other = share.epoch != self._logged and bool(share.peers) and not (share.is_alone and self._logged < 0)
        if not (is_other or self._gained or self._lost):
            return
        self._logged = share.epoch
        self._report_watched(len(self._watched), len(share.peers))
        log.info(
            "share",
            epoch=share.epoch,
            replicas=len(share.peers),
            targets=len(self._watched),
            gained=self._gained or None,
            lost=self._lost or None,
        )
        self._gained = self._lost = 0


def _may_be_others(former: Share | None, share: Share) -> bool:
    """Return whether others may have claimed targets that stay here: by another file, or an agreement between."""
    if former is None:
        return share.peers != share.agreed
    return former.peers != former.agreed or share.peers != share.agreed or share.epoch - former.epoch not in {0, 1}

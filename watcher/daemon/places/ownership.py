"""Claims and releases targets at the location `*`, and keeps the combined standing of those claimed here. Trio."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from watcher.model.clock_trust import wall_seconds
from watcher.model.places import COMBINED
from watcher.model.resumption import RENAMED, TAKEN_OUT, left_by
from watcher.model.state import NEVER_CHECKED, Flip, State
from watcher.outbox.encoding import encode_standing, encode_standing_entry
from watcher.outbox.flip_door import record_flips
from watcher.outbox.startup import release, standings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from watcher.daemon.places.decisions import Decision
    from watcher.daemon.sharing.sharer import Claims
    from watcher.model.resumption import Taken
    from watcher.model.state import Standing
    from watcher.outbox.outbox import Outbox
    from watcher.outbox.thread import OutboxThread

log = structlog.get_logger()

# The most targets in one claim.
TARGETS_A_CLAIM = 2000


class OwnedTargets:
    """The targets for which this replica decides, with the combined standing of each.

    Attributes:
        standings: by name.
    """

    def __init__(self, disk: OutboxThread, claims: Claims, written: Callable[[], None], force_seconds: float) -> None:
        """Start without targets.

        Args:
            disk: the outbox.
            claims: takes targets at the location `*`.
            written: called when the outbox has a new entry.
            force_seconds: how long to wait for a living owner that does not release a target.
        """
        self._disk = disk
        self._claims = claims
        self._written = written
        self._force_seconds = force_seconds
        self.standings: dict[str, Standing] = {}
        self._doubted = set[str]()  # names in `standings` that another replica may have taken over
        self._wanted_since: dict[str, float] = {}  # of targets that are not held here yet; by the steady clock
        self._is_mixed = False

    def holds(self, target: str) -> bool:
        """Whether this replica decides for a target, and no other replica can have taken it over."""
        return target in self.standings and target not in self._doubted

    def doubt(self, names: Iterable[str] | None = None) -> None:
        """Claim some or all targets again before the next decision: another replica may have taken them over."""
        self._doubted |= self.standings.keys() if names is None else self.standings.keys() & set(names)

    async def follow(self, wanted: Collection[str], clock_seconds: float, *, is_mixed: bool = False) -> set[str]:
        """Release the targets that are not wanted, and claim those that are.

        Args:
            wanted: the names of the targets for which this replica is to decide.
            clock_seconds: of a clock that is never set.
            is_mixed: whether replicas have different files. A target has one common state, so a living owner with
                another file keeps it: otherwise the replicas would take it from each other.

        Returns:
            the names of the targets that this call has claimed.

        Raises:
            OutboxUnavailableError: standings cannot be read, or a release cannot be written.
        """
        await self.release([name for name in self.standings if name not in wanted])
        missing = [name for name in wanted if not self.holds(name)]
        waiting, self._is_mixed = {} if is_mixed else self._wanted_since, is_mixed
        self._wanted_since = {name: waiting.get(name, clock_seconds) for name in missing}
        claimed = set[str]()
        for first in range(0, len(missing), TARGETS_A_CLAIM):
            some = missing[first : first + TARGETS_A_CLAIM]
            taken = await self._claim(some, clock_seconds)
            if taken is None:
                break
            await self._take(taken)
            claimed |= taken.keys()
        return claimed

    @property
    def has_all(self) -> bool:
        """Whether all wanted targets are held here, except those that replicas with another file may keep."""
        return self._is_mixed or all(map(self.holds, self._wanted_since))

    async def record(self, decisions: Mapping[str, Decision]) -> None:
        """Write decisions to the outbox, all or nothing.

        Args:
            decisions: by the names of their targets, which are all held here.

        Raises:
            OutboxUnavailableError: they are not written.
        """
        standings = {name: decision.standing for name, decision in decisions.items()}
        await self._disk.run(partial(_record, flips=[one.flip for one in decisions.values()], standings=standings))
        self.standings |= {name: one for name, one in standings.items() if name in self.standings}
        self._written()

    async def release(self, names: Sequence[str]) -> None:
        """Release targets, so that other replicas can claim them.

        Args:
            names: of the targets.

        Raises:
            OutboxUnavailableError: the release is not written.
        """
        if not names:
            return
        await self._disk.run(partial(_release, names=names))
        for name in names:
            self.standings.pop(name, None)
            self._doubted.discard(name)
        self._written()

    async def end(
        self, names: Collection[str], renamed: Mapping[str, str], now: datetime, kept: Collection[str] = ()
    ) -> None:
        """Pause and release targets that were removed from the file, or no longer have `locations`.

        Args:
            names: of targets for which this replica decides, or did when it ran last.
            renamed: new names of targets, by the former ones.
            now: the time.
            kept: names that are still configured.

        Raises:
            OutboxUnavailableError: the flips or the release are not written.
        """
        if not names:
            return
        known = await self._disk.run(partial(standings_of, names=names, location=COMBINED)) | self.standings
        before = {name: known[name] for name in names if name in known}
        ended = {name: one.held(State.PAUSED, now) for name, one in before.items()}
        flips = [
            Flip(
                *(name, COMBINED, one.since or now, now, one.state, before[name].state),
                RENAMED if name in renamed else left_by(COMBINED) if name in kept else TAKEN_OUT,
                number=one.flips,
            )
            for name, one in ended.items()
            if one is not before[name]
        ]
        await self._disk.run(partial(_record, flips=flips, standings=ended))
        await self.release(list(names))

    async def _claim(self, names: Sequence[str], clock_seconds: float) -> Mapping[str, Taken] | None:
        taken = await self._claims.claim(names)
        if taken is None:
            return None
        force_at = clock_seconds - self._force_seconds
        late = [name for name in names if name not in taken and self._wanted_since[name] <= force_at]
        if self._is_mixed or not late:
            return taken
        log.warning("decisions taken over by force, their replica does not release them", targets=len(late))
        return {**taken, **(await self._claims.claim(late, by_force=True) or {})}

    async def _take(self, taken: Mapping[str, Taken]) -> None:
        """Take over the standings of claimed targets, from the database or from this outbox, which may know more."""
        own = await self._disk.run(partial(standings_of, names=taken, location=COMBINED))
        for name, one in taken.items():
            mine = max((self.standings.get(name), own.get(name)), key=_flips_of)
            self.standings[name] = _standing_of(one, mine)
        self._doubted.difference_update(taken)


def _standing_of(taken: Taken, mine: Standing | None) -> Standing:
    """Return the standing of a claimed target: this replica's, unless another replica has decided since."""
    theirs = taken.standing or NEVER_CHECKED
    if mine is None or mine.flips <= theirs.flips:
        return theirs
    # Decisions from before another replica took over come late, but keep their number.
    return mine if taken.until is None else replace(theirs, flips=mine.flips)


def _flips_of(standing: Standing | None) -> int:
    return -1 if standing is None else standing.flips


def _record(outbox: Outbox, flips: Sequence[Flip], standings: Mapping[str, Standing]) -> None:
    record_flips(
        outbox,
        flips,
        now=wall_seconds(),
        beside=[encode_standing_entry(name, COMBINED, standing) for name, standing in standings.items()],
        standings=[(COMBINED, name, encode_standing(standing)) for name, standing in standings.items()],
    )


def _release(outbox: Outbox, names: Sequence[str]) -> None:
    now = wall_seconds()
    release(outbox, names, COMBINED, now, checked_until=now)
    outbox.forget_standings(COMBINED, names)

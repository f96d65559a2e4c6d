"""The targets for which this replica decides: claimed and released at the location `*`, with where they stand. Trio."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from watcher.model.places import COMBINED
from watcher.model.resumption import TAKEN_OUT
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

# So many targets are claimed at once, and begin to be decided on while the others are asked for.
TARGETS_A_CLAIM = 2000


class Share(Protocol):
    """What is agreed on; see `watcher.cluster.protocol.Share`."""

    @property
    def epoch(self) -> int:
        """Of the agreement."""

    def holds(self, name: str) -> bool:
        """Whether this replica decides for a target."""


class OwnedTargets:
    """The targets for which this replica decides, and where each stands.

    Attributes:
        standings: by name.
    """

    def __init__(self, disk: OutboxThread, claims: Claims, written: Callable[[], None], force_seconds: float) -> None:
        """Begin with none.

        Args:
            disk: the outbox.
            claims: whose targets are at the location `*`.
            written: called when something new is in the outbox.
            force_seconds: for how long a living owner that does not release a target is waited for.
        """
        self._disk = disk
        self._claims = claims
        self._written = written
        self._force_seconds = force_seconds
        self.standings: dict[str, Standing] = {}
        self._wanted_since: dict[str, float] = {}

    async def follow(self, share: Share, configured: Collection[str], now: datetime, clock_seconds: float) -> set[str]:
        """Release what is another's, and claim what is this replica's.

        Args:
            share: what is agreed on.
            configured: the names of all targets that several places watch.
            now: the time.
            clock_seconds: the same on a clock that nobody sets.

        Returns:
            the names of targets that were claimed just now.
        """
        lost = [name for name in self.standings if name not in configured or not share.holds(name)]
        if lost:
            await self.release(lost, [name for name in lost if name not in configured], now)
        wanted = [name for name in configured if name not in self.standings and share.holds(name)]
        self._wanted_since = {name: self._wanted_since.get(name, clock_seconds) for name in wanted}
        claimed = set[str]()
        for first in range(0, len(wanted), TARGETS_A_CLAIM):
            some = wanted[first : first + TARGETS_A_CLAIM]
            taken = await self._claim(some, clock_seconds)
            if taken is None:
                break
            await self._take(taken)
            claimed |= taken.keys()
        return claimed

    @property
    def has_all(self) -> bool:
        """Whether nothing is waited for that another replica still has."""
        return self._wanted_since.keys() <= self.standings.keys()

    async def confirm(self) -> None:
        """Ask for all once more: while nobody could be asked, another may have taken them over."""
        names = list(self.standings)
        for first in range(0, len(names), TARGETS_A_CLAIM):
            some = names[first : first + TARGETS_A_CLAIM]
            taken = await self._claims.claim(some)
            if taken is None:
                return
            for name in some:
                if name not in taken:
                    del self.standings[name]
            await self._take(taken)

    async def record(self, decisions: Mapping[str, Decision]) -> None:
        """Write decisions down, all or nothing.

        Args:
            decisions: by the names of their targets, all of them owned.

        Raises:
            OutboxUnavailableError: they are not written.
        """
        standings = {name: decision.standing for name, decision in decisions.items()}
        await self._disk.run(partial(_record, flips=[one.flip for one in decisions.values()], standings=standings))
        self.standings |= standings
        self._written()

    async def release(self, names: Sequence[str], taken_out: Iterable[str], now: datetime) -> None:
        """Leave targets to other replicas.

        Args:
            names: of them.
            taken_out: those of them that no file has any more: they are paused, and nobody's.
            now: the time.

        Raises:
            OutboxUnavailableError: it is not written.
        """
        ended = {name: self.standings[name].held(State.PAUSED, now) for name in taken_out}
        flips = [
            Flip(
                name, COMBINED, one.since or now, now, one.state, self.standings[name].state, TAKEN_OUT, None, one.flips
            )
            for name, one in ended.items()
            if one is not self.standings[name]
        ]
        if flips:
            await self._disk.run(partial(_record, flips=flips, standings=ended))
        await self._disk.run(partial(_release, names=names))
        for name in names:
            del self.standings[name]
        self._written()

    async def _claim(self, names: Sequence[str], clock_seconds: float) -> Mapping[str, Taken] | None:
        taken = await self._claims.claim(names)
        if taken is None:
            return None
        late = [
            name
            for name in names
            if name not in taken and self._wanted_since[name] <= clock_seconds - self._force_seconds
        ]
        if not late:
            return taken
        log.warning("decisions are taken over by force, whoever makes them does not release them", targets=len(late))
        return {**taken, **(await self._claims.claim(late, by_force=True) or {})}

    async def _take(self, taken: Mapping[str, Taken]) -> None:
        """Go on where the database says that targets stand, or where this outbox does, which may know more."""
        own = await self._disk.run(partial(standings_of, names=taken, location=COMBINED))
        for name, one in taken.items():
            known = one.standing or NEVER_CHECKED
            mine = self.standings.get(name) or own.get(name)
            self.standings[name] = mine if mine is not None and mine.flips > known.flips else known


def _record(outbox: Outbox, flips: Sequence[Flip], standings: Mapping[str, Standing]) -> None:
    record_flips(
        outbox,
        flips,
        now=time.time(),
        beside=[encode_standing_entry(name, COMBINED, standing) for name, standing in standings.items()],
        standings=[(COMBINED, name, encode_standing(standing)) for name, standing in standings.items()],
    )


def _release(outbox: Outbox, names: Sequence[str]) -> None:
    now = time.time()
    release(outbox, names, COMBINED, now, checked_until=now)
    outbox.forget_standings(COMBINED, names)

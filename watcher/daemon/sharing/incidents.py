"""Moves open incidents with their targets to the replica that takes the targets over. Trio."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from watcher.model.clock_trust import utc_now
from watcher.model.resumption import Taken
from watcher.model.state import Standing, State
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.shared_alerts import adopt_incidents
from watcher.outbox.startup import standings_of
from watcher.postgres.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from watcher.alerting.policy.event import Incident
    from watcher.outbox.thread import OutboxThread

log = structlog.get_logger()

_WITHOUT_INCIDENT = frozenset({State.UP, State.PAUSED, State.PENDING})
# The most renamed targets whose new names wait for a claim; the oldest are dropped first, and begin without incident.
MAX_RENAMED = 10_000


class Claims(Protocol):
    """Claims targets; see `watcher.postgres.ownership.Ownership`."""

    async def claim(
        self, names: Sequence[str], *, by_force: bool = False, renamed: Collection[str] = ()
    ) -> dict[str, Taken] | None:
        """Claim targets that no other living replica has, or by force; None if the database is unreachable."""


class Past(Protocol):
    """Reads incidents; see `watcher.postgres.queries.channels`."""

    async def incidents(self, targets: Sequence[str]) -> list[Incident]:
        """Return the open incidents of targets, according to their flips."""


class ClaimsWithIncidents:
    """Claims targets together with their incidents."""

    def __init__(self, claims: Claims, past: Past, disk: OutboxThread, location: str) -> None:
        """Create the claims.

        Args:
            claims: claims the targets.
            past: reads incidents.
            disk: the outbox, which keeps them.
            location: of this replica.
        """
        self._claims = claims
        self._past = past
        self._disk = disk
        self._location = location
        # Of renamed targets that are not claimed yet, by the new names: the former name of one that another replica
        # has watched; None for one that goes on here, with its state and its incident. At most `MAX_RENAMED`.
        self._formers: dict[str, str | None] = {}

    def rename(self, renamed: Mapping[str, str], here: Collection[str] = ()) -> None:
        """Record renames of targets, so that a claim of a new name continues the incident of the former.

        Args:
            renamed: the new names, by the former ones.
            here: the new names of targets that were watched here and go on here.
        """
        self._formers |= {new: None if new in here else old for old, new in renamed.items()}
        for name in list(self._formers)[:-MAX_RENAMED]:
            del self._formers[name]

    async def claim(self, names: Sequence[str], *, by_force: bool = False) -> dict[str, Taken] | None:
        """Claim targets before anything is recorded of them here; see `watcher.postgres.ownership.Ownership`.

        Targets that go on here under another name are claimed while they are checked.
        """
        going_on = [name for name in names if name in self._formers and self._formers[name] is None]
        taken = await self._claims.claim(names, by_force=by_force, renamed=going_on)
        if not taken:
            return taken
        from_others = {name: one for name, one in taken.items() if one.until is not None}
        if from_others:
            try:
                await self._adopt(from_others)
            except (StorageError, OutboxUnavailableError) as error:
                log.warning("open incidents of targets taken over are unknown", error=error)
        formers = {name: self._formers.pop(name, None) for name in taken}
        new = {old: name for name, old in formers.items() if old is not None and taken[name].standing is None}
        if new:
            try:
                taken |= await self._go_on(new)
            except (StorageError, OutboxUnavailableError) as error:
                log.warning("open incidents of renamed targets are unknown", error=error)
        return taken

    async def _go_on(self, new_names: Mapping[str, str]) -> dict[str, Taken]:
        """Continue open incidents under new names, given by the former ones; nobody has watched these before."""
        own = await self._disk.run(partial(standings_of, names=new_names.values(), location=self._location))
        left = {old: name for old, name in new_names.items() if name not in own}
        opened = [replace(one, target=left[one.target]) for one in await self._past.incidents(list(left))]
        targets = [one.target for one in opened]
        await self._disk.run(partial(adopt_incidents, location=self._location, targets=targets, incidents=opened))
        now = utc_now()
        return {one.target: Taken(Standing(State.UNKNOWN, now, one.trouble)) for one in opened}

    async def _adopt(self, taken: Mapping[str, Taken]) -> None:
        own = await self._disk.run(partial(standings_of, names=taken, location=self._location))
        names = [name for name, one in taken.items() if not _knows_more(own.get(name), one)]
        open_ones = [
            name
            for name in names
            if (standing := taken[name].standing) is not None and standing.state not in _WITHOUT_INCIDENT
        ]
        incidents = await self._past.incidents(open_ones) if open_ones else []
        adopt = partial(adopt_incidents, location=self._location, targets=names, incidents=incidents)
        await self._disk.run(adopt)


def _knows_more(mine: Standing | None, other: Taken) -> bool:
    """Return whether this replica has found a state after the other last checked the target."""
    return mine is not None and mine.since is not None and other.until is not None and mine.since > other.until

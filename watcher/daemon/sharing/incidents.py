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
    from collections.abc import Mapping, Sequence

    from watcher.alerting.policy.event import Incident
    from watcher.daemon.sharing.sharer import Claims
    from watcher.outbox.thread import OutboxThread

log = structlog.get_logger()

_WITHOUT_INCIDENT = frozenset({State.UP, State.PAUSED, State.PENDING})


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
        self._formers: dict[str, str] = {}  # the former names of renamed targets, by the new ones

    def rename(self, renamed: Mapping[str, str]) -> None:
        """Record renames of targets, so that a claim of a new name continues the incident of the former.

        Args:
            renamed: the new names, by the former ones.
        """
        self._formers |= {new: old for old, new in renamed.items()}

    async def claim(self, names: Sequence[str], *, by_force: bool = False) -> dict[str, Taken] | None:
        """Claim targets before anything is recorded of them here; see `watcher.postgres.ownership.Ownership`."""
        taken = await self._claims.claim(names, by_force=by_force)
        from_others = {name: one for name, one in (taken or {}).items() if one.until is not None}
        if from_others:
            try:
                await self._adopt(from_others)
            except (StorageError, OutboxUnavailableError) as error:
                log.warning("open incidents of targets taken over are unknown", error=error)
        new = [name for name, one in (taken or {}).items() if one.standing is None and name in self._formers]
        if new and taken is not None:
            try:
                taken |= await self._go_on(new)
            except (StorageError, OutboxUnavailableError) as error:
                log.warning("open incidents of renamed targets are unknown", error=error)
        return taken

    async def _go_on(self, names: Sequence[str]) -> dict[str, Taken]:
        """Continue open incidents of renamed targets under their new names."""
        own = await self._disk.run(partial(standings_of, names=names, location=self._location))
        new_names = {self._formers[name]: name for name in names if name not in own}
        opened = [replace(one, target=new_names[one.target]) for one in await self._past.incidents(list(new_names))]
        targets = [one.target for one in opened]
        await self._disk.run(partial(adopt_incidents, location=self._location, targets=targets, incidents=opened))
        now = utc_now()
        return {one.target: Taken(Standing(State.UNKNOWN, now, one.trouble), now) for one in opened}

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

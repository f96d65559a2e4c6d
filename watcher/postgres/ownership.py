"""Claims targets for this replica in the database that several replicas share; trio-flavoured."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from watcher.model.clock_trust import utc_now
from watcher.model.resumption import Taken
from watcher.model.state import OF_THE_OPERATOR, Standing, State, state_named
from watcher.outbox.encoding import decode_standing
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.startup import last_entry, state_anew, waiting_releases
from watcher.postgres.bridge import transaction
from watcher.postgres.errors import DatabaseRefusedError, DatabaseUnavailableError
from watcher.postgres.server_encoding import stored_name
from watcher.postgres.tables.ownership import (
    CLAIM,
    COUNT_OWNED,
    LOCK_TARGETS,
    MAKE_STATES,
    NEWEST_FLIPS,
    OWNERS,
    TAKE_BACK,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Mapping, Sequence

    from watcher.outbox.thread import OutboxThread
    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database

# The most targets claimed in one transaction: other replicas that want the same rows wait until it ends.
CLAIMED_AT_ONCE = 5000
CLAIM_SECONDS = 5.0


class Ownership:
    """Claims targets for this replica in the database. The outbox releases them, by entries."""

    def __init__(self, database: Database, disk: OutboxThread, location: str) -> None:
        """Create the claims of a location.

        Args:
            database: the one that the replicas share.
            disk: the outbox, whose id is that of this replica.
            location: the location of this replica.
        """
        self._database = database
        self._disk = disk
        self._outbox = disk.outbox.id  # as of the start: a file that replaces a damaged one has another id
        self._location = location

    async def claim(
        self, names: Sequence[str], *, by_force: bool = False, renamed: Collection[str] = ()
    ) -> dict[str, Taken] | None:
        """Claim targets that no other living replica has. Targets that this replica already has are claimed as well.

        A target that this replica has released itself is not claimed before the release is stored: until then the
        database does not know the target's state.

        Args:
            names: of the targets.
            by_force: whether to claim them from living replicas too.
            renamed: those that this replica has checked since they got these names. Unless one has had an owner, its
                flips in the database are this replica's own.

        Returns:
            what is known of the claimed targets, by name; None if the database cannot be queried.
        """
        taken: dict[str, Taken] = {}
        try:
            released, newest = await self._disk.run(
                lambda outbox: (waiting_releases(outbox, self._location), last_entry(outbox))
            )
            wanted = [name for name in names if name not in released]
            for first in range(0, len(wanted), CLAIMED_AT_ONCE):
                some = wanted[first : first + CLAIMED_AT_ONCE]
                taken |= await self._claim(some, newest, by_force=by_force, renamed=renamed)
        except (DatabaseUnavailableError, DatabaseRefusedError, OutboxUnavailableError):
            return None
        return taken

    async def owners_of(self, names: Sequence[str], location: str | None = None) -> dict[str, uuid.UUID]:
        """Return the owners of targets, by name; targets without an owner are left out.

        Args:
            names: of the targets.
            location: where they are watched, that of this replica by default.

        Raises:
            DatabaseUnavailableError, DatabaseRefusedError: the database cannot be queried.
        """
        rows = await self._database.fetch(OWNERS, location or self._location, list(names))
        return {row["target"]: row["owner"] for row in rows}

    async def take_back(self, names: Sequence[str], epoch: int) -> int:
        """Write again that this replica owns its targets, for example after a restore of the database.

        Args:
            names: of the targets, which this replica has claimed.
            epoch: of the agreement that gives it the targets; nothing is written if the database has another one.

        Returns:
            how many had another owner there, or none.

        Raises:
            DatabaseUnavailableError, DatabaseRefusedError, OutboxUnavailableError: it cannot be read or written.
        """
        (row,) = await self._database.fetch(COUNT_OWNED, self._location, self._outbox)
        if row["owned"] >= len(names):
            return 0
        released = await self._disk.run(lambda outbox: waiting_releases(outbox, self._location))
        wanted, found = [name for name in names if name not in released], list[str]()
        for first in range(0, len(wanted), CLAIMED_AT_ONCE):
            found += await self._take_back(wanted[first : first + CLAIMED_AT_ONCE], epoch)
        if found:
            await self._disk.run(lambda outbox: state_anew(outbox, found, self._location))
        return len(found)

    async def _take_back(self, names: Sequence[str], epoch: int) -> list[str]:
        async def take(connection: Connection) -> list[Any]:
            """Run in one transaction, locks first. This is an asyncio-flavoured function."""
            encoding = connection.get_settings().server_encoding
            stored.update((stored_name(name, encoding), name) for name in names)
            place = self._location, list(stored)
            async with transaction(connection, limit_seconds=CLAIM_SECONDS):
                await connection.execute(LOCK_TARGETS, *place, self._outbox, True, timeout=CLAIM_SECONDS)
                return await connection.fetch(TAKE_BACK, *place, self._outbox, epoch, timeout=CLAIM_SECONDS)

        stored: dict[str, str] = {}
        return [stored[row["target"]] for row in await self._database.operate(take, CLAIM_SECONDS)]

    async def _claim(
        self, names: Sequence[str], newest: int, *, by_force: bool, renamed: Collection[str]
    ) -> dict[str, Taken]:
        if not names:
            return {}

        async def claim(connection: Connection) -> list[Any]:
            """Run in one transaction, locks first. This is an asyncio-flavoured function."""
            encoding = connection.get_settings().server_encoding
            stored.update((stored_name(name, encoding), name) for name in names)
            place = self._location, list(stored)
            async with transaction(connection, limit_seconds=CLAIM_SECONDS):
                await connection.execute(MAKE_STATES, *place, timeout=CLAIM_SECONDS)
                free = await connection.fetch(LOCK_TARGETS, *place, self._outbox, by_force, timeout=CLAIM_SECONDS)
                place = self._location, [row["target"] for row in free]
                own = [name for name, shown in stored.items() if shown in renamed]
                arguments = *place, self._outbox, newest, by_force, own
                return await connection.fetch(CLAIM, *arguments, timeout=CLAIM_SECONDS)

        stored: dict[str, str] = {}
        rows = await self._database.operate(claim, CLAIM_SECONDS)
        now = utc_now()
        taken = {stored[row["target"]]: _taken(row, now) for row in rows}
        forgotten = [row["target"] for row in rows if row["standing"] is None and row["since"] is None]
        if forgotten:
            for row in await self._database.fetch(NEWEST_FLIPS, self._location, forgotten):
                until = None if row["alive_at"] is None else min(row["alive_at"], now)
                taken[stored[row["target"]]] = Taken(_standing_of(row), until)
        return taken


def _taken(row: Mapping[str, Any], now: datetime) -> Taken:
    seconds = row["unwatched_seconds"]
    until = None if seconds is None else now - timedelta(seconds=max(seconds, 0.0))
    return Taken(_standing_of(row), until, row["checked_until"])


def _standing_of(row: Mapping[str, Any]) -> Standing | None:
    """Return the standing of a target, from its newest flip if that is newer than the owner's note."""
    state, since = state_named(row["state"]), row["since"]
    noted = None if row["standing"] is None else decode_standing(row["standing"])
    if since is None or (noted is not None and (noted.state is state or (noted.since or since) >= since)):
        return noted
    former = State.PENDING if noted is None else noted.state
    if state not in {State.UNKNOWN, *OF_THE_OPERATOR}:
        former = state
    elif noted is not None and former in {State.UNKNOWN, *OF_THE_OPERATOR}:
        former = noted.before
    return Standing(state, since, former, flips=max(row["flips"] or 0, 0 if noted is None else noted.flips))

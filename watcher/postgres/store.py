"""Stores outbox entries in the tables, each batch in one transaction."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.outbox.encoding import (
    ACK,
    ALERT_EVENT,
    CHANNEL_STEP,
    FAILURE,
    FLIP,
    NOTIFICATION,
    RELEASE,
    ROLLUPS,
    SILENCE,
    STANDING,
    joined,
    present_form,
)
from watcher.postgres.bridge import COMMAND_SECONDS, transaction
from watcher.postgres.errors import DatabaseRefusedError, DatabaseUnavailableError
from watcher.postgres.owned_entries import (
    Numbered,
    lock_and_sort_out,
    place_late,
    store_releases,
    store_standings,
    texts_and_numbers,
)
from watcher.postgres.registration import COUNT_WATCHED, MARK_ALIVE, REGISTRATION_SECONDS, TARGETS_A_SECOND
from watcher.postgres.schema import MADE_BY, MISSING
from watcher.postgres.server_encoding import advice_on, fitting_json
from watcher.postgres.tables.alerting import DROP_SETTLED_MESSAGES, INSERT_ALERT_EVENTS, apply_step
from watcher.postgres.tables.failures import INSERT_FAILURES
from watcher.postgres.tables.flips import INSERT_FLIPS, PUT_RIGHT, TIMES_OF_FLIPS
from watcher.postgres.tables.notifications import INSERT_NOTIFICATIONS
from watcher.postgres.tables.outboxes import COUNT_LATE, NOTE_STORED, STORED_UNTIL
from watcher.postgres.tables.rollups import INSERT_ROLLUPS
from watcher.postgres.tables.silences import INSERT_ACKS, INSERT_SILENCES
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from watcher.model.state import Flip
    from watcher.model.target import Target
    from watcher.outbox.outbox import Entry
    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database
    from watcher.postgres.owned_entries import Late
    from watcher.postgres.registration import Registration

    RecordFlips = Callable[[Sequence[Flip]], Awaitable[None]]

log = structlog.get_logger()

MAX_NAME_CHARS = 200
LOOK_SECONDS = 60.0
# The order matters: replicas could deadlock between two statements for rollups, so there is one, and it is the last.
_INSERTS = (
    (FAILURE, INSERT_FAILURES),
    (FLIP, INSERT_FLIPS),
    (NOTIFICATION, INSERT_NOTIFICATIONS),
    (NOTIFICATION, DROP_SETTLED_MESSAGES),
    (SILENCE, INSERT_SILENCES),
    (ACK, INSERT_ACKS),
    (ROLLUPS, INSERT_ROLLUPS),
)


class TableStore:
    """Stores outbox entries in a database; methods are trio-flavoured unless they say otherwise.

    Attributes:
        registration: of this daemon.
        look_seconds: time between two looks whether the registration is still there.
    """

    def __init__(
        self,
        database: Database,
        registration: Registration,
        *,
        shares: bool = False,
        opened: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    ) -> None:
        """Create the store of a database, which need not be reachable yet.

        Args:
            database: the destination of the rows.
            registration: of this daemon.
            shares: whether other replicas may exist.
            opened: called after each `open`, before anything is stored.
        """
        self._shares = shares
        self._opened = opened
        self._database = database
        self.registration = registration
        self._limit_seconds = COMMAND_SECONDS
        self._has_marked = self._has_corrected = False
        self._other = ""
        self._advice: str | None = None
        self._watched: int | None = None  # rows after the registration, if it succeeded
        self.look_seconds, self._look_at = LOOK_SECONDS, 0.0

    async def open(self, record: RecordFlips) -> int:
        """Create or upgrade the tables, and register the targets.

        The former outbox's states are ended before this outbox follows it in the database: the other way round, a crash
        in between would leave those targets up for ever.

        When packets are lost, only the limit ends the registration. The limit is short at first, and doubles while it
        is not enough, for example for many targets on a slow server.

        Args:
            record: sends flips to the tables, and returns when they are safe; may raise.

        Returns:
            the last entry of the outbox that the tables have, 0 if they know of none.
        """
        await self._database.init_db()
        await self._warn_of_encoding()
        limit_seconds = self._limit_seconds + len(self.registration.targets) / TARGETS_A_SECOND
        self._limit_seconds = min(2 * self._limit_seconds, REGISTRATION_SECONDS)
        self._watched, self._look_at = None, trio.current_time() + self.look_seconds
        registration = self.registration
        try:
            ended = await self._database.operate(
                partial(registration.register, limit_seconds=limit_seconds), limit_seconds
            )
            if ended:
                await record(ended)
            await self._database.operate(registration.follow)
            self._watched = await self._count_watched()
        except DatabaseRefusedError as error:
            # For example an address too long for an index. Results are stored all the same.
            log.error("the database refuses the registration of the targets", error=error)
        self._limit_seconds = COMMAND_SECONDS
        await self._correct_times()
        await self._opened()
        rows = await self._database.fetch(STORED_UNTIL, registration.outbox)
        return max((row["stored_until"] for row in rows), default=0)

    def retarget(self, targets: Sequence[Target]) -> None:
        """Replace the targets that the next `open` registers."""
        self.registration = replace(self.registration, targets=targets)

    async def store(self, entries: Sequence[Entry], follows: int | None = None) -> None:
        """Store entries, all or none; storing them again is harmless.

        Args:
            entries: of the outbox.
            follows: the last entry that the tables should have; the last of these then replaces it. None to neither
                check nor record it.

        Raises:
            DatabaseUnavailableError: trying again later may help.
            DatabaseRefusedError: one of them cannot be stored.
        """
        found: defaultdict[str, list[Numbered]] = defaultdict(list)
        try:
            for entry in entries:
                found[entry.kind].append(Numbered(entry.id, present_form(entry.kind, entry.payload)))
        except (ValueError, RecursionError) as error:
            raise DatabaseRefusedError(f"not an entry that this version writes: {error}") from error

        async def write(connection: Connection) -> bool:
            """Store all; return whether any flip lies in the future. This is an asyncio-flavoured function."""
            encoding = connection.get_settings().server_encoding
            async with transaction(connection):
                if follows is not None:
                    outbox, last_id = self.registration.outbox, entries[-1].id
                    _expect(follows, await connection.fetchval(NOTE_STORED, outbox, last_id))
                flips, late = await self._sort_out(connection, found)
                if events := found[ALERT_EVENT]:
                    await connection.execute(INSERT_ALERT_EVENTS, *texts_and_numbers(connection, events))
                for step in found[CHANNEL_STEP]:
                    await apply_step(connection, fitting_json(step.payload, encoding))
                for kind, insert in _INSERTS:
                    payloads = flips if kind == FLIP else [payload for _, payload in found[kind]]
                    if payloads:
                        await connection.execute(insert, fitting_json(joined(payloads), encoding))
                await self._store_owned(connection, found, late)
                # Checked on the entries, since searching the tables takes long.
                texts, _ = texts_and_numbers(connection, found[FLIP])
                times = await connection.fetchrow(TIMES_OF_FLIPS, texts) if found[FLIP] else None
                if times is not None and times["is_late"]:
                    await connection.execute(COUNT_LATE, self.registration.outbox)
                return times is not None and bool(times["is_ahead"])

        if await self._database.operate(write):
            await self._correct_times()

    async def _sort_out(
        self, connection: Connection, found: Mapping[str, Sequence[Numbered]]
    ) -> tuple[list[str], list[Late]]:
        """Separate the flips of this replica's targets from late ones. This is an asyncio-flavoured function."""
        flips, others = found[FLIP], [*found[STANDING], *found[RELEASE]]
        if not self._shares or not (flips or others):
            return [payload for _, payload in flips], []
        return await lock_and_sort_out(connection, self.registration.outbox, flips, others)

    async def _store_owned(
        self, connection: Connection, found: Mapping[str, Sequence[Numbered]], late: Sequence[Late]
    ) -> None:
        """Write what only the owner of a target, or a former one, may write. This is an asyncio-flavoured function."""
        outbox = self.registration.outbox
        if late and (left_out := await place_late(connection, late)):
            log.info("late flips left out, another replica watched their targets by then", flips=left_out)
        if found[STANDING]:
            await store_standings(connection, outbox, found[STANDING])
        if found[RELEASE]:
            await store_releases(connection, outbox, found[RELEASE])

    async def _correct_times(self) -> None:
        """Date back what lies in the future of the server's clock, and log it once."""
        for row in await self._database.fetch(PUT_RIGHT):
            if (row["flips"] or row["states"]) and not self._has_corrected:
                self._has_corrected = True
                log.warning("a clock was ahead of the database's: times in the future were dated back to now", **row)

    async def _warn_of_encoding(self) -> None:
        """Warn once of a database that is not in UTF-8."""
        for row in await self._database.fetch("SHOW server_encoding"):
            advice = advice_on(row["server_encoding"])
            if advice is not None and advice != self._advice:
                log.warning(advice)
            self._advice = advice

    async def is_known(self) -> bool:
        """Return whether the tables and the registered rows are still there; looks once a minute."""
        if self._watched is None or trio.current_time() < self._look_at:
            return True
        self._look_at = trio.current_time() + self.look_seconds
        missing = await self._database.fetch(MISSING, list(MADE_BY))
        return not any(row["names"] for row in missing) and await self._count_watched() >= self._watched

    async def _count_watched(self) -> int:
        rows = await self._database.fetch(COUNT_WATCHED, self.registration.location)
        return sum(row["watched"] for row in rows)

    async def mark_alive(self, moment: datetime, follows: int | None = None) -> None:
        """Record until when the history is complete.

        Args:
            moment: until when it is.
            follows: the last entry that the tables should have, None to not check it.

        Raises:
            DatabaseUnavailableError: it cannot be reached, or no longer has that entry.
        """
        daemon, location = self.registration.daemon, self.registration.location
        arguments = location, moment, daemon, self.registration.outbox, self._shares
        for row in await self._database.fetch(MARK_ALIVE, *arguments):
            if follows is not None:
                _expect(follows, row["stored_until"])
            other = row["marked_by"]
            if row["was_ahead"]:
                self._has_corrected = False
                log.warning("a clock was ahead: the time until which the history is complete was corrected", to=moment)
                await self._correct_times()
            # Before the first mark the other daemon may have ended. With replicas, others are expected.
            if self._has_marked and not self._shares and other not in {None, daemon, self._other}:
                self._other = other
                log.warning(
                    "another daemon has the same WATCHER_LOCATION, and both write one history: give each its own",
                    location=location,
                    other=one_line(other, limit_chars=MAX_NAME_CHARS),
                )
            self._has_marked = True


def _expect(follows: int, found: int | None) -> None:
    """Raise if the tables do not have the last entry that they had.

    Raises:
        DatabaseUnavailableError: another server may answer now: it is opened again, and asked for its last entry.
    """
    if (found or 0) > follows:
        # A daemon reads the last entry each time it opens a server, and only the daemon advances it.
        raise DatabaseUnavailableError("another daemon uses a copy of this data folder: give each daemon its own")
    if (found or 0) != follows:
        raise DatabaseUnavailableError("it lacks entries that it had, as after a restore or a failover")

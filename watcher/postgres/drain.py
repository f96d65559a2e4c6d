"""Copies outbox entries to PostgreSQL in order and deletes each batch once it is committed."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog
import trio

from watcher.model.clock_trust import next_beat, wall_seconds
from watcher.outbox.encoding import RELEASE
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.flip_door import record_ended
from watcher.postgres.errors import DatabaseRefusedError, DatabaseUnavailableError, StatementFailedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from watcher.model.state import Flip
    from watcher.model.target import Target
    from watcher.outbox.outbox import Entry, Outbox
    from watcher.outbox.thread import OutboxThread

log = structlog.get_logger()

# The limits of one batch. A server that is too slow for one gets smaller batches, until it keeps up.
MAX_BATCH_ROWS = 1000
MAX_BATCH_BYTES = 4 * 1024 * 1024
# Time between two tries, with full jitter. It starts with the first value and doubles up to the second, which is short:
# a new leader of a cluster should be found within seconds.
MIN_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 5.0
PING_SECONDS = 4.0  # every second beat of the membership, so that both wake the loop together
# A release of a thousand targets takes the database as long as this many rows.
ROWS_OF_A_RELEASE = 200
# Entries that arrive within this time are stored together.
GATHER_SECONDS = 0.25
OUTBOX_RETRY_SECONDS = 1.0
# A batch that takes longer is not followed by a larger one: twice the size could be too much.
QUICK_SECONDS = 1.0


class Store(Protocol):
    """The destination of entries; see `watcher.postgres.store.TableStore`."""

    async def open(self, record: Callable[[Sequence[Flip]], Awaitable[None]]) -> int:
        """Create or upgrade the tables and register the targets; return the last entry that they have."""

    def retarget(self, targets: Sequence[Target]) -> None:
        """Replace the targets that the next `open` registers."""

    async def store(self, entries: Sequence[Entry], follows: int | None = None) -> None:
        """Store entries, all or none; storing them again is harmless."""

    async def is_known(self) -> bool:
        """Return whether the registration of the last `open` is still there."""

    async def mark_alive(self, moment: datetime, follows: int | None = None) -> None:
        """Record until when the history is complete."""


class Drain:
    """Empties the outbox into a store whenever the store can be reached.

    Attributes:
        drained_until: the time up to which every entry has been stored, in seconds since 1970; None until this drain
            has stored everything once.
        first_up: set when the store was reached for the first time.
    """

    def __init__(
        self,
        disk: OutboxThread,
        store: Store,
        clock: Callable[[], float] = wall_seconds,
        keep_stored_seconds: float = 60.0,
    ) -> None:
        """Create a drain.

        Args:
            disk: the outbox.
            store: the destination of entries.
            clock: seconds since 1970.
            keep_stored_seconds: how long stored entries stay in the outbox while the database is there.
        """
        self._disk = disk
        self._store = store
        self._keep_stored_seconds = keep_stored_seconds
        # The last entry that the database is known to have; None until it is queried, each time after it was away.
        self._stored_until: int | None = None
        self._clock = clock
        self._wake = trio.Event()
        self._closing = trio.Event()
        # Unknown until the first try, so that a database that is there from the start is logged too.
        self._up: bool | None = None
        self._is_open = False
        self._tries = 0
        self.drained_until: float | None = None
        self.first_up = trio.Event()
        self._batch_rows = MAX_BATCH_ROWS

    @property
    def is_up(self) -> bool:
        """Whether the last try to use the database succeeded."""
        return self._up is True

    def wake(self) -> None:
        """Wake the drain: the outbox has a new entry."""
        self._wake.set()

    def retarget(self, targets: Sequence[Target]) -> None:
        """Register other targets in the store, as soon as it can be reached."""
        self._store.retarget(targets)
        self._is_open = False
        self._wake.set()

    def close(self) -> None:
        """Let `run` end when the outbox is empty or the database is away."""
        self._closing.set()
        self._wake.set()

    async def run(self, ready: trio.Event) -> None:
        """Drain until closed or cancelled; entries that are not stored stay in the outbox.

        Args:
            ready: set when the store can be tried.

        Raises:
            SchemaTooNewError: the tables were made by a newer version.
        """
        await _wait_for_any(ready, self._closing)
        while ready.is_set():
            is_last = self._closing.is_set()  # otherwise an entry may have come after the last look
            try:
                await self._drain()
            except (DatabaseUnavailableError, DatabaseRefusedError) as error:
                # Also when the database refuses and no entry is to blame: an operator may repair it.
                await self._back_off(error)
                is_last = self._closing.is_set()
            except OutboxUnavailableError:  # the outbox writer logs it
                await trio.sleep(OUTBOX_RETRY_SECONDS)
            if is_last:
                return
            if self._up and not self._closing.is_set():
                drained_at = trio.current_time()
                with trio.move_on_at(next_beat(drained_at, PING_SECONDS)):
                    await self._wake.wait()
                with trio.move_on_at(drained_at + GATHER_SECONDS):
                    await self._closing.wait()

    async def _drain(self) -> None:
        """Store all waiting entries."""
        if not (self._up and self._is_open):
            self._is_open = True  # set before, so that a change meanwhile is registered next time
            self._stored_until = None
            try:
                await self._open()
            except OutboxUnavailableError:
                self._is_open = False  # again when the disk has room: storing entries frees some
        is_all = False
        while not is_all:
            self._wake, begun = trio.Event(), trio.current_time()
            known = self._known()
            entries, is_all, alive_at = await self._disk.run(self._look) if known is None else known
            if entries:
                await self._store_all(entries)
                self._note_up()
                if trio.current_time() - begun < QUICK_SECONDS:
                    self._batch_rows = min(2 * self._batch_rows, MAX_BATCH_ROWS)
            if is_all and alive_at is not None and self._is_open:
                # All entries of the outbox up to then are stored. Before this outbox has followed another one, the mark
                # would be wrong for that one.
                await self._store.mark_alive(alive_at, self._stored_until)
                self.drained_until = alive_at.timestamp()
                if self._disk.outbox.has_outlived(self._keep_stored_seconds):
                    await self._disk.run(lambda outbox: outbox.forget_stored(self._keep_stored_seconds))
            if is_all and self._is_open:
                self._is_open = await self._store.is_known()
            self._note_up()

    async def _open(self) -> None:
        """Open the store, and send again what it has lost: a standby or a restored copy may lack stored entries."""
        stored_until = await self._store.open(self._record_ended)
        waiting = await self._disk.run(lambda outbox: outbox.send_again(stored_until, self._clock()))
        if waiting:
            log.warning("the database has lost stored entries, sending again those still here", entries=waiting)
        self._stored_until = stored_until

    async def _record_ended(self, flips: Sequence[Flip]) -> None:
        await self._disk.run(lambda outbox: record_ended(outbox, flips, self._clock()))

    def _known(self) -> tuple[list[Entry], bool, datetime | None] | None:
        """Return what `_look` would, where nothing waits, which needs no thread; else None."""
        alive_at = self._disk.outbox.alive_at  # before the rows, which are counted first
        is_known = isinstance(alive_at, float | int) and not self._disk.outbox.rows
        return ([], True, datetime.fromtimestamp(alive_at, UTC)) if is_known else None

    def _look(self, outbox: Outbox) -> tuple[list[Entry], bool, datetime | None]:
        """Return the entries to store next, whether they are all, and the outbox's alive time; runs in its thread."""
        entries, alive_at = outbox.peek(self._batch_rows, MAX_BATCH_BYTES), outbox.meta("alive_at")
        entries = _of_so_many_rows(entries, self._batch_rows)
        is_all = not entries or len(entries) >= outbox.rows
        return entries, is_all, None if alive_at is None else datetime.fromtimestamp(alive_at, UTC)

    async def _store_all(self, entries: Sequence[Entry]) -> None:
        """Store entries and delete them from the outbox; set a refused one aside, so that it blocks no other."""
        try:
            await self._store_in_order(entries)
        except DatabaseRefusedError as refusal:
            if len(entries) > 1:
                middle = len(entries) // 2
                await self._store_all(entries[:middle])
                await self._store_all(entries[middle:])
                return
            await self._set_aside(entries[0], refusal)
        except StatementFailedError as failure:
            await self._store_apart(entries, failure)

    async def _store_in_order(self, entries: Sequence[Entry]) -> None:
        """Store the oldest waiting entries and mark them as stored."""
        await self._store.store(entries, self._stored_until)
        if self._stored_until is None:  # most likely the disk is full
            await self._disk.run(lambda outbox: outbox.remove(entries))
            return
        self._stored_until = entries[-1].id
        await self._disk.run(partial(_mark_stored, entries, self._keep_stored_seconds))

    async def _store_apart(self, entries: Sequence[Entry], failure: StatementFailedError) -> None:
        """Store all entries except those whose statement fails while others of their kind succeed.

        Raises:
            StatementFailedError: the statement fails with any entry.
        """
        left, proven = list(entries), set[str]()
        while left:
            size = len(left)
            while size:  # halve the batch until its start can be stored, or the very first entry cannot
                try:
                    await self._store_in_order(left[:size])
                except StatementFailedError as again:
                    failure, size = again, size // 2
                else:
                    break
            first, left = left[: max(size, 1)], left[max(size, 1) :]
            if not size:
                if not (first[0].kind in proven or await self._can_store_one(first[0].kind, left)):
                    raise failure
                await self._set_aside(first[0], failure)
                continue
            proven |= {entry.kind for entry in first}

    async def _can_store_one(self, kind: str, entries: Sequence[Entry]) -> bool:
        """Return whether the newest entry of a kind can be stored; storing it again is harmless."""
        for entry in reversed(entries):
            if entry.kind == kind:
                try:
                    await self._store.store([entry])
                except StatementFailedError:
                    return False
                return True
        return False

    async def _set_aside(self, entry: Entry, error: StorageError) -> None:
        text = str(error)
        await self._disk.run(lambda outbox: outbox.set_aside(entry, text, self._clock()))
        log.error("entry refused by the database and set aside in the outbox", kind=entry.kind, error=text)

    async def _back_off(self, error: StorageError) -> None:
        if self._up is not False:
            log.warning("database unavailable, the outbox keeps new entries", error=error)
            self._up, self._tries = False, 0
        self._batch_rows = max(self._batch_rows // 2, 1)
        longest = min(MIN_BACKOFF_SECONDS * 2**self._tries, MAX_BACKOFF_SECONDS)
        self._tries = min(self._tries + 1, 10)
        with trio.move_on_after(random.uniform(MIN_BACKOFF_SECONDS, max(longest, 2 * MIN_BACKOFF_SECONDS))):  # noqa: S311
            await self._closing.wait()

    def _note_up(self) -> None:
        if not self._up:
            log.info("database connected", waiting=self._disk.outbox.rows)
            self._up = True
            self.first_up.set()


def _of_so_many_rows(entries: list[Entry], rows: int) -> list[Entry]:
    """Return the first entries that make up so many rows; a release counts by its number of targets."""
    for place, entry in enumerate(entries):
        rows -= ROWS_OF_A_RELEASE if entry.kind == RELEASE else 1
        if rows < 0:
            return entries[: max(place, 1)]
    return entries


def _mark_stored(entries: Sequence[Entry], keep_seconds: float, outbox: Outbox) -> None:
    outbox.mark_stored(entries)
    outbox.forget_stored(keep_seconds)


async def _wait_for_any(*events: trio.Event) -> None:
    async with trio.open_nursery() as nursery:

        async def wait(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        for event in events:
            nursery.start_soon(wait, event)

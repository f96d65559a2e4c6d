"""Takes in the orders of operators from the spool and PostgreSQL, and keeps those in force in memory. Trio."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn, TypeVar

import structlog
import trio

from watcher.alerting.silences import spool
from watcher.alerting.silences.bell import Bell
from watcher.alerting.silences.kept import forget, keep, kept_orders, open_since
from watcher.alerting.silences.orders import MAX_SILENCES, TooManyError, given_name, joined, too_many_silences
from watcher.model.alerts.silence import Ack, Silence
from watcher.model.clock_trust import next_beat, wall_seconds
from watcher.outbox.errors import OutboxUnavailableError
from watcher.postgres.errors import StorageError

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from watcher.alerting.silences.orders import Order
    from watcher.alerting.silences.present import Silences
    from watcher.outbox.thread import OutboxThread

    Read = Callable[[Sequence[uuid.UUID], datetime], Awaitable[list[Order]]]
    Listen = Callable[[Callable[[str], object]], Awaitable[object]]

Result = TypeVar("Result")

log = structlog.get_logger()

# An order takes effect within a second, with or without a bell.
LOOK_SECONDS = 0.5
LOOK_WITH_BELL_SECONDS = 3.0  # a command on another machine that shares the folder rings there, unheard
TIDY_SECONDS = 30.0
# How often PostgreSQL is queried for orders even without a notification; how long orders are gathered before one
# query; and how far back acks are read, since clocks differ.
ASK_SECONDS = 30.0
GATHER_SECONDS = 0.25
ACKS_BACK = timedelta(hours=1)
FIRST_ACKS_BACK = timedelta(days=30)
# An ack may arrive before its incident is on disk.
ACK_GRACE = timedelta(minutes=1)
RENAME_SECONDS = 3.0
MAX_ACKS = 10_000


class SilenceKeeper:
    """Stores the orders of operators: first on disk, then in memory, and in PostgreSQL when it is reachable.

    Attributes:
        silences: the orders in force.
    """

    def __init__(
        self,
        disk: OutboxThread,
        data_dir: Path,
        location: str,
        silences: Silences,
        kept: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = wall_seconds,
        in_trouble_since: Callable[[str], datetime | None] = lambda _target: None,
    ) -> None:
        """Create it without orders; `run` reads those on disk.

        Args:
            disk: the outbox.
            data_dir: WATCHER_DATA_DIR.
            location: of this replica.
            silences: updated with the orders in force.
            kept: called when the outbox has something new for PostgreSQL.
            clock: seconds since 1970.
            in_trouble_since: returns since when, at the latest, a target has an incident that another replica found;
                None if it has none, or its incident is here.
        """
        self.silences = silences
        self._in_trouble_since = in_trouble_since
        self._disk = disk
        self._data_dir = data_dir
        self._location = location
        self._kept = kept
        self._clock = clock
        # The orders in the outbox; only this class writes them.
        self._silences: dict[uuid.UUID, Silence] = {}
        self._acks: dict[uuid.UUID, Ack] = {}
        self._writing = trio.Lock()
        self._news = trio.Event()  # set when PostgreSQL may have something new
        self._renamed: dict[str, str] = {}  # since the start: PostgreSQL may not have these yet
        self._has_loaded = False
        self._folder_complaint = ""
        self._left_out = 0  # how many more orders the database had at the last query
        self._stuck: set[Path] = set()  # files that cannot be removed, logged once

    @property
    def now(self) -> datetime:
        """The moment, in UTC."""
        return datetime.fromtimestamp(self._clock(), UTC)

    async def begin(self) -> None:
        """Read the orders on disk, before the first notification; if that fails, `run` does it."""
        with suppress(OutboxUnavailableError):
            await self._load()

    async def run(self) -> NoReturn:
        """Take in orders from the spool and drop those that have ended, until cancelled."""
        tidy_at = -math.inf
        thread, bell = trio.CapacityLimiter(1), Bell()
        try:
            while True:
                is_done = False
                try:
                    await self._load()
                    paths = await self._look(bell, thread)
                    for path in paths:
                        await self._take_file(path, thread)
                    if trio.current_time() >= tidy_at + TIDY_SECONDS:
                        await self.tidy()
                        tidy_at = trio.current_time()
                    is_done = len(paths) < spool.MAX_AT_ONCE
                except OutboxUnavailableError:  # the outbox writer logs it; files stay where they are
                    pass
                await bell.wait(LOOK_WITH_BELL_SECONDS if bell.is_held and is_done else LOOK_SECONDS)
        finally:
            bell.close()

    async def follow(self, read: Read, listen: Listen, up: trio.Event) -> None:
        """Take in orders from PostgreSQL, on its notifications and at intervals, until cancelled.

        Args:
            read: see `watcher.postgres.queries.silences.read_orders`, of a database.
            listen: calls its argument whenever there may be new orders; returns or raises when it no longer can.
            up: set when the database can be tried.
        """
        await up.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, listen)
            nursery.start_soon(self._ask, read)

    async def _listen(self, listen: Listen) -> NoReturn:
        while True:
            with suppress(StorageError):  # the drain logs it
                await listen(lambda _told: self._news.set())
            await trio.sleep(ASK_SECONDS)

    async def _ask(self, read: Read) -> NoReturn:
        since = self.now - FIRST_ACKS_BACK
        while True:
            self._news, now = trio.Event(), self.now
            with suppress(StorageError, OutboxUnavailableError):  # the drain or the outbox writer logs it
                await self._load()
                await self._take_from_database(await read(list(self._silences), since))
                since = now - ACKS_BACK
            with trio.move_on_at(next_beat(trio.current_time(), ASK_SECONDS)):
                await self._news.wait()
                await trio.sleep(GATHER_SECONDS)

    async def take(self, order: Order) -> Order:
        """Store an order: once this returns, it is in force and survives the end of this process.

        Args:
            order: a silence, which may have ended, or an ack; storing it twice is harmless.

        Returns:
            the order in force: for a silence that was ended before, its ended version.

        Raises:
            OutboxUnavailableError: it cannot be written now.
            TooManyError: too many orders are in force.
        """
        await self._load()
        async with self._writing:
            before = self._known(order)
            if isinstance(order, Silence) and isinstance(before, Silence):
                order = joined(before, order)
            if order != before:
                await self._look_for_room(order)
                await self._write([order], tells=True)
        self._kept()
        return order

    async def rename(self, renamed: Mapping[str, str]) -> None:
        """Apply orders to the new names of targets too, given by former ones."""
        self._renamed = {old: renamed.get(new, new) for old, new in self._renamed.items()} | dict(renamed)
        async with self._writing:
            known: list[Order] = [*self._silences.values(), *self._acks.values()]
            orders = [given_name(one, renamed) for one in known]
            orders = [order for order in orders if order != self._known(order)]
            if orders:
                # A disk that cannot be written, which the outbox writer logs, must not delay a reload.
                with suppress(OutboxUnavailableError), trio.move_on_after(RENAME_SECONDS):
                    await self._write(orders, tells=True)

    async def has_open(self, target: str) -> bool:
        """Return whether a target has an open incident, here or at another replica.

        Raises:
            OutboxUnavailableError: the outbox cannot be read now.
        """
        is_here = await self._disk.run(lambda outbox: open_since(outbox, self._location, [target]))
        return bool(is_here) or self._in_trouble_since(target) is not None

    async def _load(self) -> None:
        if self._has_loaded:
            return
        for order in await self._disk.run(kept_orders):
            self._remember(order)
        self._has_loaded = True
        self._publish()

    async def _look(self, bell: Bell, thread: trio.CapacityLimiter) -> list[Path]:
        """Return the waiting files."""

        def look() -> list[Path]:
            folder = spool.make_folder(self._data_dir)
            bell.hold(folder)
            self._stuck = {path for path in self._stuck if os.path.lexists(path)}
            return spool.waiting(folder, self._stuck)

        try:
            found = await trio.to_thread.run_sync(look, abandon_on_cancel=True, limiter=thread)
        except (OSError, RuntimeError) as error:  # no folder, or no thread
            if str(error) != self._folder_complaint:
                self._folder_complaint = str(error)
                log.warning("spool folder for orders not usable", error=error)
            return []
        self._folder_complaint = ""
        return found

    async def _take_file(self, path: Path, thread: trio.CapacityLimiter) -> None:
        """Take in the order in a file and remove the file; a file without a valid order is set aside."""

        async def in_thread(work: Callable[[Path], Result]) -> Result:
            return await trio.to_thread.run_sync(work, path, abandon_on_cancel=True, limiter=thread)

        try:
            try:
                await self.take(await in_thread(spool.read))
            except FileNotFoundError:  # the command has taken it back
                return
            except (ValueError, TooManyError, OSError) as error:
                aside = await in_thread(spool.set_aside)
                log.warning("order rejected, its file was set aside", file=aside, error=error)
            else:
                await in_thread(spool.remove)
        except OSError as error:
            self._stuck.add(path)
            log.warning("file of an order not removed", file=path, error=error)
        except RuntimeError:  # from trio, when the system cannot start a thread: try again at the next look
            return

    async def _take_from_database(self, orders: Iterable[Order]) -> None:
        """Store orders that are unknown or different here, without sending them back to PostgreSQL."""
        async with self._writing:
            news: list[Order] = []
            left_out = 0
            for one in orders:
                before, order = self._known(one), given_name(one, self._renamed)
                if before is None or _names_of(order) != _names_of(before):
                    order = one
                if isinstance(order, Silence) and isinstance(before, Silence):
                    # Its names may differ, for example after a rename; an end set here may be still on its way.
                    order = replace(order, end=min(order.end, before.end))
                if order == before or (before is None and _is_over(order, self.now)):
                    continue
                if before is None and self._is_full(order, sum(type(one) is type(order) for one in news)):
                    left_out += 1
                else:
                    news.append(order)
            if left_out > self._left_out:
                log.warning("too many silences and acks, some in the database are ignored", more=left_out)
            self._left_out = left_out
            acks = [one for one in news if isinstance(one, Ack)]
            holding = {one.id for one in await self._holding(acks)}
            news = [one for one in news if isinstance(one, Silence) or one.id in holding]
            if news:
                await self._write(news, tells=False)

    async def tidy(self) -> None:
        """Drop silences that have ended, and acks of closed incidents."""
        async with self._writing:
            await self._let_go()
        self._publish()

    async def _let_go(self) -> None:
        now = self.now
        holding = {one.id for one in await self._holding(list(self._acks.values()))}
        ids = [one.id for one in self._silences.values() if one.end <= now]
        ids += [one.id for one in self._acks.values() if one.id not in holding and one.at < now - ACK_GRACE]
        if ids:
            await self._disk.run(lambda outbox: forget(outbox, ids, now=self._clock()))
            for one in ids:
                self._silences.pop(one, None)
                self._acks.pop(one, None)

    async def _holding(self, acks: Sequence[Ack]) -> list[Ack]:
        """Return the acks that concern an open incident."""
        if not acks:
            return []
        targets = {one.target for one in acks}
        since = {name: at for name in targets if (at := self._in_trouble_since(name)) is not None}
        since |= await self._disk.run(lambda outbox: open_since(outbox, self._location, targets))
        return [one for one in acks if one.target in since and one.at >= since[one.target]]

    async def _write(self, orders: Sequence[Order], *, tells: bool) -> None:
        """Write orders to disk, then to memory."""
        now = self._clock()
        await self._disk.run(lambda outbox: keep(outbox, orders, now=now, tells=tells))
        for order in orders:
            self._remember(order)
        self._publish()

    async def _look_for_room(self, order: Order) -> None:
        if order.id in self._silences or _is_over(order, self.now) or not self._is_full(order):
            return
        await self._let_go()
        if not self._is_full(order):
            return
        if isinstance(order, Silence):
            raise too_many_silences()
        raise TooManyError(f"{MAX_ACKS} incidents are acknowledged already")

    def _is_full(self, order: Order, coming: int = 0) -> bool:
        """Return whether the bound for orders of this kind is reached, with `coming` others about to be stored."""
        if isinstance(order, Silence):
            return len(self._silences) + coming >= MAX_SILENCES
        return len(self._acks) + coming >= MAX_ACKS

    def _known(self, order: Order) -> Order | None:
        return self._silences.get(order.id) or self._acks.get(order.id)

    def _remember(self, order: Order) -> None:
        if isinstance(order, Silence):
            self._silences[order.id] = order
        else:
            self._acks[order.id] = order

    def _publish(self) -> None:
        now = self.now
        self.silences.replace([one for one in self._silences.values() if one.end > now], self._acks.values())


def _is_over(order: Order, now: datetime) -> bool:
    return isinstance(order, Silence) and order.end <= now


def _names_of(order: Order) -> object:
    return order.targets if isinstance(order, Silence) else order.target

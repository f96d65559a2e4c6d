"""Takes in what operators order, wherever they have left it, and keeps in memory what holds now. Trio-flavoured."""

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

# An order is obeyed within a second, with or without a bell.
LOOK_SECONDS = 0.5
LOOK_WITH_BELL_SECONDS = 3.0  # a command at the far side of a mount rings on another machine, and is not heard
TIDY_SECONDS = 30.0
# How often PostgreSQL is asked what was ordered there, also where it has not said that there is something new; how long
# what comes together is waited for; and how far back acks are read, for clocks that differ.
ASK_SECONDS = 30.0
GATHER_SECONDS = 0.25
ACKS_BACK = timedelta(hours=1)
FIRST_ACKS_BACK = timedelta(days=30)
# An ack may be here before the incident that it is about is on disk.
ACK_GRACE = timedelta(minutes=1)
RENAME_SECONDS = 3.0
MAX_ACKS = 10_000


class SilenceKeeper:
    """Keeps what operators have ordered: on disk first, then in memory, and in PostgreSQL when that is there.

    Attributes:
        silences: what holds now.
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
        """Begin with nothing; `run` reads what is on disk.

        Args:
            disk: the outbox.
            data_dir: WATCHER_DATA_DIR.
            location: where this replica stands.
            silences: told what holds.
            kept: called when something for PostgreSQL is in the outbox.
            clock: seconds since 1970.
            in_trouble_since: returns since when a target is in trouble, at the latest, whose incident another replica
                has; None where it is not in trouble, or its incident is here.
        """
        self.silences = silences
        self._in_trouble_since = in_trouble_since
        self._disk = disk
        self._data_dir = data_dir
        self._location = location
        self._kept = kept
        self._clock = clock
        # Of what has been written to the outbox; nobody else writes it.
        self._silences: dict[uuid.UUID, Silence] = {}
        self._acks: dict[uuid.UUID, Ack] = {}
        self._writing = trio.Lock()
        self._news = trio.Event()  # set when PostgreSQL may have something new
        self._renamed: dict[str, str] = {}  # since the start: PostgreSQL may not know of it yet
        self._has_loaded = False
        self._folder_complaint = ""
        self._left_out = 0  # that the database had more when it was last asked
        self._stuck: set[Path] = set()  # files that cannot be removed, which is told once

    @property
    def now(self) -> datetime:
        """The moment, in UTC."""
        return datetime.fromtimestamp(self._clock(), UTC)

    async def begin(self) -> None:
        """Read what is on disk, before anybody is told anything; where that cannot be done now, `run` does it."""
        with suppress(OutboxUnavailableError):
            await self._load()

    async def run(self) -> NoReturn:
        """Take in what commands leave, and let go of what holds no more, until cancelled."""
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
                except OutboxUnavailableError:  # the outbox writer tells of it; files stay where they are
                    pass
                await bell.wait(LOOK_WITH_BELL_SECONDS if bell.is_held and is_done else LOOK_SECONDS)
        finally:
            bell.close()

    async def follow(self, read: Read, listen: Listen, up: trio.Event) -> None:
        """Take in what was ordered in PostgreSQL, when that says so, and now and then, until cancelled.

        Args:
            read: see `watcher.postgres.queries.silences.read_orders`, of a database.
            listen: calls what it is given whenever there may be something new; returns or raises when it no longer can.
            up: set when it can be tried.
        """
        await up.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, listen)
            nursery.start_soon(self._ask, read)

    async def _listen(self, listen: Listen) -> NoReturn:
        while True:
            with suppress(StorageError):  # the drain tells of it
                await listen(lambda _told: self._news.set())
            await trio.sleep(ASK_SECONDS)

    async def _ask(self, read: Read) -> NoReturn:
        since = self.now - FIRST_ACKS_BACK
        while True:
            self._news, now = trio.Event(), self.now
            with suppress(StorageError, OutboxUnavailableError):  # the drain, or the outbox writer, tells of it
                await self._load()
                await self._take_from_database(await read(list(self._silences), since))
                since = now - ACKS_BACK
            with trio.move_on_at(next_beat(trio.current_time(), ASK_SECONDS)):
                await self._news.wait()
                await trio.sleep(GATHER_SECONDS)

    async def take(self, order: Order) -> Order:
        """Take an order in: it holds from the moment of the return on, whatever happens to this process.

        Args:
            order: a silence, also one that is ended, or an ack; to take it in twice is harmless.

        Returns:
            what holds of it: of a silence that had been ended before, that.

        Raises:
            OutboxUnavailableError: it cannot be written now.
            TooManyError: too many hold already.
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
        """Let what holds for targets hold under their new names too, which are given by the former ones."""
        self._renamed = {old: renamed.get(new, new) for old, new in self._renamed.items()} | dict(renamed)
        async with self._writing:
            known: list[Order] = [*self._silences.values(), *self._acks.values()]
            orders = [given_name(one, renamed) for one in known]
            orders = [order for order in orders if order != self._known(order)]
            if orders:
                # A disk that cannot be written, of which the outbox writer tells, holds up no reload.
                with suppress(OutboxUnavailableError), trio.move_on_after(RENAME_SECONDS):
                    await self._write(orders, tells=True)

    async def has_open(self, target: str) -> bool:
        """Say whether a target has an open incident, here or at another replica.

        Raises:
            OutboxUnavailableError: nobody can tell now.
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
        """Return the files that wait."""

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
                log.warning("no orders can be left in the data folder", error=error)
            return []
        self._folder_complaint = ""
        return found

    async def _take_file(self, path: Path, thread: trio.CapacityLimiter) -> None:
        """Take in the order of a file, and remove it; one that is not an order is set aside."""

        async def in_thread(work: Callable[[Path], Result]) -> Result:
            return await trio.to_thread.run_sync(work, path, abandon_on_cancel=True, limiter=thread)

        try:
            try:
                await self.take(await in_thread(spool.read))
            except FileNotFoundError:  # the command has taken it back
                return
            except (ValueError, TooManyError, OSError) as error:
                aside = await in_thread(spool.set_aside)
                log.warning("an order that cannot be taken in was set aside", file=aside, error=error)
            else:
                await in_thread(spool.remove)
        except OSError as error:
            self._stuck.add(path)
            log.warning("the file of an order cannot be removed", file=path, error=error)
        except RuntimeError:  # out of trio, when the system has no thread to give: once more at the next look
            return

    async def _take_from_database(self, orders: Iterable[Order]) -> None:
        """Take in what is not known yet, or is known otherwise; PostgreSQL is not told what it has told."""
        async with self._writing:
            news: list[Order] = []
            left_out = 0
            for one in orders:
                before, order = self._known(one), given_name(one, self._renamed)
                if before is None or _names_of(order) != _names_of(before):
                    order = one
                if isinstance(order, Silence) and isinstance(before, Silence):
                    # Its names may be others, as after a rename; that it was ended here may be still on its way.
                    order = replace(order, end=min(order.end, before.end))
                if order == before or (before is None and _is_over(order, self.now)):
                    continue
                if before is None and self._is_full(order, sum(type(one) is type(order) for one in news)):
                    left_out += 1
                else:
                    news.append(order)
            if left_out > self._left_out:
                log.warning("too many silences and acks hold: the database has some that are not heeded", more=left_out)
            self._left_out = left_out
            acks = [one for one in news if isinstance(one, Ack)]
            holding = {one.id for one in await self._holding(acks)}
            news = [one for one in news if isinstance(one, Silence) or one.id in holding]
            if news:
                await self._write(news, tells=False)

    async def tidy(self) -> None:
        """Let go of silences that have ended, and of acks of what is over."""
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
        """Return those of acks that are about what is open."""
        if not acks:
            return []
        targets = {one.target for one in acks}
        since = {name: at for name in targets if (at := self._in_trouble_since(name)) is not None}
        since |= await self._disk.run(lambda outbox: open_since(outbox, self._location, targets))
        return [one for one in acks if one.target in since and one.at >= since[one.target]]

    async def _write(self, orders: Sequence[Order], *, tells: bool) -> None:
        """Write orders to disk, and to memory then."""
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
        """Say whether no more of its kind are kept, when so many are about to come."""
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

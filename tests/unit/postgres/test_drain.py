"""From the outbox to a store in memory, on a mock clock: everything, in order, whatever happens on the way."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from tests.doubles import MOMENT, Disk, Store
from watcher.model.state import Flip, State
from watcher.outbox.encoding import RELEASE
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.outbox import Outbox
from watcher.postgres.drain import (
    GATHER_SECONDS,
    MAX_BACKOFF_SECONDS,
    MAX_BATCH_ROWS,
    MIN_BACKOFF_SECONDS,
    PING_SECONDS,
    ROWS_OF_A_RELEASE,
    Drain,
)
from watcher.postgres.errors import (
    DatabaseRefusedError,
    DatabaseUnavailableError,
    SchemaTooNewError,
    StatementFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from watcher.outbox.outbox import Entry

AWAY = DatabaseUnavailableError("Connection refused")
UNAVAILABLE, CONNECTED = "database unavailable, the outbox keeps new entries", "database connected"
ALIVE_AT = 1_795_447_255.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with closing(Outbox(tmp_path / "outbox.sqlite")) as outbox:
        outbox.append([], now=ALIVE_AT, minute=0)  # as at every start
        yield Disk(outbox)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def drain(disk: Disk, store: Store) -> Drain:
    return Drain(disk, store)


@pytest.fixture
def ready() -> trio.Event:
    event = trio.Event()
    event.set()
    return event


def fill(disk: Disk, *payloads: str, now: float = ALIVE_AT) -> None:
    disk.outbox.append([("failure", payload) for payload in payloads], now=now, minute=0)


def left(disk: Disk) -> list[str]:
    return [entry.payload for entry in disk.outbox.peek(10**6, 10**12)]


async def test_all_goes_in_batches_and_in_order_and_off_the_outbox(
    drain: Drain, disk: Disk, store: Store, ready: trio.Event
) -> None:
    names = [f"{number}" for number in range(2 * MAX_BATCH_ROWS + 5)]
    fill(disk, *names)
    drain.close()
    await drain.run(ready)
    assert list(store.rows.values()) == names
    assert store.batches == [MAX_BATCH_ROWS, MAX_BATCH_ROWS, 5]
    assert left(disk) == []
    assert drain.is_up


async def test_few_releases_go_in_one_batch_since_each_is_of_many_targets(
    drain: Drain, disk: Disk, store: Store, ready: trio.Event
) -> None:
    at_once = MAX_BATCH_ROWS // ROWS_OF_A_RELEASE
    fill(disk, "before")
    disk.outbox.append([(RELEASE, f"{number}") for number in range(2 * at_once)], now=ALIVE_AT, minute=0)
    drain.close()
    await drain.run(ready)
    assert store.batches == [at_once, at_once, 1]
    assert list(store.rows.values()) == ["before", *(f"{number}" for number in range(2 * at_once))]


async def test_an_outage_costs_nothing_but_time(
    drain: Drain,
    disk: Disk,
    store: Store,
    ready: trio.Event,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    with capture_logs() as logs:
        nursery.start_soon(drain.run, ready)
        fill(disk, "before")
        drain.wake()
        await trio.sleep(1)
        store.error = AWAY
        fill(disk, "meanwhile")
        drain.wake()
        await trio.sleep(3600)
        assert left(disk) == ["meanwhile"]
        was_up = drain.is_up
        store.error = None
        await trio.sleep(MAX_BACKOFF_SECONDS)
        assert (was_up, drain.is_up) == (False, True)
    assert list(store.rows.values()) == ["before", "meanwhile"]
    # One line per state change, whatever the number of tries.
    assert [entry["event"] for entry in logs] == [CONNECTED, UNAVAILABLE, CONNECTED]
    assert logs[1]["error"] is AWAY
    nursery.cancel_scope.cancel()


async def test_a_database_unavailable_from_the_start_is_reported_once(
    drain: Drain, store: Store, ready: trio.Event, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    store.error = AWAY
    with capture_logs() as logs:
        nursery.start_soon(drain.run, ready)
        await trio.sleep(600)
    assert [entry["event"] for entry in logs] == [UNAVAILABLE]
    nursery.cancel_scope.cancel()


async def test_tries_come_ever_more_seldom_and_at_no_two_replicas_at_once(
    disk: Disk, ready: trio.Event, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    stores = [Store(), Store()]
    for store in stores:
        store.error = AWAY
        nursery.start_soon(Drain(disk, store).run, ready)
    await trio.sleep(3600)
    first, second = ([later - earlier for earlier, later in pairwise(store.opened_at)] for store in stores)
    assert first != second
    for waits in (first, second):
        assert min(waits) >= MIN_BACKOFF_SECONDS
        assert max(waits[:2]) <= 4 * MIN_BACKOFF_SECONDS
        assert MAX_BACKOFF_SECONDS / 2 < max(waits) <= MAX_BACKOFF_SECONDS
        assert len(waits) > 3600 / MAX_BACKOFF_SECONDS
    nursery.cancel_scope.cancel()


async def test_after_an_outage_the_next_one_starts_with_short_waits(
    drain: Drain, store: Store, ready: trio.Event, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    store.error = AWAY
    nursery.start_soon(drain.run, ready)
    await trio.sleep(600)
    store.error = None
    await trio.sleep(60)
    store.error = AWAY
    tries = len(store.opened_at)
    await trio.sleep(PING_SECONDS + 4)
    assert len(store.opened_at) >= tries + 2
    nursery.cancel_scope.cancel()


async def test_the_tables_are_created_and_the_targets_registered_after_each_outage(
    drain: Drain, store: Store, ready: trio.Event, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(drain.run, ready)
    await trio.sleep(60)
    assert len(store.opened_at) == 1
    store.error = AWAY
    await trio.sleep(PING_SECONDS + 1)
    store.error = None
    tries = len(store.opened_at)
    await trio.sleep(60)
    assert len(store.opened_at) == tries + 1
    nursery.cancel_scope.cancel()


async def test_if_another_outbox_ends_without_room_waiting_entries_are_stored_first(
    disk: Disk, ready: trio.Event, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Otherwise a disk full of waiting entries would stay full."""

    class AfterAnother(Store):
        has_room = False

        async def open(self, record: Callable[[Sequence[Flip]], Awaitable[None]]) -> int:
            stored_until = await super().open(record)
            if not self.has_room:
                raise OutboxUnavailableError("the disk is full")
            if not self.alive_at:
                await record([Flip("a", "default", MOMENT, MOMENT, State.UNKNOWN, State.UP)])
            return stored_until

    store = AfterAnother()
    fill(disk, "waits")
    nursery.start_soon(Drain(disk, store, lambda: ALIVE_AT).run, ready)
    await trio.sleep(4 * PING_SECONDS)
    assert list(store.rows.values()) == ["waits"]
    assert store.alive_at == []
    store.has_room = True
    await trio.sleep(2 * PING_SECONDS)
    assert [json.loads(row)["state"] for row in list(store.rows.values())[1:]] == ["unknown"]
    assert store.alive_at != []
    nursery.cancel_scope.cancel()


async def test_an_idle_database_gets_the_time_last_alive(
    drain: Drain,
    disk: Disk,
    store: Store,
    ready: trio.Event,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    nursery.start_soon(drain.run, ready)
    await trio.sleep(1)
    fill(disk, now=ALIVE_AT + 1)
    await trio.sleep(2 * PING_SECONDS)
    assert store.alive_at[0] == datetime.fromtimestamp(ALIVE_AT, UTC)
    assert set(store.alive_at[1:]) == {datetime.fromtimestamp(ALIVE_AT + 1, UTC)}, "not the time of the database"
    nursery.cancel_scope.cancel()


async def test_an_endless_stream_of_entries_still_stores_until_when_it_is_complete(
    drain: Drain, disk: Disk, ready: trio.Event, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Busy(Store):
        async def store(self, entries: Sequence[Entry], follows: int | None = None) -> None:
            await trio.sleep(0.1)
            await super().store(entries, follows)
            fill(disk, "next", now=ALIVE_AT + trio.current_time())

    store = Busy()
    fill(disk, "first")
    nursery.start_soon(Drain(disk, store).run, ready)
    await trio.sleep(60)
    assert (store.alive_at[-1].timestamp() - ALIVE_AT) == pytest.approx(60, abs=3 * PING_SECONDS)
    nursery.cancel_scope.cancel()


async def test_until_all_is_stored_nothing_is_said_to_be_complete(
    drain: Drain,
    disk: Disk,
    store: Store,
    ready: trio.Event,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    fill(disk, "poison", *(f"{number}" for number in range(MAX_BATCH_ROWS)))
    disk.after = partial(trio.sleep, 1)
    nursery.start_soon(drain.run, ready)
    await trio.sleep(2.5)
    assert store.batches == [MAX_BATCH_ROWS]
    assert store.alive_at == []
    await trio.sleep(10)
    assert store.alive_at != []
    nursery.cancel_scope.cancel()


async def test_entries_that_a_restored_database_lost_are_stored_again(
    disk: Disk, store: Store, ready: trio.Event, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    with capture_logs() as logs:
        nursery.start_soon(Drain(disk, store).run, ready)
        for name in ("a", "b", "c"):
            fill(disk, name)
            await trio.sleep(2 * PING_SECONDS)
        first, *lost = store.rows
        for entry_id in lost:
            del store.rows[entry_id]
        store.stored_until = first  # the server reports it from now on, without a failed connection
        await trio.sleep(2 * PING_SECONDS)
        assert list(store.rows.values()) == ["a", "b", "c"]
        await trio.sleep(2 * PING_SECONDS)
    nursery.cancel_scope.cancel()
    assert left(disk) == []
    assert [line["entries"] for line in logs if "lost" in line["event"]] == [2]


async def test_stored_entries_are_kept_for_a_minute_and_during_outages(
    tmp_path: Path, store: Store, ready: trio.Event, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    with closing(Outbox(tmp_path / "steady.sqlite", trio.current_time)) as outbox, capture_logs():
        outbox.append([("failure", "a")], now=ALIVE_AT, minute=0)
        nursery.start_soon(Drain(Disk(outbox), store).run, ready)
        await trio.sleep(50)
        store.error = AWAY
        await trio.sleep(600)
        assert outbox.kept_bytes == 1
        store.error = None
        await trio.sleep(2 * MAX_BACKOFF_SECONDS)
        assert outbox.kept_bytes == 0
        nursery.cancel_scope.cancel()


async def test_entries_of_one_moment_are_stored_together(
    drain: Drain,
    disk: Disk,
    store: Store,
    ready: trio.Event,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    nursery.start_soon(drain.run, ready)
    await trio.sleep(0.001)
    for number in range(10):
        fill(disk, f"{number}")
        drain.wake()
        await trio.sleep(GATHER_SECONDS / 20)
    await trio.sleep(1)
    assert store.batches == [10]
    nursery.cancel_scope.cancel()


async def test_one_entry_that_is_refused_holds_up_no_other(
    drain: Drain, disk: Disk, store: Store, ready: trio.Event
) -> None:
    names = [f"{number}" for number in range(100)]
    store.refused = {"0", "50", "51", "99"}
    fill(disk, *names)
    drain.close()
    with capture_logs() as logs:
        await drain.run(ready)
    assert list(store.rows.values()) == [name for name in names if name not in store.refused]
    assert left(disk) == []
    refused = [entry for entry in logs if entry["log_level"] == "error"]
    assert len(refused) == 4
    assert {entry["error"] for entry in refused} == {"a value that it cannot hold"}


class Failing(Store):
    """A store whose statement fails for some payloads, for an unforeseen reason."""

    async def store(self, entries: Sequence[Entry], follows: int | None = None) -> None:
        if any(entry.payload in self.refused for entry in entries):
            raise StatementFailedError("a trigger says no")
        await super().store(entries, follows)


async def test_one_entry_of_which_a_statement_fails_holds_up_no_other(disk: Disk, ready: trio.Event) -> None:
    store, names = Failing(), [f"{number}" for number in range(100)]
    store.refused = {"0", "50", "51", "98"}
    fill(disk, *names)
    drain = Drain(disk, store)
    drain.close()
    with capture_logs() as logs:
        await drain.run(ready)
    assert set(store.rows.values()) == {name for name in names if name not in store.refused}
    assert left(disk) == []
    assert [line["error"] for line in logs if line["log_level"] == "error"] == ["a trigger says no"] * 4


async def test_where_a_statement_fails_of_every_entry_none_is_to_blame(
    disk: Disk, ready: trio.Event, autojump_clock: trio.testing.MockClock
) -> None:
    store, names = Failing(), [f"{number}" for number in range(100)]
    store.refused = set(names)
    fill(disk, *names)
    drain = Drain(disk, store)
    drain.close()
    with capture_logs() as logs:
        await drain.run(ready)
    assert left(disk) == names
    assert [line["event"] for line in logs] == [UNAVAILABLE]


async def test_a_database_that_is_too_slow_gets_smaller_batches(
    disk: Disk, ready: trio.Event, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Slow(Store):
        async def store(self, entries: Sequence[Entry], follows: int | None = None) -> None:
            seconds = 0.01 * len(entries)
            await trio.sleep(min(seconds, 3))
            if seconds > 3:
                raise DatabaseUnavailableError("does not answer in time")
            await super().store(entries, follows)

    store = Slow()
    fill(disk, *(f"{number}" for number in range(3000)))
    with capture_logs() as logs:
        nursery.start_soon(Drain(disk, store).run, ready)
        await trio.sleep(120)
    assert len(store.rows) == 3000
    assert max(store.batches) <= 300
    # Noticed once, and not again with each batch.
    assert [entry["event"] for entry in logs] == [UNAVAILABLE, CONNECTED]
    nursery.cancel_scope.cancel()


async def test_batches_grow_again_when_the_database_is_quick_again(
    drain: Drain,
    disk: Disk,
    store: Store,
    ready: trio.Event,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    store.error = AWAY
    nursery.start_soon(drain.run, ready)
    await trio.sleep(3600)
    fill(disk, *(f"{number}" for number in range(3000)))
    store.error = None
    await trio.sleep(MAX_BACKOFF_SECONDS)
    assert len(store.rows) == 3000
    assert store.batches[0] < 10
    assert max(store.batches) > 500
    nursery.cancel_scope.cancel()


async def test_an_outbox_that_cannot_be_read_now_is_read_later(
    drain: Drain,
    disk: Disk,
    store: Store,
    ready: trio.Event,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    fill(disk, "a")
    disk.error = OutboxUnavailableError("disk I/O error")
    nursery.start_soon(drain.run, ready)
    await trio.sleep(10)
    disk.error = None
    await trio.sleep(2)
    assert list(store.rows.values()) == ["a"]
    nursery.cancel_scope.cancel()


async def test_tables_that_the_database_refuses_to_make_are_tried_again(
    drain: Drain,
    disk: Disk,
    store: Store,
    ready: trio.Event,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    fill(disk, "a")
    store.error = DatabaseRefusedError("duplicate key value")
    nursery.start_soon(drain.run, ready)
    await trio.sleep(10)
    store.error = None
    await trio.sleep(MAX_BACKOFF_SECONDS)
    assert list(store.rows.values()) == ["a"]
    nursery.cancel_scope.cancel()


async def test_a_newer_schema_ends_it(drain: Drain, store: Store, ready: trio.Event) -> None:
    store.error = SchemaTooNewError("the database has schema 9")
    with pytest.raises(SchemaTooNewError):
        await drain.run(ready)


async def test_closed_it_ends_when_the_database_is_away(
    drain: Drain,
    disk: Disk,
    store: Store,
    ready: trio.Event,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    fill(disk, "a")
    store.error = AWAY
    with capture_logs():
        async with trio.open_nursery() as running:
            running.start_soon(drain.run, ready)
            await trio.sleep(100)  # in the midst of a wait
            drain.close()
            closed_at = trio.current_time()
    assert trio.current_time() == closed_at
    assert left(disk) == ["a"]


async def test_closed_it_ends_though_the_database_was_never_there(drain: Drain, disk: Disk, store: Store) -> None:
    fill(disk, "a")
    async with trio.open_nursery() as running:
        running.start_soon(drain.run, trio.Event())
        await trio.testing.wait_all_tasks_blocked()
        drain.close()
    assert store.opened_at == []
    assert left(disk) == ["a"]


async def test_closed_it_ends_at_once_when_the_database_is_there_and_nothing_waits(
    drain: Drain, store: Store, ready: trio.Event, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as running:
        running.start_soon(drain.run, ready)
        await trio.sleep(100)
        drain.close()
        closed_at = trio.current_time()
    assert trio.current_time() == closed_at


async def test_entries_just_before_the_close_are_stored(
    disk: Disk, ready: trio.Event, autojump_clock: trio.testing.MockClock
) -> None:
    class Closing(Store):
        async def mark_alive(self, moment: datetime, follows: int | None = None) -> None:
            """Called when the drain has found nothing waiting."""
            if not self.alive_at:
                fill(disk, "last")
                closed.close()
            await super().mark_alive(moment, follows)

    store = Closing()
    closed = Drain(disk, store)
    fill(disk, "first")
    await closed.run(ready)
    assert list(store.rows.values()) == ["first", "last"]
    assert trio.current_time() == 0


class Cut:
    """Cancels a scope at a call with a given number, before or after the call has done its work."""

    def __init__(self, number: int) -> None:
        self.scope = trio.CancelScope()
        self._left = number

    async def __call__(self) -> None:
        self._left -= 1
        if self._left < 0:
            self.scope.cancel()
        await trio.lowlevel.checkpoint()


class CutStore(Store):
    """A store that is cancelled before and after each of its operations."""

    def __init__(self, cut: Cut) -> None:
        super().__init__()
        self.cut = cut

    async def store(self, entries: Sequence[Entry], follows: int | None = None) -> None:
        await self.cut()
        await super().store(entries, follows)
        await self.cut()

    async def mark_alive(self, moment: datetime, follows: int | None = None) -> None:
        await self.cut()
        await super().mark_alive(moment, follows)
        await self.cut()


@pytest.mark.parametrize("number", range(30))
async def test_whenever_it_is_cancelled_nothing_is_lost(disk: Disk, ready: trio.Event, number: int) -> None:
    names = [f"{index}" for index in range(7)]
    fill(disk, *names)
    cut = Cut(number)
    disk.before = disk.after = cut
    store = CutStore(cut)
    store.refused = {"3"}
    drain = Drain(disk, store)
    drain.close()
    with capture_logs(), cut.scope:
        await drain.run(ready)
    assert set(store.rows.values()) | set(left(disk)) >= set(names) - {"3"}
    disk.before = disk.after = trio.lowlevel.checkpoint
    store.cut = Cut(1000)
    again = Drain(disk, store)
    again.close()
    with capture_logs():
        await again.run(ready)
    assert sorted(store.rows.values()) == sorted(set(names) - {"3"})
    assert left(disk) == []


async def test_news_of_the_daemon_is_stored_once(
    drain: Drain, store: Store, ready: trio.Event, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain.run, ready)
        await trio.sleep(60)
        assert len(store.opened_at) == 1
        drain.retarget([])
        await trio.sleep(PING_SECONDS)
        assert len(store.opened_at) == 2
        await trio.sleep(60)
        assert len(store.opened_at) == 2
        nursery.cancel_scope.cancel()


async def test_news_of_the_daemon_is_stored_when_the_store_comes_back(
    drain: Drain, store: Store, ready: trio.Event, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain.run, ready)
        await trio.sleep(60)
        store.error = AWAY
        drain.retarget([])
        await trio.sleep(60)
        tries = len(store.opened_at)
        store.error = None
        await trio.sleep(60)
        assert len(store.opened_at) == tries + 1
        nursery.cancel_scope.cancel()

"""Conclusions on their way to the disk: batched, in order, reported when they are safe, and never lost."""

from __future__ import annotations

import json
import math
import random
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from tests.doubles import EPOCH, MOMENT, Disk, a_failure, an_outcome
from watcher.model.clock_trust import ClockTrust
from watcher.model.conclusion import Conclusion
from watcher.model.state import Flip, Standing, State
from watcher.outbox.encoding import decode_standing
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.minutes import ALL_MINUTES, MINUTE_SECONDS
from watcher.outbox.outbox import Outbox
from watcher.outbox.thread import OutboxThread
from watcher.outbox.writer import (
    COMPLAINT_SECONDS,
    GATHER_SECONDS,
    MAX_AT_ONCE,
    MAX_WAITING,
    RETRY_SECONDS,
    TICK_SECONDS,
    Bounds,
    OutboxWriter,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from watcher.model.outcome import Outcome

FULL = OutboxUnavailableError("database or disk is full")
FAILING, AGAIN = "the outbox cannot be written, new results wait in memory", "the outbox can be written again"
BOUNDS = Bounds(10**9, 7 * 86400)


class Told:
    """Records which failures the writer reported, and whether they are on disk; `kept` counts the new entries."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.given_up: list[str] = []
        self.kept = 0

    def tell(self, outcome: Outcome, stored: bool) -> None:
        (self.stored if stored else self.given_up).append(outcome.target)

    def keep(self) -> None:
        self.kept += 1


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with closing(Outbox(tmp_path / "outbox.sqlite")) as outbox:
        yield outbox


@pytest.fixture
def disk(outbox: Outbox) -> Disk:
    return Disk(outbox)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def writer(disk: Disk, told: Told) -> OutboxWriter:
    return a_writer(disk, told)


def a_writer(disk: OutboxThread, told: Told, bounds: Bounds = BOUNDS) -> OutboxWriter:
    return OutboxWriter(disk, bounds, told.tell, told.keep, lambda: EPOCH + trio.current_time())


def failed(name: str) -> Conclusion:
    return Conclusion(a_failure(name))


def failures_in(outbox: Outbox) -> list[str]:
    entries = outbox.peek(10**6, 10**12)
    return [json.loads(entry.payload)["target"] for entry in entries if entry.kind == "failure"]


def measured_in(outbox: Outbox) -> list[str]:
    return [target for _, _, payload in outbox.journal(ALL_MINUTES) for target, *_ in json.loads(payload)]


async def test_failures_are_stored_in_order_and_then_reported(writer: OutboxWriter, outbox: Outbox, told: Told) -> None:
    names = [f"site {number}" for number in range(MAX_AT_ONCE + 5)]
    for name in names:
        writer.put(failed(name))
    writer.close()
    await writer.run()
    assert failures_in(outbox) == told.stored == names
    assert told.given_up == []
    assert writer.give_up() == 0


async def test_the_last_slot_is_known_also_when_the_clock_is_set_back(writer: OutboxWriter, outbox: Outbox) -> None:
    for hours in (0, 2, 1):
        writer.put(Conclusion(an_outcome("a", at=MOMENT + timedelta(hours=hours))))
    writer.close()
    await writer.run()
    assert outbox.meta("slots_until") == (MOMENT + timedelta(hours=2)).timestamp()
    outbox.append([], now=EPOCH, minute=0, slots_until=MOMENT.timestamp())
    assert outbox.meta("slots_until") == (MOMENT + timedelta(hours=2)).timestamp()


async def test_conclusions_that_arrive_together_are_written_together(
    writer: OutboxWriter, outbox: Outbox, told: Told
) -> None:
    for number in range(MAX_AT_ONCE + 5):
        writer.put(failed(f"site {number}"))
    writer.close()
    await writer.run()
    assert [len(json.loads(payload)) for _, _, payload in outbox.journal(ALL_MINUTES)] == [MAX_AT_ONCE, 5]
    assert told.kept == 2


async def test_successes_gather_and_news_does_not_wait(
    writer: OutboxWriter, outbox: Outbox, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(writer.run)
    found: list[Sequence[str]] = []
    for conclusion, seconds in [
        (Conclusion(an_outcome("a")), 0.01),
        (Conclusion(an_outcome("b")), GATHER_SECONDS / 2),
        (Conclusion(an_outcome("c")), GATHER_SECONDS / 2),
        (Conclusion(an_outcome("d")), 0.01),
        (failed("e"), 0.01),
        (Conclusion(an_outcome("f"), is_news=True), 0.01),
    ]:
        writer.put(conclusion)
        await trio.sleep(seconds)
        found.append(measured_in(outbox))
    writer.close()
    await trio.testing.wait_all_tasks_blocked()
    assert found == [["a"], ["a"], list("abc"), list("abc"), list("abcde"), list("abcdef")]


async def test_the_measurement_of_a_success_is_stored_without_waking_the_drain(
    writer: OutboxWriter, outbox: Outbox, told: Told
) -> None:
    writer.put(Conclusion(an_outcome("a")))
    writer.put(Conclusion(an_outcome("b")))
    writer.close()
    await writer.run()
    assert measured_in(outbox) == ["a", "b"]
    assert outbox.rows == 0
    assert (told.stored, told.kept) == ([], 0)


async def test_flips_come_before_the_failure_and_standings_are_the_last_ones(
    writer: OutboxWriter, outbox: Outbox, told: Told
) -> None:
    flip = Flip("a", "default", MOMENT, MOMENT, State.DOWN, State.UP)
    up, down = Standing(State.UP, MOMENT, State.UP), Standing(State.DOWN, MOMENT, State.DOWN)
    writer.put(Conclusion(an_outcome("a"), up, is_news=True))
    writer.put(Conclusion(a_failure("a"), down, is_news=True, flips=(flip,)))
    writer.put(Conclusion(an_outcome("b"), up))
    writer.close()
    await writer.run()
    first, second = outbox.peek(10, 10**6)
    assert json.loads(first.payload)["id"] == str(flip.flip_id)
    assert second.kind == "failure"
    assert {name: decode_standing(text) for name, text in outbox.standings("default").items()} == {"a": down}
    assert told.kept == 1


async def test_a_flip_of_a_success_wakes_who_stores_it(writer: OutboxWriter, told: Told) -> None:
    flip = Flip("a", "default", MOMENT, MOMENT, State.UP, State.DOWN)
    writer.put(Conclusion(an_outcome("a"), Standing(), is_news=True, flips=(flip,)))
    writer.close()
    await writer.run()
    assert told.kept == 1


async def test_no_failure_is_reported_before_it_is_on_disk(writer: OutboxWriter, disk: Disk, told: Told) -> None:
    on_disk: list[tuple[int, int]] = []

    async def look() -> None:
        on_disk.append((disk.outbox.rows, len(told.stored)))
        await trio.lowlevel.checkpoint()

    disk.before = disk.after = look
    writer.put(failed("a"))
    writer.close()
    await writer.run()
    assert on_disk[:2] == [(0, 0), (1, 0)]
    assert told.stored == ["a"]


async def test_the_drain_is_woken_for_new_entries_and_now_and_then_without(
    disk: Disk, told: Told, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    batches: list[list[str]] = []

    def note(conclusions: Sequence[Conclusion]) -> None:
        batches.append([conclusion.outcome.target for conclusion in conclusions])

    writer = OutboxWriter(disk, BOUNDS, told.tell, told.keep, lambda: EPOCH + trio.current_time(), note)
    disk.error = FULL
    with capture_logs():
        nursery.start_soon(writer.run)
        writer.put(failed("a"))
        writer.put(Conclusion(an_outcome("b")))
        await trio.sleep(10)
        assert batches == []
        disk.error = None
        await trio.sleep(10)
    assert batches[0] == ["a", "b"]
    assert len(batches) >= 8
    assert set(map(tuple, batches[1:])) == {()}
    nursery.cancel_scope.cancel()


async def test_a_disk_that_fails_costs_nothing_but_time(
    writer: OutboxWriter,
    disk: Disk,
    told: Told,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    with capture_logs() as logs:
        nursery.start_soon(writer.run)
        writer.put(failed("before"))
        await trio.sleep(2)
        disk.error = FULL
        writer.put(failed("meanwhile"))
        await trio.sleep(3600)
        assert told.stored == ["before"]
        disk.error = None
        await trio.sleep(2 * RETRY_SECONDS)
        assert told.stored == failures_in(disk.outbox) == ["before", "meanwhile"]
        await trio.sleep(60)
    # One line per state change, whatever the number of tries.
    assert [entry["event"] for entry in logs] == [FAILING, AGAIN]
    assert logs[0]["error"] is FULL
    nursery.cancel_scope.cancel()


async def test_a_disk_that_fails_while_nothing_comes_is_noticed_as_well(
    writer: OutboxWriter, disk: Disk, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    with capture_logs() as logs:
        nursery.start_soon(writer.run)
        await trio.sleep(2)
        disk.error = FULL
        await trio.sleep(3 * TICK_SECONDS)
    assert [entry["event"] for entry in logs] == [FAILING]
    nursery.cancel_scope.cancel()


async def test_past_the_bound_the_oldest_are_dropped_and_reported(writer: OutboxWriter, told: Told) -> None:
    writer.put(Conclusion(an_outcome("success")))
    for name in ("site 0", "site 1"):
        writer.put(failed(name))
    late = failed("late")
    for _ in range(MAX_WAITING):
        writer.put(late)
    assert told.given_up == ["site 0", "site 1"]
    assert writer.give_up() == MAX_WAITING + 2
    assert writer.give_up() == MAX_WAITING + 2, "in all, but each told once"
    assert len(told.given_up) == MAX_WAITING + 2


@pytest.mark.slow
async def test_entries_dropped_during_a_write_are_reported_once(writer: OutboxWriter, disk: Disk, told: Told) -> None:
    async def fill_up() -> None:
        disk.before = trio.lowlevel.checkpoint
        late = failed("late")
        for _ in range(MAX_WAITING - 3):
            writer.put(late)
        await trio.lowlevel.checkpoint()

    disk.before = fill_up
    names = [f"early {number}" for number in range(5)]
    for name in names:
        writer.put(failed(name))
    writer.close()
    await writer.run()
    assert told.given_up == names[:2]
    assert told.stored[:4] == [*names[2:], "late"]
    assert len(told.stored) == MAX_WAITING
    assert writer.give_up() == 2


async def test_it_is_said_that_the_daemon_lives(
    writer: OutboxWriter, outbox: Outbox, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(writer.run)
    await trio.sleep(100)
    assert EPOCH + 100 - 2 * TICK_SECONDS <= outbox.meta("alive_at") <= EPOCH + 100
    nursery.cancel_scope.cancel()


async def test_it_is_said_at_the_end_as_well(
    writer: OutboxWriter, outbox: Outbox, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        await trio.sleep(10.3)
        writer.close()
    assert outbox.meta("alive_at") == pytest.approx(EPOCH + 10.3)


async def test_minutes_that_are_over_become_rollups(
    writer: OutboxWriter,
    outbox: Outbox,
    told: Told,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    nursery.start_soon(writer.run)
    writer.put(Conclusion(an_outcome("a")))
    await trio.sleep(MINUTE_SECONDS + 2)
    [entry] = outbox.peek(10, 10**6)
    assert entry.kind == "rollups"
    assert [row["target"] for row in json.loads(entry.payload)] == ["a"]
    assert measured_in(outbox) == []
    assert told.kept == 1
    nursery.cancel_scope.cancel()


async def test_the_bounds_are_kept_and_complained_of_once_a_minute(
    disk: Disk, told: Told, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    writer = a_writer(disk, told, Bounds(max_bytes=5000, max_age_seconds=3600.0))
    with capture_logs() as logs:
        nursery.start_soon(writer.run)
        for number in range(2 * int(COMPLAINT_SECONDS)):
            writer.put(failed(f"site {number}"))
            await trio.sleep(1)
        await trio.sleep(2 * TICK_SECONDS)
    left = failures_in(disk.outbox)
    assert disk.outbox.payload_bytes <= 5000
    assert left[-1] == f"site {2 * int(COMPLAINT_SECONDS) - 1}"
    complaints = [entry["dropped"] for entry in logs if entry["event"].startswith("outbox over its limits")]
    assert len(complaints) in (2, 3)
    assert sum(complaints) <= 2 * COMPLAINT_SECONDS - len(left) <= writer.lost  # rollups are dropped as well
    nursery.cancel_scope.cancel()


async def test_entries_that_are_too_old_are_dropped(
    disk: Disk, told: Told, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    writer = a_writer(disk, told, Bounds(max_bytes=10**9, max_age_seconds=10.0))
    with capture_logs():
        nursery.start_soon(writer.run)
        writer.put(failed("a"))
        await trio.sleep(9)
        assert failures_in(disk.outbox) == ["a"]
        await trio.sleep(3 + TICK_SECONDS / 2)
        assert failures_in(disk.outbox) == []
    nursery.cancel_scope.cancel()


async def test_nothing_goes_for_its_age_when_the_clock_leaps(
    disk: Disk, told: Told, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The database is down, and the clock is 8 days ahead for 5 s."""
    ahead, later, leaps = 0.0, 0.0, list[float]()

    def steady() -> float:
        return later + trio.current_time()

    def clock() -> float:
        return EPOCH + ahead + steady()

    trust = ClockTrust(leaps.append, steady)
    trust.begin(clock(), clock(), None)
    writer = OutboxWriter(disk, Bounds(10**9, 7 * 86400.0), told.tell, told.keep, clock, trust=trust)
    nursery.start_soon(writer.run)
    writer.put(failed("a"))
    await trio.sleep(5)
    ahead = 8 * 86400.0
    await trio.sleep(5)
    ahead = 0.0
    await trio.sleep(5)
    assert failures_in(disk.outbox) == ["a"]
    assert leaps == pytest.approx([8 * 86400.0, -8 * 86400.0])
    assert disk.outbox.meta("doubted_until") == trust.doubted_until, "for the next start"
    later = 8 * 86400.0
    with capture_logs():
        await trio.sleep(5)
    assert failures_in(disk.outbox) == [], "in its time"
    nursery.cancel_scope.cancel()


async def test_closed_it_does_not_end_before_all_is_on_disk(
    writer: OutboxWriter, disk: Disk, told: Told, autojump_clock: trio.testing.MockClock
) -> None:
    disk.error = FULL
    with capture_logs():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            writer.put(failed("a"))
            writer.close()
            await trio.sleep(10)
            assert told.stored == []
            disk.error = None
    assert told.stored == ["a"]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.slow
async def test_whenever_it_is_cancelled_everything_is_on_disk_or_still_waits(
    disk: Disk, told: Told, number: int
) -> None:
    scope, calls = trio.CancelScope(), 0

    async def cut() -> None:
        nonlocal calls
        calls += 1
        if calls > number:
            scope.cancel()
        await trio.lowlevel.checkpoint()

    writer = a_writer(disk, told)
    disk.before = disk.after = cut
    names = [f"site {index}" for index in range(MAX_AT_ONCE + 5)]
    for name in names:
        writer.put(failed(name))
    writer.close()
    with scope:
        await writer.run()
    stored = told.stored[:]
    assert set(stored) <= set(failures_in(disk.outbox))
    writer.give_up()
    assert stored + told.given_up == names
    assert set(failures_in(disk.outbox)) | set(told.given_up) == set(names)


@pytest.mark.parametrize("seed", range(5))
async def test_a_cancellation_in_the_midst_of_the_real_thread_loses_nothing(
    outbox: Outbox, told: Told, seed: int
) -> None:
    chance = random.Random(seed)
    disk = OutboxThread(outbox)
    writer = OutboxWriter(disk, BOUNDS, told.tell, told.keep)
    names = [f"site {number}" for number in range(500)]

    async def put_all() -> None:
        for name in names:
            writer.put(failed(name))
            if chance.random() < 0.05:
                await trio.sleep(0.0005)
        await trio.sleep(math.inf)

    with trio.move_on_after(chance.uniform(0.001, 0.03)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            nursery.start_soon(put_all)
    writer.give_up()
    on_disk = await disk.run(failures_in)  # after the call that was abandoned in the thread
    assert len(set(on_disk)) == len(on_disk)
    assert set(told.stored) <= set(on_disk)
    put = names[: len(told.stored) + len(told.given_up)]
    assert told.stored + told.given_up == put
    assert set(on_disk) | set(told.given_up) == set(put)

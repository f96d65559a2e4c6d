"""Loops that start and stop while others run, on a mock clock."""

from __future__ import annotations

import errno
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from tests.doubles import EPOCH, MOMENT, a_checker, a_target
from watcher.checking.first_checks import FirstChecks
from watcher.checking.gate import ENTER_SECONDS, Gate
from watcher.checking.http.exchange import Exchange
from watcher.checking.http.faults import fault_of
from watcher.checking.roster import LOOPS_A_TURN, Roster
from watcher.checking.scheduling.schedule import fraction_of
from watcher.model.conclusion import Conclusion
from watcher.model.outcome import Fault, Phases, Reason
from watcher.model.state import NEVER_CHECKED, Standing, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.model.target import Target

LOCAL, DNS, CONNECT = (Fault(reason, "") for reason in (Reason.LOCAL, Reason.DNS, Reason.CONNECT))
A, B = a_target("a", interval_seconds=60.0), a_target("b", interval_seconds=60.0)


@dataclass
class Sites:
    """Answers after a time; records who was checked when, and which probes were closed."""

    seconds: float = 0.0
    fault: Fault | None = None
    asked: dict[str, list[float]] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)

    def probe(self, target: Target) -> Probe:
        return Probe(self, target)


@dataclass
class Probe:
    sites: Sites
    target: Target

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        self.sites.asked.setdefault(self.target.name, []).append(trio.current_time())
        await trio.sleep(self.sites.seconds)
        return Exchange(phases=Phases(), status_code=200, fault=self.sites.fault)

    def close(self) -> None:
        self.sites.closed.append(self.target.name)


@asynccontextmanager
async def open_roster(sites: Sites) -> AsyncIterator[tuple[Roster, trio.MemoryReceiveChannel[Conclusion]]]:
    send, receive = trio.open_memory_channel[Conclusion](math.inf)
    context = a_checker(sites.probe)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(context.timer.run)
        async with trio.open_nursery() as loops:
            yield Roster(context, send, loops), receive
            loops.cancel_scope.cancel()
        assert context.lanes.workers.borrowed_tokens == 0
        nursery.cancel_scope.cancel()


async def test_a_loop_that_ends_leaves_the_others_alone(autojump_clock: trio.testing.MockClock) -> None:
    alone, together = Sites(), Sites()
    async with open_roster(alone) as (roster, _):
        await roster.begin([A], {})
        await trio.sleep(600)
    started = trio.current_time()
    async with open_roster(together) as (roster, _):
        await roster.begin([A, B], {})
        await trio.sleep(200)
        assert set(await roster.end(["b"])) == {"b"}
        assert roster.running == {"a"}
        asked = list(together.asked["b"])
        await trio.sleep(400)
        assert together.asked["b"] == asked
        assert together.closed == ["b"]
    offsets = [round(moment - started, 3) for moment in together.asked["a"]]
    assert len(offsets) >= 10
    assert offsets == [round(moment, 3) for moment in alone.asked["a"]]
    assert together.closed == ["b", "a"]


async def test_a_check_can_come_sooner_and_the_slots_stay_where_they_are(
    autojump_clock: trio.testing.MockClock,
) -> None:
    alone, sooner = Sites(), Sites(seconds=1.0)
    async with open_roster(alone) as (roster, _):
        await roster.begin([A], {})
        await trio.sleep(600)
    started = trio.current_time()
    async with open_roster(sooner) as (roster, _):
        await roster.begin([A], {})
        wanted = [100.0, 100.5, 100.7, 250.0]  # two requests during a check lead to one more check after it
        for moment in wanted:
            await trio.sleep_until(started + moment)
            roster.check_soon("a")
            roster.check_soon("somebody else")
        await trio.sleep_until(started + 600)
    regular = [round(moment, 2) for moment in alone.asked["a"]]
    found = [round(moment - started, 2) for moment in sooner.asked["a"]]
    assert [moment for moment in found if moment not in regular] == [100.0, 101.0, 250.0]
    assert [moment for moment in found if moment in regular] == regular


async def test_a_restarted_loop_keeps_its_state(autojump_clock: trio.testing.MockClock) -> None:
    up = Standing(State.UP, MOMENT, State.UP)
    async with open_roster(Sites()) as (roster, conclusions):
        await roster.begin([A], {"a": up})
        await trio.sleep(100)
        standings = await roster.end(["a"])
        assert standings == {"a": up}
        await roster.begin([replace(A, interval_seconds=30.0)], standings)
        await trio.sleep(100)
        assert roster.running == {"a"}
        assert await roster.end(["a"]) == {"a": up}
    found = []
    while conclusions.statistics().current_buffer_used:
        found.append(conclusions.receive_nowait())
    assert len(found) >= 5
    assert all(conclusion.standing is up and not conclusion.flips for conclusion in found)


async def test_a_check_in_flight_is_cancelled_without_a_result(autojump_clock: trio.testing.MockClock) -> None:
    sites = Sites(seconds=5.0)
    async with open_roster(sites) as (roster, conclusions):
        await roster.begin([A], {})
        while not sites.asked:  # noqa: ASYNC110  # a mock clock
            await trio.sleep(0.1)
        began = trio.current_time()
        assert await roster.end(["a"]) == {"a": NEVER_CHECKED}
        assert trio.current_time() == began
        assert sites.closed == ["a"]
        assert conclusions.statistics().current_buffer_used == 0
        assert roster.running == frozenset()


async def test_a_target_that_is_not_enabled_has_no_loop_and_a_standing(autojump_clock: trio.testing.MockClock) -> None:
    paused, sites = Standing(State.PAUSED, MOMENT, State.UP), Sites()
    async with open_roster(sites) as (roster, _):
        await roster.begin([replace(A, enabled=False), B], {"a": paused})
        await trio.sleep(100)
        assert roster.running == {"b"}
        assert await roster.end(["a"]) == {"a": paused}
    assert set(sites.asked) == {"b"}


@pytest.mark.parametrize(
    ("faults", "away"),
    [
        ((LOCAL, DNS, CONNECT), True),
        ((LOCAL, DNS, None), False),
        ((Fault(Reason.TIMEOUT, ""), DNS, CONNECT), False),
        ((LOCAL, fault_of(OSError(errno.ECONNREFUSED, ""), "connect"), CONNECT), False),
        ((LOCAL, fault_of(OSError(errno.EHOSTUNREACH, ""), "connect"), CONNECT), True),
        ((), False),
    ],
)
def test_where_no_target_of_a_start_can_be_reached_one_line_says_so(
    faults: tuple[Fault | None, ...], away: bool
) -> None:
    first_checks = FirstChecks(len(faults))
    with capture_logs() as logs:
        for fault in (*faults, CONNECT, CONNECT):
            first_checks.note(fault)
    assert [line["targets"] for line in logs] == ([len(faults)] if away else [])


async def test_the_first_checks_of_a_start_are_taken_together(autojump_clock: trio.testing.MockClock) -> None:
    away = "no target reached since the start; this machine seems to have no network"
    sites = Sites(fault=Fault(Reason.CONNECT, "refused"))
    with capture_logs() as logs:
        async with open_roster(sites) as (roster, _):
            await roster.begin([A, B, replace(A, name="c", enabled=False)], {})
            await trio.sleep(600)
            await roster.begin([replace(A, name="later")], {})
            await trio.sleep(600)
    assert [(line["event"], line["targets"]) for line in logs] == [(away, 2)]


async def test_many_loops_start_and_stop_in_turns(autojump_clock: trio.testing.MockClock) -> None:
    targets = [a_target(str(number), interval_seconds=600.0) for number in range(10 * LOOPS_A_TURN)]
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with open_roster(Sites()) as (roster, _), trio.open_nursery() as nursery:
        nursery.start_soon(count_turns)
        await roster.begin(targets, {})
        assert turns >= 5
        turns = 0
        await roster.end([target.name for target in targets])
        assert turns >= 5
        assert roster.running == frozenset()
        nursery.cancel_scope.cancel()


async def test_a_new_owner_continues_with_the_slots_of_targets_and_misses_none(
    autojump_clock: trio.testing.MockClock,
) -> None:
    targets = [a_target(f"site {number}", interval_seconds=20.0) for number in range(40)]
    sites = Sites(seconds=0.1)
    async with open_roster(sites) as (former, conclusions):
        await former.begin(targets, {})
        await trio.sleep(100)
        standings = await former.end(former.running)
        while conclusions.statistics().current_buffer_used:
            conclusions.receive_nowait()
    checked_until = {name: EPOCH + asked[-1] for name, asked in sites.asked.items()}
    await trio.sleep(14)  # as after a kill
    async with open_roster(sites) as (roster, conclusions):
        await roster.begin(targets, standings, checked_until)
        await trio.sleep(100)
        found = [conclusions.receive_nowait() for _ in range(conclusions.statistics().current_buffer_used)]
    assert {conclusion.outcome.skipped_slots for conclusion in found} == {0}
    late = [conclusion.outcome for conclusion in found if conclusion.outcome.lateness_seconds > 1]
    assert 20 < len(late) < 40
    assert all(outcome.lateness_seconds <= 14.1 for outcome in late)
    for name, asked in sites.asked.items():
        slots = [round((EPOCH + at) / 20 - fraction_of(name), 3) for at in asked[1:]]  # the first is from the start
        whole = [int(slot) for slot in slots]
        assert whole == list(range(whole[0], whole[0] + len(whole))), name


async def test_a_gate_delays_checks_but_not_stops_and_knows_what_was_checked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    sites, opened = Sites(seconds=1.0), trio.Event()

    async def wait(_name: str) -> None:
        await opened.wait()

    gate = Gate(lambda _name: opened.is_set(), wait)
    context = replace(a_checker(sites.probe), gate=gate)
    send, _receive = trio.open_memory_channel[Conclusion](math.inf)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(context.timer.run)
        roster = Roster(context, send, nursery)
        await roster.begin([A, B], {})
        await trio.sleep(30)
        assert sites.asked == {}
        waiting_since = gate.checked_until(context.clock.now(), context.timer.next_due)
        assert waiting_since <= EPOCH + trio.current_time() - 28
        assert set(await roster.end(["b"])) == {"b"}
        opened.set()
        await trio.sleep(100)
        assert set(sites.asked) == {"a"}
        now = context.clock.now()
        assert gate.checked_until(now, context.timer.next_due) == now - ENTER_SECONDS
        nursery.cancel_scope.cancel()

"""Failures of sites are distinguished from a missing network on this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import trio
import trio.testing

from tests.doubles import EPOCH, a_failure, a_target, an_outcome
from watcher.checking.network import MAX_HOLD_SECONDS, MIN_HOSTS, RETRY_SECONDS, Gap, Network
from watcher.model.outcome import NO_NETWORK, Fault, Outcome, Reason
from watcher.model.state import NEVER_CHECKED, Standing, State
from watcher.model.target import Target

UNREACHABLE = Fault(Reason.CONNECT, "no route to the host")
UP, DOWN = Standing(State.UP), Standing(State.DOWN)


class World:
    """A network that comes and goes, with some hosts down; records who asks."""

    def __init__(self) -> None:
        self.network = Network()
        self.is_there = True
        self.down: set[str] = set()
        self.looks = 0
        self.look_seconds = 0.1
        self.gaps: list[Gap] = []

    async def ask(self, target: Target) -> bool:
        self.looks += 1
        await trio.sleep(self.look_seconds)
        return self.is_there and target.address not in self.down

    async def tell(self, gap: Gap) -> None:
        self.gaps.append(gap)

    async def check(
        self, number: int = 0, standing: Standing = UP, fault: Fault = UNREACHABLE, seconds: float = 0.0
    ) -> Outcome:
        """Check a site, in a check that took that many seconds."""
        target = a_target(f"{number}", address=f"http://site{number}.example/")
        reachable = self.is_there and target.address not in self.down
        at = datetime.fromtimestamp(EPOCH + trio.current_time() - seconds, UTC)
        outcome = an_outcome(target.name, at=at) if reachable else a_failure(target.name, fault=fault, at=at)
        return await self.network.judged(target, outcome, standing)

    async def reasons(self, count: int, standing: Standing = UP) -> list[Reason | None]:
        """Check many at once."""
        found: dict[int, Outcome] = {}

        async def check(number: int) -> None:
            found[number] = await self.check(number, standing)

        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(check, number)
        return [None if (fault := found[number].fault) is None else fault.reason for number in range(count)]


@asynccontextmanager
async def a_world(*connectivity: str, interval_seconds: float = 30) -> AsyncIterator[World]:
    world = World()
    if connectivity:
        world.network.use(connectivity, interval_seconds)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.network.run, world.ask, lambda: EPOCH + trio.current_time(), world.tell)
        await trio.sleep(1)
        yield world
        nursery.cancel_scope.cancel()


async def test_without_connectivity_failures_are_local_and_the_gap_is_reported_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_world("https://one.example/", "https://two.example/") as world:
        assert (await world.check()).ok
        world.is_there = False
        began = trio.current_time()
        outcome = await world.check()
        assert outcome.fault == Fault(Reason.LOCAL, f"{NO_NETWORK}; the check saw connect: no route to the host")
        assert await world.reasons(20, DOWN) == [Reason.LOCAL] * 20
        refused = Fault(Reason.CONNECT, "refused", was_refused=True)
        for fault in (Fault(Reason.STATUS, "503"), Fault(Reason.TLS, "expired"), refused):
            assert (await world.check(fault=fault)).fault is fault
        await trio.sleep(20)
        assert not world.gaps
        world.is_there = True
        await trio.sleep(RETRY_SECONDS + 1)
        [gap] = world.gaps
        assert gap.start == pytest.approx(EPOCH + began, abs=1)
        assert gap.end == pytest.approx(EPOCH + began + 20, abs=RETRY_SECONDS + 1)
        world.down.add("http://site1.example/")
        outcome = await world.check(1, fault=Fault(Reason.TIMEOUT, "no answer"), seconds=10)
        assert outcome.fault is not None
        assert outcome.fault.reason is Reason.LOCAL  # it started without a network
        assert await world.reasons(3) == [None, Reason.CONNECT, None]


async def test_one_connectivity_target_that_answers_is_enough_and_looks_are_shared(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_world("https://one.example/", "https://two.example/") as world:
        world.down = {"https://one.example/", *(f"http://site{number}.example/" for number in range(100))}
        looks = world.looks
        assert await world.reasons(100) == [Reason.CONNECT] * 100
        assert world.looks - looks <= 4
        assert await world.reasons(100) == [Reason.CONNECT] * 100
        await trio.sleep(2)
        looks = world.looks
        assert await world.reasons(100, DOWN) == [Reason.CONNECT] * 100
        assert world.looks == looks  # hosts that are down anyway are not asked


async def test_the_network_is_looked_at_even_if_nothing_fails(autojump_clock: trio.testing.MockClock) -> None:
    async with a_world("https://one.example/", interval_seconds=30) as world:
        world.is_there = False
        await trio.sleep(31)
        assert world.network.is_away
        world.is_there = True
        await trio.sleep(RETRY_SECONDS + 1)
        assert len(world.gaps) == 1


async def test_most_hosts_failing_at_once_is_the_network_but_is_not_believed_for_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_world() as world:
        assert await world.reasons(20) == [None] * 20
        await trio.sleep(5)
        world.is_there = False
        assert await world.reasons(20) == [Reason.LOCAL] * 20
        began = trio.current_time()
        reasons = set[Reason | None]()
        while trio.current_time() < began + MAX_HOLD_SECONDS - RETRY_SECONDS:
            reasons.update(await world.reasons(20))
            await trio.sleep(2)
        assert reasons == {Reason.LOCAL}
        await trio.sleep(2 * RETRY_SECONDS)
        for _ in range(10):
            assert set(await world.reasons(20)) == {Reason.CONNECT}
            await trio.sleep(5)
        assert not world.gaps
        world.is_there = True
        for _ in range(2):
            assert await world.reasons(20) == [None] * 20
            await trio.sleep(5)
        world.is_there = False
        assert Reason.LOCAL in await world.reasons(20)
        world.is_there = True
        await trio.sleep(2 * RETRY_SECONDS)
        assert len(world.gaps) == 1


async def test_some_that_were_up_last_show_that_the_others_are_to_blame(autojump_clock: trio.testing.MockClock) -> None:
    async with a_world() as world:
        assert await world.reasons(20) == [None] * 20
        await trio.sleep(5)
        world.down = {f"http://site{number}.example/" for number in range(17)}
        assert await world.reasons(20) == [Reason.CONNECT] * 17 + [None] * 3


@pytest.mark.parametrize("count", range(1, MIN_HOSTS))
async def test_few_hosts_are_believed_at_once(autojump_clock: trio.testing.MockClock, count: int) -> None:
    async with a_world() as world:
        assert await world.reasons(count) == [None] * count
        world.is_there = False
        looks = world.looks
        assert await world.reasons(count) == [Reason.CONNECT] * count
        assert world.looks == looks


async def test_a_look_that_takes_too_long_holds_no_check_for_longer_than_its_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_world("https://one.example/") as world:
        world.is_there, world.look_seconds = False, 1000
        before = trio.current_time()
        assert (await world.check()).fault != UNREACHABLE
        assert trio.current_time() - before < MAX_HOLD_SECONDS


async def test_every_check_is_trusted_without_a_look_at_the_network() -> None:
    world = World()
    world.network.use(["https://one.example/"], 30)
    world.is_there = False
    assert (await world.check(standing=NEVER_CHECKED)).fault is UNREACHABLE

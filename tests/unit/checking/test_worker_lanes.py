"""Which check may run now."""

import trio
import trio.testing

from watcher.checking.scheduling.worker_lanes import PATIENCE_SECONDS, PATROL_SECONDS, Lanes


class Checks:
    """Checks that run until they are released, and record how they ended."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.done: list[tuple[str, float]] = []
        self.in_flight = 0

    async def last(self, name: str, seconds: float) -> str:
        self.begun.append(name)
        self.in_flight += 1
        try:
            await trio.sleep(seconds)
        finally:
            self.in_flight -= 1
        self.done.append((name, round(trio.current_time(), 1)))
        return name


async def test_failing_targets_hold_half_of_the_workers(autojump_clock: trio.testing.MockClock) -> None:
    lanes, checks = Lanes(10), Checks()
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(_run, lanes, checks, f"dead {number}", 60.0, True)
        await trio.sleep(1)
        assert checks.in_flight == 5
        assert lanes.workers.borrowed_tokens == 5
        nursery.cancel_scope.cancel()
    assert lanes.workers.borrowed_tokens == 0


async def test_a_single_worker_serves_failing_targets_too(autojump_clock: trio.testing.MockClock) -> None:
    lanes, checks = Lanes(1), Checks()
    assert await lanes.run(lambda: checks.last("a", 1), failing=True) == "a"


async def test_a_slow_check_makes_way_and_is_made_anew(autojump_clock: trio.testing.MockClock) -> None:
    lanes, checks = Lanes(2), Checks()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lanes.patrol)
        async with trio.open_nursery() as runs:
            runs.start_soon(_run, lanes, checks, "slow", 5.0, False)
            runs.start_soon(_run, lanes, checks, "slower", 6.0, False)
            await trio.sleep(0.1)
            await lanes.run(lambda: checks.last("quick", 0.1), failing=False)
            assert trio.current_time() - began < PATIENCE_SECONDS + 2 * PATROL_SECONDS + 0.1
        nursery.cancel_scope.cancel()
    assert sorted(name for name, _ in checks.done) == ["quick", "slow", "slower"]
    assert len(checks.begun) == 4, "one of the slow ones made way, and was begun again"
    assert lanes.workers.borrowed_tokens == 0


async def test_a_slow_check_continues_while_no_other_waits(autojump_clock: trio.testing.MockClock) -> None:
    lanes, checks = Lanes(2), Checks()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lanes.patrol)
        await lanes.run(lambda: checks.last("slow", 5), failing=False)
        nursery.cancel_scope.cancel()
    assert checks.begun == ["slow"]


async def test_a_cancelled_check_gives_its_worker_back(autojump_clock: trio.testing.MockClock) -> None:
    lanes, checks = Lanes(1), Checks()
    for failing in (False, True):
        with trio.move_on_after(1) as scope:
            await _run(lanes, checks, "long", 5.0, failing)
        assert scope.cancelled_caught
        assert lanes.workers.borrowed_tokens == 0
    assert await lanes.run(lambda: checks.last("next", 0), failing=True) == "next"


async def _run(lanes: Lanes, checks: Checks, name: str, seconds: float, failing: bool) -> None:
    await lanes.run(lambda: checks.last(name, seconds), failing=failing)


async def test_more_workers_start_waiting_checks_and_fewer_let_running_ones_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    lanes, checks = Lanes(1), Checks()
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(_run, lanes, checks, str(number), 10.0, number % 2 == 0)
        await trio.sleep(1)
        assert checks.in_flight == 1
        lanes.resize(6)
        await trio.sleep(1)
        assert checks.in_flight == 6
        lanes.resize(2)
        await trio.sleep(1)
        assert checks.in_flight == 6, "what is in flight goes on"
        await trio.sleep(10)
        assert checks.in_flight == 2
    assert len(checks.done) == 10
    assert lanes.workers.borrowed_tokens == 0

"""Many sleepers, one timer."""

import pytest
import trio
import trio.testing

from watcher.checking.scheduling.shared_timer import MAX_NAP_SECONDS, TICK_SECONDS, SharedTimer
from watcher.checking.scheduling.slot_clock import SlotClock

EPOCH = 1_795_447_255.0


class Wall:
    """A wall clock that runs with trio's clock, and can be set."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return EPOCH + trio.current_time() + self.ahead


async def test_each_sleeper_wakes_at_its_own_time(autojump_clock: trio.testing.MockClock) -> None:
    clock = SlotClock(Wall(), trio.current_time)
    timer = SharedTimer(clock)
    began = clock.now()
    woken: dict[float, float] = {}

    async def sleeper(seconds: float) -> None:
        await timer.wait_until(began + seconds)
        woken[seconds] = clock.now() - began

    async with trio.open_nursery() as nursery:
        nursery.start_soon(timer.run)
        await trio.sleep(0.5)  # it already sleeps when they arrive
        async with trio.open_nursery() as sleepers:
            for seconds in (70.0, 0.6, 5.5, 5.5001, 0.0, 3.25):
                sleepers.start_soon(sleeper, seconds)
        nursery.cancel_scope.cancel()
    assert list(woken) == [0.0, 0.6, 3.25, 5.5, 5.5001, 70.0]
    for seconds, moment in woken.items():
        assert max(seconds, 0.5) <= moment + 1e-6
        assert moment <= max(seconds, 0.5) + TICK_SECONDS + 1e-6


async def test_a_cancelled_sleeper_is_gone(autojump_clock: trio.testing.MockClock) -> None:
    clock = SlotClock(Wall(), trio.current_time)
    timer = SharedTimer(clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timer.run)
        with trio.move_on_after(1) as scope:
            await timer.wait_until(clock.now() + 5)
        assert scope.cancelled_caught
        await timer.wait_until(clock.now() + 10)  # the cancelled sleeper's deadline is skipped
        nursery.cancel_scope.cancel()


async def test_after_a_suspend_all_sleepers_wake(autojump_clock: trio.testing.MockClock) -> None:
    # The monotonic clock stands still in a suspend, and the wall clock leaps when it ends.
    wall = Wall()
    clock = SlotClock(wall, trio.current_time)
    timer = SharedTimer(clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timer.run)
        nursery.start_soon(_leap, wall, 3600.0)
        began = trio.current_time()
        await timer.wait_until(clock.now() + 3600)
        assert trio.current_time() - began == pytest.approx(2, abs=MAX_NAP_SECONDS + TICK_SECONDS)
        nursery.cancel_scope.cancel()


async def _leap(wall: Wall, seconds: float) -> None:
    await trio.sleep(2)
    wall.ahead = seconds

"""Waiting asyncio callbacks run in one turn of trio's loop, whatever else runs."""

from __future__ import annotations

import asyncio

import trio
import trio.testing
import trio_asyncio

from watcher.postgres.bridge import open_bridge
from watcher.postgres.callbacks_at_once import CALLBACKS_A_TURN


class Turns(trio.abc.Instrument):
    """Counts the turns of trio's loop."""

    def __init__(self) -> None:
        self.count = 0

    def after_io_wait(self, timeout: float) -> None:
        self.count += 1


async def test_asyncio_callbacks_take_few_turns_and_leave_some_to_others() -> None:
    turns, ran_in = Turns(), list[int]()

    async def schedule() -> None:
        for _ in range(3 * CALLBACKS_A_TURN):
            asyncio.get_running_loop().call_soon(lambda: ran_in.append(turns.count))
        for _ in range(CALLBACKS_A_TURN):
            await asyncio.sleep(0)

    trio.lowlevel.add_instrument(turns)
    async with open_bridge():
        await trio_asyncio.aio_as_trio(schedule)()
    assert len(ran_in) == 3 * CALLBACKS_A_TURN
    assert 2 <= len(set(ran_in)) <= 5
    assert turns.count < 30


async def test_nothing_wakes_for_a_timer_that_was_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    turns, ran_at = Turns(), list[float]()

    async def schedule() -> None:
        loop = asyncio.get_running_loop()
        for seconds in range(1, 101):
            timer = loop.call_later(seconds, lambda: ran_at.append(trio.current_time()))
            if seconds != 50:
                timer.cancel()

    async with open_bridge():
        await trio_asyncio.aio_as_trio(schedule)()
        trio.lowlevel.add_instrument(turns)
        await trio.sleep(1000)
    assert ran_at == [50.0]
    assert turns.count < 20

"""Waiting asyncio callbacks run in one turn of trio's loop, whatever else runs."""

from __future__ import annotations

import asyncio

import trio
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

"""Makes trio-asyncio 0.16 run all waiting callbacks in one turn, as asyncio does.

By itself it runs one callback, and gives all other tasks a turn before the next. A query takes some 30 callbacks. With
a hundred checks under way, each taking a step in each turn, a query for one row took 0.8 s of processor time, and
beats and claims exceeded their limits.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

# The most callbacks in one turn: some milliseconds of work.
CALLBACKS_A_TURN = 100


def run_all_that_wait(loop_class: type) -> None:
    """Make a loop of trio-asyncio run all waiting callbacks before other tasks get a turn.

    Args:
        loop_class: trio_asyncio.BaseTrioEventLoop, which is changed in place.
    """
    name = "_main_loop_one"
    setattr(loop_class, name, _repeated(getattr(loop_class, name)))


def _repeated(run_one: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    @functools.wraps(run_one)
    async def run(loop: Any, no_wait: bool = False) -> None:
        await run_one(loop, no_wait)
        if no_wait:  # the loop is being closed, and counts the callbacks itself
            return
        try:
            for _ in range(CALLBACKS_A_TURN):
                if loop._stopped.is_set():
                    return
                await run_one(loop, no_wait=True)
        except trio.WouldBlock:
            pass

    return run

"""Makes trio-asyncio 0.16 run all waiting callbacks in one turn, and forget cancelled timers, as asyncio does.

By itself it runs one callback, and gives all other tasks a turn before the next. A query takes some 30 callbacks. With
a hundred checks under way, each taking a step in each turn, a query for one row took 0.8 s of processor time, and
beats and claims exceeded their limits. It also wakes for each cancelled timer, of which a query leaves seven, and
inspects each callback, as asyncio does only in its debug mode: that takes a sixth of the processor time of a query.
"""

from __future__ import annotations

import functools
import heapq
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

# The most callbacks in one turn: some milliseconds of work.
CALLBACKS_A_TURN = 100


def run_all_that_wait(loop_class: type) -> None:
    """Make a loop of trio-asyncio run all waiting callbacks before other tasks get a turn, and no timer in vain.

    Args:
        loop_class: trio_asyncio.BaseTrioEventLoop, which is changed in place.
    """
    name, check = "_main_loop_one", "_check_callback"
    setattr(loop_class, name, _repeated(getattr(loop_class, name)))
    setattr(loop_class, check, _in_debug_mode(getattr(loop_class, check)))


def _in_debug_mode(check: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(check)
    def check_in_debug_mode(loop: Any, callback: object, method: str) -> None:
        if loop.get_debug():
            check(loop, callback, method)

    return check_in_debug_mode


def _repeated(run_one: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    @functools.wraps(run_one)
    async def run(loop: Any, no_wait: bool = False) -> None:
        while loop._timers and loop._timers[0]._cancelled:
            heapq.heappop(loop._timers)
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

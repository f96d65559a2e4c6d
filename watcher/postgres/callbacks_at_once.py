"""What trio-asyncio 0.16 lacks for a loop that is busy: all callbacks that wait run in one turn, as asyncio has it.

It runs one callback, and lets all other tasks have their turn before the next. A query takes some 30 callbacks: while a
hundred checks are under way, of which each turn does a step, it took 0.8 s of processor time to ask for one row, and
beats and claims ran into their limits.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

# The bound of one turn: some milliseconds' work.
CALLBACKS_A_TURN = 100


def run_all_that_wait(loop_class: type) -> None:
    """Have a loop of trio-asyncio run all callbacks that wait before others get a turn.

    Args:
        loop_class: trio_asyncio.BaseTrioEventLoop, which is changed in place.
    """
    name = "_main_loop_one"
    setattr(loop_class, name, _repeated(getattr(loop_class, name)))


def _repeated(run_one: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    @functools.wraps(run_one)
    async def run(loop: Any, no_wait: bool = False) -> None:
        await run_one(loop, no_wait)
        if no_wait:  # of the end of the loop, which counts them itself
            return
        try:
            for _ in range(CALLBACKS_A_TURN):
                if loop._stopped.is_set():
                    return
                await run_one(loop, no_wait=True)
        except trio.WouldBlock:
            pass

    return run

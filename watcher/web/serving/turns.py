"""Runs long work in turns with the checks: in steps, in the loop. Trio.

A thread does not help: it takes the interpreter's lock away from the loop whenever the loop waits for the kernel, for
5 ms each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import trio
from trio import _core as trio_core

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

Result = TypeVar("Result")

PORTION_SECONDS = 0.001
# Reads of connections in one turn: a request takes about a millisecond.
READS_A_TURN = 2


# How long the page waits at most for an idle loop: while checks take all time, the page is slow.
LONGEST_WAIT_SECONDS = 0.02
# Public as trio.testing.wait_all_tasks_blocked, but that module imports all of pytest if it is installed.
_wait_all_tasks_blocked: Callable[[], Awaitable[None]] = vars(trio_core)["wait_all_tasks_blocked"]


async def until_idle() -> None:
    """Let all runnable tasks run first."""
    with trio.move_on_after(LONGEST_WAIT_SECONDS):
        await _wait_all_tasks_blocked()


class Doorway:
    """Admits a few tasks, in order, whenever the loop is idle: however many come, a turn stays short."""

    def __init__(self, a_turn: int = READS_A_TURN) -> None:
        """Open it; `run` must run for more than `a_turn` tasks."""
        self._a_turn = self._left = a_turn
        self._waiting = trio.lowlevel.ParkingLot()  # bounded by the connections
        self._used = trio.Event()

    async def pass_through(self) -> None:
        """Wait for admission, which usually is immediate."""
        if not self._left:
            await self._waiting.park()
            return
        self._left -= 1
        self._used.set()
        await trio.lowlevel.checkpoint_if_cancelled()

    async def run(self) -> NoReturn:
        """Admit waiting tasks, until cancelled."""
        while True:
            await self._used.wait()
            await until_idle()
            let_in = min(self._a_turn, len(self._waiting))
            self._waiting.unpark(count=let_in)
            self._left = self._a_turn - let_in
            if not let_in:
                self._used = trio.Event()


async def in_turns(steps: Generator[Any, None, Result], turn: trio.Lock) -> Result:
    """Run all steps, one portion whenever the loop is idle.

    Args:
        steps: each takes less than a portion; yielded values are ignored.
        turn: shared by all long tasks, so that a turn of the loop has one portion of all of them.

    Returns:
        the return value of `steps`.
    """
    while True:
        async with turn:
            await until_idle()
            ends_at = trio.current_time() + PORTION_SECONDS
            while trio.current_time() < ends_at:
                try:
                    next(steps)
                except StopIteration as end:
                    result: Result = end.value
                    return result

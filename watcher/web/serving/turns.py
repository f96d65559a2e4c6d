"""Work in turns with the checks: whatever takes long is done in steps, in the loop. It is trio-flavoured.

A thread is no way out: it takes the interpreter's lock away from the loop whenever that waits for the kernel, for 5 ms
each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import trio
from trio import _core as trio_core

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

Result = TypeVar("Result")

PORTION_SECONDS = 0.001
# Of what has come over connections: a request takes about a millisecond.
READS_A_TURN = 2


# The longest that the page waits for the loop to have nothing else to do: where checks take all time, it is slow.
LONGEST_WAIT_SECONDS = 0.02
# It is public as trio.testing.wait_all_tasks_blocked, but that module imports all of pytest where there is one.
_wait_all_tasks_blocked: Callable[[], Awaitable[None]] = vars(trio_core)["wait_all_tasks_blocked"]


async def until_idle() -> None:
    """Let all go first that can go on now."""
    with trio.move_on_after(LONGEST_WAIT_SECONDS):
        await _wait_all_tasks_blocked()


class Doorway:
    """Lets a few in whenever the loop has nothing else to do, in their order: however many come, a turn stays short."""

    def __init__(self, a_turn: int = READS_A_TURN) -> None:
        """Open it; `run` has to be running where more than so many come."""
        self._a_turn = self._left = a_turn
        self._waiting = trio.lowlevel.ParkingLot()  # bounded by the connections
        self._used = trio.Event()

    async def pass_through(self) -> None:
        """Wait for one's turn, which mostly is now."""
        if not self._left:
            await self._waiting.park()
            return
        self._left -= 1
        self._used.set()
        await trio.lowlevel.checkpoint_if_cancelled()

    async def run(self) -> NoReturn:
        """Let the next ones in again and again, until cancelled."""
        while True:
            await self._used.wait()
            await until_idle()
            let_in = min(self._a_turn, len(self._waiting))
            self._waiting.unpark(count=let_in)
            self._left = self._a_turn - let_in
            if not let_in:
                self._used = trio.Event()


async def in_turns(steps: Generator[Any, None, Result], turn: trio.Lock) -> Result:
    """Go through all steps, a portion of them whenever the loop has nothing else to do.

    Args:
        steps: each takes no longer than a portion; what they yield is let go.
        turn: shared by all that takes long, so that a turn of the loop has one portion of all of it.

    Returns:
        what the last one returns.
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

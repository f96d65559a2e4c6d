"""Work in turns with the checks: whatever takes long is done in steps, in the loop. It is trio-flavoured.

A thread is no way out: it takes the interpreter's lock away from the loop whenever that waits for the kernel, for 5 ms
each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Generator

Result = TypeVar("Result")

TURN_SECONDS = 0.002


async def in_turns(steps: Generator[Any, None, Result]) -> Result:
    """Go through all steps, with a turn for others every few milliseconds.

    Args:
        steps: each takes no longer than a turn; what they yield is let go.

    Returns:
        what the last one returns.
    """
    turn_ends_at = trio.current_time() + TURN_SECONDS
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        if trio.current_time() > turn_ends_at:
            await trio.lowlevel.checkpoint()
            turn_ends_at = trio.current_time() + TURN_SECONDS

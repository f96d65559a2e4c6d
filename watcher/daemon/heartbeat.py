"""A file that is touched by the loop itself: a container or a supervisor sees by its age whether the daemon lives."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import trio

if TYPE_CHECKING:
    from pathlib import Path

BEAT_SECONDS = 1.0


async def beat(file: Path) -> NoReturn:
    """Touch a file every second; never returns unless cancelled."""
    thread = trio.CapacityLimiter(1)
    while True:
        with suppress(OSError, RuntimeError):  # a full disk, or no thread, shows in the file's age: it is for that
            await trio.to_thread.run_sync(file.touch, abandon_on_cancel=True, limiter=thread)
        await trio.sleep(BEAT_SECONDS)

"""Touches a file from the loop: its age shows a container or a supervisor whether the daemon is alive.

If the daemon does not follow the clock of the machine, the file has the difference, for commands.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import trio

from watcher.daemon.stop_ladder import HEARTBEAT
from watcher.model.clock_trust import WALL_CLOCK

if TYPE_CHECKING:
    from pathlib import Path

BEAT_SECONDS = 1.0


async def beat(file: Path) -> NoReturn:
    """Touch a file every second; never returns unless cancelled, and removes the file then.

    A fresh file left by a clean stop would make the next start look healthy before it is.
    """
    thread = trio.CapacityLimiter(1)  # so that no touch under way creates the file again after its removal
    try:
        while True:
            with suppress(OSError, RuntimeError):  # a full disk, or no thread, shows in the file's age
                await trio.to_thread.run_sync(_touch, file, abandon_on_cancel=True, limiter=thread)
            await trio.sleep(BEAT_SECONDS)
    finally:
        with trio.move_on_after(HEARTBEAT.seconds, shield=True), suppress(OSError, RuntimeError):
            remove = partial(file.unlink, missing_ok=True)
            await trio.to_thread.run_sync(remove, abandon_on_cancel=True, limiter=thread)


def _touch(file: Path) -> None:
    file.touch()
    ahead_seconds = WALL_CLOCK.ahead_seconds
    text = "" if ahead_seconds is None else f"{ahead_seconds:.0f}"
    if file.read_text() != text:
        file.write_text(text)

"""Touches a file while the loop runs: its age shows a container or a supervisor whether the daemon is alive.

If the daemon does not follow the clock of the machine, the file has the difference, for commands.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import trio

from watcher.daemon.stop_ladder import HEARTBEAT
from watcher.model.clock_trust import WALL_CLOCK, next_beat

if TYPE_CHECKING:
    from pathlib import Path

BEAT_SECONDS = 2.0
# A loop whose last beat was longer ago stands still.
MISSED_SECONDS = 1.5 * BEAT_SECONDS


async def beat(file: Path) -> NoReturn:
    """Touch a file every two seconds; never returns unless cancelled, and removes the file then.

    A fresh file left by a clean stop would make the next start look healthy before it is.
    """
    thread = trio.CapacityLimiter(1)  # so that no touch under way creates the file again after its removal
    beaten_at, is_over = time.monotonic(), threading.Event()

    def touch_while_beating() -> None:
        """Touch the file while the loop beats. The thread sleeps by itself, so that it does not wake the loop."""
        while not is_over.is_set():
            if time.monotonic() < beaten_at + MISSED_SECONDS:
                with suppress(OSError):  # a full disk shows in the file's age
                    _touch(file)
            is_over.wait(BEAT_SECONDS)

    async def run_thread() -> NoReturn:
        while True:
            with suppress(RuntimeError):  # a lack of threads shows there too
                await trio.to_thread.run_sync(touch_while_beating, abandon_on_cancel=True, limiter=thread)
            await trio.sleep(BEAT_SECONDS)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_thread)
            while True:
                beaten_at = time.monotonic()
                await trio.sleep_until(next_beat(trio.current_time(), BEAT_SECONDS))
    finally:
        is_over.set()
        with trio.move_on_after(HEARTBEAT.seconds, shield=True), suppress(OSError, RuntimeError):
            remove = partial(file.unlink, missing_ok=True)
            await trio.to_thread.run_sync(remove, abandon_on_cancel=True, limiter=thread)


def _touch(file: Path) -> None:
    file.touch()
    ahead_seconds = WALL_CLOCK.ahead_seconds
    text = "" if ahead_seconds is None else f"{ahead_seconds:.0f}"
    if file.read_text() != text:
        file.write_text(text)

"""Touches a file from the loop: its age shows a container or a supervisor whether the daemon is alive.

If the daemon does not follow the clock of the machine, the file has the difference, for commands.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, NoReturn

import trio

from watcher.daemon.stop_ladder import HEARTBEAT
from watcher.model.clock_trust import WALL_CLOCK, next_beat

if TYPE_CHECKING:
    from pathlib import Path

BEAT_SECONDS = 2.0


async def beat(file: Path) -> NoReturn:
    """Touch a file every two seconds; never returns unless cancelled, and removes the file then.

    A fresh file left by a clean stop would make the next start look healthy before it is. A thread touches the file
    after each beat of the loop, which does not wait for it.
    """
    thread = trio.CapacityLimiter(1)  # so that no touch under way creates the file again after its removal
    # True for a beat, False for the end; at most one beat waits. An Event would wake the thread twice for each beat.
    beats = SimpleQueue[bool]()

    def touch_at_each_beat() -> None:
        while beats.get():
            with suppress(OSError):  # a full disk shows in the file's age
                _touch(file)

    async def run_thread() -> NoReturn:
        while True:
            with suppress(RuntimeError):  # no thread shows there, too
                await trio.to_thread.run_sync(touch_at_each_beat, abandon_on_cancel=True, limiter=thread)
            await trio.sleep(BEAT_SECONDS)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_thread)
            while True:
                if beats.empty():
                    beats.put(True)
                await trio.sleep_until(next_beat(trio.current_time(), BEAT_SECONDS))
    finally:
        beats.put(False)
        with trio.move_on_after(HEARTBEAT.seconds, shield=True), suppress(OSError, RuntimeError):
            remove = partial(file.unlink, missing_ok=True)
            await trio.to_thread.run_sync(remove, abandon_on_cancel=True, limiter=thread)


def _touch(file: Path) -> None:
    file.touch()
    ahead_seconds = WALL_CLOCK.ahead_seconds
    text = "" if ahead_seconds is None else f"{ahead_seconds:.0f}"
    if file.read_text() != text:
        file.write_text(text)

"""Whether this process itself stood still, so that what it saw of a site meanwhile says nothing."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NoReturn

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

# The loop is held up by its own work for some 10 ms at the worst; a SIGSTOP, a suspend or a starved machine take more.
PAUSE_SECONDS = 0.5
BEAT_SECONDS = 0.1


def suspended_seconds() -> float:
    """Return how long the machine has been suspended since it was booted: the monotonic clock sleeps through that."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # Linux has it
    return 0.0 if clock is None else time.clock_gettime(clock) - time.monotonic()


class Pauses:
    """Notices pauses of the loop by a beat that comes late; it beats only while a `with` block of it is open."""

    def __init__(self, suspended: Callable[[], float] = suspended_seconds) -> None:
        """Make one that has seen no pause; it sees none before `run` runs.

        Args:
            suspended: returns the seconds that the machine has been suspended so far.
        """
        self._suspended = suspended
        self._suspended_before = 0.0
        self._last_beat: float | None = None  # None while it does not beat
        self._last_pause_end = float("-inf")
        self._blocks = 0
        self._nap: trio.CancelScope | None = None  # of `run`; its deadline is the next beat

    def __enter__(self) -> None:
        """Beat, as long as this block or another lasts."""
        self._blocks += 1
        if self._blocks == 1 and self._nap is not None:
            self._suspended_before, self._last_beat = self._suspended(), trio.current_time()
            self._nap.deadline = self._last_beat + BEAT_SECONDS

    def __exit__(self, *_error: object) -> None:
        """Beat no more, where no other block is open."""
        self._blocks -= 1
        if self._blocks == 0 and self._nap is not None:
            self._last_beat, self._nap.deadline = None, math.inf

    def any_since(self, moment: float) -> bool:
        """Tell whether the loop stood still for more than half a second at any time since a moment.

        Args:
            moment: as `trio.current_time` counts; in the block that is open.
        """
        self._look()
        return self._last_pause_end > moment

    async def run(self) -> NoReturn:
        """Notice pauses until cancelled."""
        self._suspended_before = self._suspended()
        if self._blocks:
            self._last_beat = trio.current_time()
        while True:
            beat_at = math.inf if self._last_beat is None else trio.current_time() + BEAT_SECONDS
            with trio.CancelScope(deadline=beat_at) as self._nap:
                await trio.sleep_forever()
            if self._last_beat is not None:
                self._look()
                self._last_beat = trio.current_time()

    def _look(self) -> None:
        """Note a pause that has just ended: who wakes first after it may not be the task of `run`."""
        if self._last_beat is None:
            return
        now, suspended = trio.current_time(), self._suspended()
        if now - self._last_beat > BEAT_SECONDS + PAUSE_SECONDS or suspended - self._suspended_before > PAUSE_SECONDS:
            self._last_pause_end = now
        self._suspended_before = suspended

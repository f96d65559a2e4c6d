"""Detects that this process itself stood still, which makes its checks of that time worthless."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NoReturn

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

# The loop's own work delays it by some 10 ms at worst; a SIGSTOP, a suspend or a starved machine take longer.
PAUSE_SECONDS = 0.5
BEAT_SECONDS = 0.1


def suspended_seconds() -> float:
    """Return how long the machine has been suspended since boot; the monotonic clock does not count that time."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # only on Linux
    return 0.0 if clock is None else time.clock_gettime(clock) - time.monotonic()


class Pauses:
    """Detects pauses of the loop by a late beat; it beats while a `with` block of it is open, and once after that."""

    def __init__(self, suspended: Callable[[], float] = suspended_seconds) -> None:
        """Start without pauses; none are detected before `run` runs.

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
        if self._last_beat is None and self._nap is not None:
            self._suspended_before, self._last_beat = self._suspended(), trio.current_time()
            self._nap.deadline = self._last_beat + BEAT_SECONDS

    def __exit__(self, *_error: object) -> None:
        """End a block. The next beat ends the beating if none is open: to end it here costs more, with many checks."""
        self._blocks -= 1

    def any_since(self, moment: float) -> bool:
        """Return whether the loop stood still for more than half a second since a moment.

        Args:
            moment: on the clock of `trio.current_time`, within the open block.
        """
        self._look()
        return self._last_pause_end > moment

    async def run(self) -> NoReturn:
        """Detect pauses until cancelled."""
        self._suspended_before = self._suspended()
        if self._blocks:
            self._last_beat = trio.current_time()
        while True:
            beat_at = math.inf if self._last_beat is None else trio.current_time() + BEAT_SECONDS
            with trio.CancelScope(deadline=beat_at) as self._nap:
                await trio.sleep_forever()
            if self._last_beat is not None:
                self._look()
                self._last_beat = trio.current_time() if self._blocks else None

    def _look(self) -> None:
        """Record a pause that has just ended: the first task to wake after it may be another than that of `run`."""
        if self._last_beat is None:
            return
        now, suspended = trio.current_time(), self._suspended()
        if now - self._last_beat > BEAT_SECONDS + PAUSE_SECONDS or suspended - self._suspended_before > PAUSE_SECONDS:
            self._last_pause_end = now
        self._suspended_before = suspended

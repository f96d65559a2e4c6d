"""Holds checks back after a freeze until the database has said who checks what by now."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from watcher.model.clock_trust import steady_seconds

if TYPE_CHECKING:
    from collections.abc import Callable


class LeaseGate:
    """Open while the lease lasts, and while the database is unreachable."""

    def __init__(self, ask: Callable[[], object], clock: Callable[[], float] = steady_seconds) -> None:
        """Create an open gate.

        Args:
            ask: called when a check waits, so that the database is queried at once.
            clock: seconds of a clock that is never set and that counts a suspend.
        """
        self._ask = ask
        self._clock = clock
        self._open_until = math.inf
        self._has_asked = False
        self._opened = trio.Event()

    @property
    def is_open(self) -> bool:
        """Whether a check may start."""
        return self._clock() < self._open_until

    async def passed(self) -> None:
        """Return when a check may start; without a checkpoint if that is now.

        The wait lasts until the database was queried and the checks that other replicas have taken over have ended; the
        task that ends those checks must be able to cancel it.
        """
        while self._clock() >= self._open_until:
            if not self._has_asked:
                self._has_asked = True
                self._ask()
            await self._opened.wait()

    def set_end(self, moment: float) -> None:
        """Keep the gate open until a moment of its clock; shut it if that is past."""
        self._open_until = moment
        if self.is_open:
            self._has_asked = False
            opened, self._opened = self._opened, trio.Event()
            opened.set()

"""Where checks wait after a freeze, until the database has been asked who checks what by now."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from watcher.model.clock_trust import steady_seconds

if TYPE_CHECKING:
    from collections.abc import Callable


class LeaseGate:
    """Stands open while the lease lasts, and while the database is away."""

    def __init__(self, ask: Callable[[], object], clock: Callable[[], float] = steady_seconds) -> None:
        """Make one that stands open.

        Args:
            ask: called when somebody waits, so that the database is asked at once.
            clock: seconds of a clock that nobody sets and that goes on in a suspend.
        """
        self._ask = ask
        self._clock = clock
        self._open_until = math.inf
        self._has_asked = False
        self._opened = trio.Event()

    @property
    def is_open(self) -> bool:
        """Whether a check may begin."""
        return self._clock() < self._open_until

    async def passed(self) -> None:
        """Return when a check may begin; without a checkpoint where that is now.

        It waits for as long as it takes to ask, and to end the checks that others have taken over; whoever ends those
        must be able to cancel it.
        """
        while self._clock() >= self._open_until:
            if not self._has_asked:
                self._has_asked = True
                self._ask()
            await self._opened.wait()

    def set_end(self, moment: float) -> None:
        """Let it stand open until a moment, of its clock; shut where that is past."""
        self._open_until = moment
        if self.is_open:
            self._has_asked = False
            opened, self._opened = self._opened, trio.Event()
            opened.set()

"""Bounds expensive work: how much runs at once, how much waits, and for how long. Trio."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.responses import Response


class BusyError(Exception):
    """Too much work at once; `busy_response` is the answer."""


class Few:
    """Limits simultaneous work."""

    def __init__(self, at_once: int, in_wait: int = 0, wait_seconds: float = 0.0) -> None:
        """Create a limit.

        Args:
            at_once: the maximum that runs at once.
            in_wait: the bound of waiting callers.
            wait_seconds: the longest wait of each.
        """
        self._slots = trio.Semaphore(at_once)
        self._in_wait = in_wait
        self._wait_seconds = wait_seconds

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold one slot during a block.

        Raises:
            BusyError: no slot became free in time.
        """
        try:
            self._slots.acquire_nowait()
        except trio.WouldBlock:
            await self._wait()
        try:
            yield
        finally:
            self._slots.release()

    async def _wait(self) -> None:
        if self._slots.statistics().tasks_waiting >= self._in_wait:
            raise BusyError
        with trio.move_on_after(self._wait_seconds) as in_time:
            await self._slots.acquire()
        if in_time.cancelled_caught:
            raise BusyError


def busy_response() -> Response:
    """Return 503, with a hint to retry."""
    return PlainTextResponse("Too many requests at once.\n", 503, {"retry-after": "1"})

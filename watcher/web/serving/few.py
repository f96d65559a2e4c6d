"""Bounds what is expensive: so much of it at once, so much that waits, for so long. It is trio-flavoured."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.responses import Response


class BusyError(Exception):
    """Enough of this is in work; `busy_response` says so."""


class Few:
    """Lets a few in at once."""

    def __init__(self, at_once: int, in_wait: int = 0, wait_seconds: float = 0.0) -> None:
        """Let nobody in yet.

        Args:
            at_once: how many may be in work.
            in_wait: the bound of those that wait for their turn.
            wait_seconds: the longest that each of them waits.
        """
        self._slots = trio.Semaphore(at_once)
        self._in_wait = in_wait
        self._wait_seconds = wait_seconds

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Take one's turn for the time of a block.

        Raises:
            BusyError: others are in work, and no turn came in time.
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
    """Answer that enough is in work, and that another try may be lucky."""
    return PlainTextResponse("Enough of this is in work.\n", 503, {"retry-after": "1"})

"""Limits the checks in flight: a number of workers, of which failing targets hold at most half."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# A check that takes longer must yield to waiting ones.
PATIENCE_SECONDS = 0.5
PATROL_SECONDS = 0.1

T = TypeVar("T")


class Lanes:
    """The workers; one token of `workers` is one check in flight.

    A dead site holds a worker until its deadline, a healthy one for milliseconds: a few dead sites would hold all
    workers and make healthy ones late. So a target that failed last time needs a second token, of which there are half
    as many. If a site turns out to be slow while others wait, its check is cancelled and repeated in the lane of the
    failing, with its full time.
    """

    def __init__(self, max_workers: int) -> None:
        """Create lanes for `max_workers` checks in flight."""
        self.workers = trio.CapacityLimiter(max_workers)
        self._failing = trio.CapacityLimiter(_failing_workers(max_workers))
        # When each check outside the lane of the failing started; bounded by the workers, the longest first.
        self._started: dict[trio.CancelScope, float] = {}
        self._waiting = 0  # also outside the lane of the failing
        self._has_waiting = trio.Event()

    def resize(self, max_workers: int) -> None:
        """Change the number of workers; with fewer, running checks continue, and new ones wait."""
        self.workers.total_tokens = max_workers
        self._failing.total_tokens = _failing_workers(max_workers)

    async def run(self, check: Callable[[], Awaitable[T]], *, failing: bool) -> T:
        """Run a check as soon as a worker is free.

        Args:
            check: called once, and again if it was cancelled as slow.
            failing: whether the target's last check failed.

        Returns:
            the result of the check.
        """
        if not failing:
            with trio.CancelScope() as scope:
                return await self.run_within(scope, check)
        return await self.run_among_failing(check)

    async def run_within(self, scope: trio.CancelScope, check: Callable[[], Awaitable[T]]) -> T:
        """Run a check as soon as a worker is free, and break it off if it is slow while others wait.

        Args:
            scope: the scope in which this is called; cancelled to break the check off.
            check: called once.

        Returns:
            what the check returns.
        """
        await self._acquire_worker()
        self._started[scope] = trio.current_time()
        try:
            return await check()
        finally:
            del self._started[scope]
            self.workers.release()

    async def run_among_failing(self, check: Callable[[], Awaitable[T]]) -> T:
        """Run a check to its end, as soon as the lane of failing targets has a free worker."""
        async with self._failing, self.workers:
            return await check()

    async def _acquire_worker(self) -> None:
        try:
            self.workers.acquire_nowait()  # saves a turn of the loop
        except trio.WouldBlock:
            self._waiting += 1
            self._has_waiting.set()
            try:
                await self.workers.acquire()
            finally:
                self._waiting -= 1

    async def patrol(self) -> NoReturn:
        """Cancel slow checks while others wait, until cancelled."""
        while True:
            if not self._waiting:
                self._has_waiting = trio.Event()
                await self._has_waiting.wait()
            await trio.sleep(PATROL_SECONDS)
            if self._waiting:
                patience_ends = trio.current_time() - PATIENCE_SECONDS
                slow = [scope for scope, begun in self._started.items() if begun <= patience_ends]
                for scope in slow[: self._waiting]:
                    scope.cancel()


def _failing_workers(max_workers: int) -> int:
    return max(max_workers // 2, 1)

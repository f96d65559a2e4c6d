"""Who may check now: so many workers, of which failing targets hold half at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# A check that lasts longer has to make way for those that wait.
PATIENCE_SECONDS = 0.5
PATROL_SECONDS = 0.1

T = TypeVar("T")


class Lanes:
    """The workers; one token of `workers` is one check in flight.

    A dead site holds a worker until its deadline, a healthy one for milliseconds: left alone, a few dead ones would
    hold all workers, and make the healthy ones late. So what failed last time needs a second token, of which there
    are half as many; and where a site turns out to be slow while others wait, its check is broken off, and made anew
    in the lane of the failing, where it has all its time.
    """

    def __init__(self, max_workers: int) -> None:
        """Make lanes for so many checks in flight."""
        self.workers = trio.CapacityLimiter(max_workers)
        self._failing = trio.CapacityLimiter(_failing_workers(max_workers))
        # When each check outside the lane of the failing began; bounded by the workers, the longest first.
        self._begun: dict[trio.CancelScope, float] = {}
        self._waiting = 0  # outside the lane of the failing, as well

    def resize(self, max_workers: int) -> None:
        """Have another number of workers from now on; with fewer, checks in flight go on, and new ones wait."""
        self.workers.total_tokens = max_workers
        self._failing.total_tokens = _failing_workers(max_workers)

    async def run(self, check: Callable[[], Awaitable[T]], *, failing: bool) -> T:
        """Run a check as soon as there is a worker for it.

        Args:
            check: called once, or once more after it was broken off.
            failing: whether the target's last check failed.

        Returns:
            what the check returns.
        """
        if not failing:
            with trio.CancelScope() as scope:
                return await self.run_within(scope, check)
        return await self.run_among_failing(check)

    async def run_within(self, scope: trio.CancelScope, check: Callable[[], Awaitable[T]]) -> T:
        """Run a check as soon as there is a worker for it, and break it off where it is slow while others wait.

        Args:
            scope: in which this is called; it is cancelled to break the check off.
            check: called once.

        Returns:
            what the check returns.
        """
        await self._acquire_worker()
        self._begun[scope] = trio.current_time()
        try:
            return await check()
        finally:
            del self._begun[scope]
            self.workers.release()

    async def run_among_failing(self, check: Callable[[], Awaitable[T]]) -> T:
        """Run a check as soon as the lane of the failing has a worker for it, and give it all its time."""
        async with self._failing, self.workers:
            return await check()

    async def _acquire_worker(self) -> None:
        try:
            self.workers.acquire_nowait()  # saves a turn of the loop
        except trio.WouldBlock:
            self._waiting += 1
            try:
                await self.workers.acquire()
            finally:
                self._waiting -= 1

    async def patrol(self) -> NoReturn:
        """Break slow checks off while others wait, until cancelled."""
        while True:
            await trio.sleep(PATROL_SECONDS)
            if self._waiting:
                patience_ends = trio.current_time() - PATIENCE_SECONDS
                slow = [scope for scope, begun in self._begun.items() if begun <= patience_ends]
                for scope in slow[: self._waiting]:
                    scope.cancel()


def _failing_workers(max_workers: int) -> int:
    return max(max_workers // 2, 1)

"""Names that hang must not cost the others."""

import socket
import threading
from typing import Any

import trio

from watcher.checking.resolver import TimedResolver, current_stopwatch
from watcher.checking.stopwatch import Stopwatch

HUNG_LOOKUPS = 60
TIMEOUT_SECONDS = 0.05


class HangingResolver(TimedResolver):
    """Hangs on one name, as getaddrinfo does when no name server answers."""

    def __init__(self, max_workers: int) -> None:
        super().__init__(max_workers)
        self.let_go = threading.Event()

    async def _lookup(self, *query: Any) -> list[Any]:
        if query[0] == b"hung.example":
            await trio.to_thread.run_sync(self.let_go.wait, abandon_on_cancel=True, limiter=self._threads)
        return await super()._lookup(*query)


async def test_hung_names_do_not_cost_a_healthy_one() -> None:
    # Workers that all hang, and are cut off, twice over: the threads of the first round still run in the second.
    resolver = HangingResolver(HUNG_LOOKUPS)

    async def hang() -> None:
        with trio.move_on_after(TIMEOUT_SECONDS):
            await resolver.getaddrinfo(b"hung.example", 80)

    try:
        async with trio.open_nursery() as nursery:
            for _ in range(HUNG_LOOKUPS):
                nursery.start_soon(hang)
        with trio.fail_after(1):
            assert await resolver.getaddrinfo(b"localhost", 80, socket.AF_INET, socket.SOCK_STREAM)
            await trio.to_thread.run_sync(int)  # nor does anything else that needs a thread
    finally:
        resolver.let_go.set()


async def test_the_stopwatch_of_the_check_is_told() -> None:
    stopwatch = Stopwatch(trio.current_time)
    current_stopwatch.set(stopwatch)
    await TimedResolver(1).getaddrinfo(b"localhost", 80)
    assert (stopwatch.phases().resolve or -1) >= 0

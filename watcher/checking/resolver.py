"""Name resolution that is timed, and that hung names cannot starve."""

from __future__ import annotations

import socket
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from watcher.checking.stopwatch import Stopwatch

# The stopwatch of the check that runs in this task: trio's resolver hook takes no argument for it.
current_stopwatch: ContextVar[Stopwatch | None] = ContextVar("current_stopwatch", default=None)


LOOKUPS_PER_WORKER = 16


class TimedResolver(trio.abc.HostnameResolver):
    """Resolves with the system's getaddrinfo in threads of its own, and tells the check's stopwatch how long it took.

    A lookup that hangs keeps its thread past the check's deadline, since getaddrinfo cannot be cancelled. With trio's
    common limit of 40 threads, 60 such names would stop everything else that needs a thread.
    """

    def __init__(self, max_workers: int) -> None:
        """Make a resolver for that many checks in flight."""
        # A hung lookup lasts some 30 s, a check may be cut off after 2: every worker may have left so many behind.
        self._threads = trio.CapacityLimiter(LOOKUPS_PER_WORKER * max_workers)

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002  # the name in trio's interface
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Resolve a name, as socket.getaddrinfo."""
        stopwatch = current_stopwatch.get()
        if stopwatch is None:
            return await self._lookup(host, port, family, type, proto, flags)
        with stopwatch.phase("resolve"):
            return await self._lookup(host, port, family, type, proto, flags)

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        """Find the name of an address, as socket.getnameinfo."""
        return await trio.to_thread.run_sync(
            socket.getnameinfo, sockaddr, flags, abandon_on_cancel=True, limiter=self._threads
        )

    async def _lookup(self, *query: Any) -> list[Any]:
        return await trio.to_thread.run_sync(socket.getaddrinfo, *query, abandon_on_cancel=True, limiter=self._threads)

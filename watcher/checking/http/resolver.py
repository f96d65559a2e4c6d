"""Name resolution that hung names cannot starve: one lookup a name at a time, in threads of their own."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    import outcome

# A hung lookup lasts some 30 s and cannot be cancelled, and a check may be cut off after 2: so many names may hang
# before another has to wait. Each costs a thread that sleeps.
MAX_LOOKUPS = 512
# Where the system has no more threads to give, so many that lookups hold are left to the rest of the daemon.
SPARED_THREADS = 8

# The answers behind which a lack of descriptors or memory hides: without a socket, glibc says "try again".
_MAYBE_LOCAL = frozenset({socket.EAI_AGAIN, socket.EAI_MEMORY, socket.EAI_NONAME, socket.EAI_SYSTEM})


class Address(NamedTuple):
    """Where to connect to, as the socket module has it."""

    family: int
    sockaddr: tuple[Any, ...]

    @property
    def ip(self) -> str:
        """The IP address."""
        return str(self.sockaddr[0])


def literal_address(host: str, port: int) -> Address | None:
    """Return the address that a host names itself, or None where it must be looked up."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        return None
    return Address(family, (host, port, 0, 0) if ":" in host else (host, port))


class Resolver:
    """Resolves names with the system's getaddrinfo.

    Checks that ask for one name at the same time share a lookup, so a name that hangs holds a single thread, however
    many checks of it are cut off; and trio's common threads, which the rest of the daemon needs, are left alone.
    """

    def __init__(
        self,
        lookup: Callable[..., list[Any]] = socket.getaddrinfo,
        max_lookups: int = MAX_LOOKUPS,
        start_thread: Callable[..., None] = trio.lowlevel.start_thread_soon,
    ) -> None:
        """Make a resolver.

        Args:
            lookup: called in a thread, as socket.getaddrinfo is.
            max_lookups: the most that run at once; more wait, and fewer run where the system has no more threads.
            start_thread: as that of trio.
        """
        self._lookup = lookup
        self._max_lookups = self._free = max_lookups
        self._start_thread = start_thread
        self._running = 0
        self._current: dict[tuple[str, int], _Lookup] = {}
        # Bounded by the checks in flight: a lookup that nobody waits for any more is taken out.
        self._waiting: deque[_Lookup] = deque()

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Look a name up.

        Args:
            host: a name, or a number in any spelling that the system knows.
            port: goes into each address.

        Returns:
            the addresses in the order in which the system prefers them; at least one.

        Raises:
            socket.gaierror: it cannot be resolved.
            OSError: this machine lacks what a lookup takes.
        """
        key = (host, port)
        lookup = self._current.get(key)
        if lookup is None:
            lookup = self._current[key] = _Lookup(key)
            self._waiting.append(lookup)
            self._start_waiting()
        lookup.waiters += 1
        try:
            await lookup.done.wait()
        finally:
            lookup.waiters -= 1
            if not lookup.waiters and lookup in self._waiting:
                self._waiting.remove(lookup)
                del self._current[key]
        if lookup.error is not None:
            # A copy: an exception that is raised in several tasks would gather their tracebacks.
            raise type(lookup.error)(*lookup.error.args)
        return lookup.addresses

    def _start_waiting(self) -> None:
        while self._waiting and self._free > 0:
            self._start(self._waiting.popleft())

    def _start(self, lookup: _Lookup) -> None:
        token = trio.lowlevel.current_trio_token()

        def deliver(result: outcome.Outcome[list[Address]]) -> None:
            with suppress(trio.RunFinishedError):  # a lookup that hangs may outlive the daemon
                token.run_sync_soon(self._finish, lookup, result.unwrap)

        try:
            # Not to_thread.run_sync: that thread would belong to one of the checks that wait.
            self._start_thread(lambda: _addresses(self._lookup, *lookup.key), deliver)
        except RuntimeError as error:
            if self._running:
                self._waiting.appendleft(lookup)  # until some that run have ended, and not all of those go on
                self._free = -min(SPARED_THREADS, self._running - 1)
            else:
                self._settle(lookup, _raiser(OSError(errno.ENOMEM, f"no thread for a lookup: {error}")))
        else:
            self._free -= 1
            self._running += 1

    def _finish(self, lookup: _Lookup, result: Callable[[], list[Address]]) -> None:
        self._running -= 1
        self._free = self._free + 1 if self._running else self._max_lookups
        self._settle(lookup, result)
        self._start_waiting()

    def _settle(self, lookup: _Lookup, result: Callable[[], list[Address]]) -> None:
        del self._current[lookup.key]
        try:
            lookup.addresses = result()
        except (OSError, UnicodeError) as error:
            lookup.error = error
        lookup.done.set()


class _Lookup:
    """A lookup that waits for a thread, runs, or is done."""

    __slots__ = ("addresses", "done", "error", "key", "waiters")

    def __init__(self, key: tuple[str, int]) -> None:
        self.key = key
        self.waiters = 0
        self.done = trio.Event()
        self.addresses: list[Address] = []
        self.error: Exception | None = None


def _raiser(error: OSError) -> Callable[[], list[Address]]:
    def result() -> list[Address]:
        raise error

    return result


def _addresses(lookup: Callable[..., list[Any]], host: str, port: int) -> list[Address]:
    """Look up; runs in a thread."""
    try:
        found = lookup(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except socket.gaierror as error:
        if error.errno in _MAYBE_LOCAL:
            os.close(os.open(os.devnull, os.O_RDONLY))  # raises where descriptors have run out
        raise
    addresses = list(dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in found))
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
    return addresses

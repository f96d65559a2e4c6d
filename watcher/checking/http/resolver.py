"""Resolves names; hung names cannot starve others: one lookup for each name, in separate threads."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    import outcome

# A hung lookup lasts some 30 s and cannot be cancelled, and a check may be cut off after 2: this many names may hang
# before another has to wait. Each costs a sleeping thread.
MAX_LOOKUPS = 512
# When the system has no more threads, lookups leave this many of theirs to the rest of the daemon.
SPARED_THREADS = 8

# Errors that may hide a lack of descriptors or memory: without a socket, glibc reports "try again".
_MAYBE_LOCAL = frozenset({socket.EAI_AGAIN, socket.EAI_MEMORY, socket.EAI_NONAME, socket.EAI_SYSTEM})


# Addresses of a root server, which do not change; they are only looked up in the routing table.
_ON_THE_INTERNET = ("198.41.0.4", "2001:503:ba3e::2:30")


class Address(NamedTuple):
    """An address to connect to, as the socket module represents it."""

    family: int
    sockaddr: tuple[Any, ...]

    @property
    def ip(self) -> str:
        """The IP address."""
        return str(self.sockaddr[0])


def literal_address(host: str, port: int) -> Address | None:
    """Return the address if a host is a literal IP address, or None if it must be looked up.

    Raises:
        OSError: this machine does not have the zone after its `%`.
    """
    ip, percent, zone = host.partition("%")
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        socket.inet_pton(family, ip)
    except (OSError, ValueError):
        return None
    if family == socket.AF_INET:
        return Address(family, (ip, port))
    return Address(family, (ip, port, 0, _scope(zone) if percent else 0))


def _scope(zone: str) -> int:
    if zone.isascii() and zone.isdigit():
        return int(zone)
    try:
        return socket.if_nametoindex(zone)
    except OSError as error:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error


class NoRouteError(OSError):
    """Names cannot be resolved, since this machine has no route out."""


def has_route_to(address: Address) -> bool:
    """Return whether the system has a route to an address; nothing is sent."""
    try:
        with socket.socket(address.family, socket.SOCK_DGRAM) as probe:
            probe.connect(address.sockaddr)
    except OSError:
        return False
    return True


def has_route_out() -> bool:
    """Return whether the system has a route to the internet, or to a name server beyond this machine."""
    addresses = [literal_address(ip, 53) for ip in (*_ON_THE_INTERNET, *_name_servers())]
    return any(address is not None and has_route_to(address) for address in addresses)


def _name_servers() -> list[str]:
    try:
        text = Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    found = re.findall(r"^[ \t]*nameserver[ \t]+([0-9A-Fa-f:.]+)", text, re.MULTILINE)
    return [ip for ip in found if not ip.startswith("127.") and ip != "::1"]


class Resolver:
    """Resolves names with the system's getaddrinfo.

    Simultaneous checks of one name share a lookup, so a hung name holds a single thread, however many of its checks
    are cut off. trio's shared threads, which the rest of the daemon needs, are not used.
    """

    def __init__(
        self,
        lookup: Callable[..., list[Any]] = socket.getaddrinfo,
        max_lookups: int = MAX_LOOKUPS,
        has_route_out: Callable[[], bool] = has_route_out,
        start_thread: Callable[..., None] = trio.lowlevel.start_thread_soon,
    ) -> None:
        """Create a resolver.

        Args:
            lookup: called in a thread, like socket.getaddrinfo.
            max_lookups: the most that run at once; more wait, and fewer run if the system has no more threads.
            has_route_out: whether this machine has a route to name servers and the internet; called in a thread.
            start_thread: like trio's.
        """
        self._has_route_out = has_route_out
        self._lookup = lookup
        self._max_lookups = self._free = max_lookups
        self._start_thread = start_thread
        self._running = 0
        self._current: dict[tuple[str, int], _Lookup] = {}
        # Bounded by the checks in flight: a lookup without waiters is removed.
        self._waiting: deque[_Lookup] = deque()

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Look up a name.

        Args:
            host: a name, or a number in any notation that the system knows.
            port: set in each address.

        Returns:
            the addresses in the system's order of preference; at least one.

        Raises:
            socket.gaierror: it cannot be resolved.
            NoRouteError: it cannot be resolved, since this machine has no route.
            OSError: this machine lacks resources for a lookup.
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
            # A copy: an exception raised in several tasks would collect their tracebacks.
            raise type(lookup.error)(*lookup.error.args)
        return lookup.addresses

    def _start_waiting(self) -> None:
        while self._waiting and self._free > 0:
            self._start(self._waiting.popleft())

    def _start(self, lookup: _Lookup) -> None:
        token = trio.lowlevel.current_trio_token()

        def deliver(result: outcome.Outcome[list[Address]]) -> None:
            with suppress(trio.RunFinishedError):  # a hung lookup may outlive the daemon
                token.run_sync_soon(self._finish, lookup, result.unwrap)

        try:
            # Not to_thread.run_sync: its thread would belong to one of the waiting checks.
            self._start_thread(lambda: self._addresses(*lookup.key), deliver)
        except RuntimeError as error:
            if self._running:
                self._waiting.appendleft(lookup)  # until some running lookups end, and not all of those restart
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

    def _addresses(self, host: str, port: int) -> list[Address]:
        """Look up a name; runs in a thread."""
        try:
            found = self._lookup(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        except socket.gaierror as error:
            if error.errno in _MAYBE_LOCAL:
                os.close(os.open(os.devnull, os.O_RDONLY))  # raises if descriptors have run out
            if error.errno == socket.EAI_AGAIN and not self._has_route_out():
                raise NoRouteError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)) from None
            raise
        addresses = list(dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in found))
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        return addresses


class _Lookup:
    """A lookup that waits for a thread, is running, or is done."""

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

"""Opens a TCP connection to the first of several addresses that accepts one (happy eyeballs), if it is allowed."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from contextlib import suppress
from itertools import zip_longest
from typing import TYPE_CHECKING

import trio

from watcher.checking.http.resolver import Address, has_route_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.model.target import IpProtocol

# RFC 8305, section 5: the "Connection Attempt Delay".
STAGGER_SECONDS = 0.25

# Networks with an IPv4 address in their last 32 bits: IPv4-mapped (RFC 4291, section 2.5.5.2), IPv4-compatible
# (2.5.5.1) and NAT64 (RFC 6052, section 2.1; RFC 8215).
_IPV4_IN_LAST_BITS = tuple(
    ipaddress.IPv6Network(text) for text in ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")  # RFC 3056: the IPv4 address follows the first 16 bits

# On loopback, a refusal comes at once.
_REFUSALS = frozenset({errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED})

# What `connect` returns while the handshake is under way: EALREADY at the second call.
_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EAGAIN, errno.EALREADY})

_FAMILIES = {"ip4": socket.AF_INET, "ip6": socket.AF_INET6}


class BlockedAddressError(Exception):
    """No address of the name may be connected to."""

    def __init__(self, ip: str) -> None:
        self.ip = ip
        super().__init__(ip)


class LocalConnectError(OSError):
    """The system refused to send at all: no port, no route, a local firewall."""


def chosen(addresses: Sequence[Address], protocol: IpProtocol, *, allow_private: bool) -> list[Address]:
    """Choose the addresses to try, in their order.

    Args:
        addresses: of a name; at least one.
        protocol: if the name has addresses of this kind, only they are tried, as in blackbox_exporter; with `any`, the
            two kinds alternate (RFC 8305, section 4).
        allow_private: whether private addresses are allowed.

    Raises:
        BlockedAddressError: no address is left.
    """
    allowed = [address for address in addresses if allow_private or not is_private(address.ip)]
    if not allowed:
        raise BlockedAddressError(addresses[0].ip)
    if protocol != "any":
        return [address for address in allowed if address.family == _FAMILIES[protocol]] or allowed
    if len(allowed) == 1:
        return allowed
    first = [address for address in allowed if address.family == allowed[0].family]
    others = [address for address in allowed if address.family != allowed[0].family]
    return [address for pair in zip_longest(first, others) for address in pair if address is not None]


def is_private(ip: str) -> bool:
    """Return whether an address is private, loopback, link-local, reserved or multicast, in any notation.

    Args:
        ip: the peer of a connected socket; a scope after `%` is ignored.
    """
    address = ipaddress.ip_address(ip.partition("%")[0])
    if not address.is_global or address.is_multicast:
        return True
    if isinstance(address, ipaddress.IPv6Address):
        if address in _SIX_TO_FOUR:
            return _is_private_ipv4(int(address) >> 80)
        if any(address in network for network in _IPV4_IN_LAST_BITS):
            return _is_private_ipv4(int(address))
    return False


def _is_private_ipv4(bits: int) -> bool:
    return is_private(str(ipaddress.IPv4Address(bits & 0xFFFF_FFFF)))


async def connect(addresses: Sequence[Address]) -> socket.socket:
    """Connect to the first address that answers.

    Args:
        addresses: in order of preference; at least one.

    Returns:
        a connected, non-blocking socket, which the caller must close.

    Raises:
        LocalConnectError: this machine cannot even try the only address.
        OSError: the only address failed.
        ExceptionGroup: one of these errors for each of several addresses.
    """
    if len(addresses) == 1:
        return await _connect_one(addresses[0])
    return await _race(addresses)


async def _connect_one(address: Address) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, socket.IPPROTO_TCP)
    try:
        # The data sent after a handshake must not wait until the server has acknowledged it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = sock.connect_ex(address.sockaddr)
        at_once = number not in _UNDER_WAY
        if not at_once:
            # On the same machine the handshake is complete by now; a second call costs much less than a wait.
            number = sock.connect_ex(address.sockaddr)
            if number in _UNDER_WAY:
                await trio.lowlevel.wait_writable(sock)
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except BaseException:
        sock.close()
        raise
    if number:
        sock.close()
        raise connect_error(number, address, at_once=at_once)
    return sock


def connect_error(
    number: int, address: Address, *, at_once: bool, has_route: Callable[[Address], bool] = has_route_to
) -> OSError:
    """Distinguish a connection that failed on the way from one that this machine could not start.

    Args:
        number: the system's errno.
        address: the address that was tried.
        at_once: whether the system reported it before a packet could come back.
        has_route: called if a host is unreachable: without a route this machine is cut off; with one, a router or a
            neighbour reported it, if only a moment ago.
    """
    if number in {errno.EHOSTUNREACH, errno.ENETUNREACH}:
        of_this_machine = (at_once and number == errno.ENETUNREACH) or not has_route(address)
    else:
        of_this_machine = at_once and number not in _REFUSALS
    kind = LocalConnectError if of_this_machine else OSError
    return kind(number, os.strerror(number))


async def _race(addresses: Sequence[Address]) -> socket.socket:
    """Try each address a moment after the one before it, or as soon as that one has failed."""
    errors: list[OSError] = []
    winners: list[socket.socket] = []
    failed = [trio.Event() for _ in addresses]

    async def attempt(index: int) -> None:
        try:
            sock = await _connect_one(addresses[index])
        except OSError as error:
            errors.append(error)
            failed[index].set()
            return
        winners.append(sock)
        nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            for index in range(len(addresses)):
                nursery.start_soon(attempt, index)
                with trio.move_on_after(STAGGER_SECONDS):
                    await failed[index].wait()
    except BaseException:
        _close(winners)
        raise
    _close(winners[1:])  # two may have connected at the same moment
    if not winners:
        raise ExceptionGroup("no address could be connected to", errors)
    return winners[0]


def _close(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        with suppress(OSError):
            sock.close()

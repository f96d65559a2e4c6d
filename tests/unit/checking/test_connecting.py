"""Which addresses are tried, in which order, and what remains of those that lose."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from watcher.checking.http.dial import BlockedAddressError, LocalConnectError, chosen, connect, connect_error
from watcher.checking.http.faults import fault_of
from watcher.checking.http.resolver import Address
from watcher.model.outcome import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.model.target import IpProtocol


def v4(ip: str, port: int = 80) -> Address:
    return Address(socket.AF_INET, (ip, port))


def v6(ip: str, port: int = 80) -> Address:
    return Address(socket.AF_INET6, (ip, port, 0, 0))


A, B, C, D = v4("1.1.1.1"), v4("1.1.1.2"), v6("2606:4700::1"), v6("2606:4700::2")


@pytest.mark.parametrize(
    ("addresses", "protocol", "expected"),
    [
        ([A], "any", [A]),
        ([C, D, A, B], "any", [C, A, D, B]),
        ([A, B, C], "any", [A, C, B]),
        ([C, D, A, B], "ip4", [A, B]),
        ([A, C, D], "ip6", [C, D]),
        ([A, B], "ip6", [A, B]),
        ([C], "ip4", [C]),
    ],
)
def test_the_order(addresses: list[Address], protocol: IpProtocol, expected: list[Address]) -> None:
    assert chosen(addresses, protocol, allow_private=False) == expected


def test_private_addresses_are_left_out_and_public_ones_are_not() -> None:
    mixed = [v4("10.0.0.1"), A, v6("::1")]
    assert chosen(mixed, "any", allow_private=False) == [A]
    assert chosen(mixed, "ip6", allow_private=False) == [A]
    with pytest.raises(BlockedAddressError, match=r"10\.0\.0\.1"):
        chosen([v4("10.0.0.1"), v6("::1")], "any", allow_private=False)


@pytest.mark.parametrize(
    ("number", "at_once", "has_route", "of_this_machine"),
    [
        (errno.ENETUNREACH, True, False, True),
        (errno.ENETUNREACH, False, True, False),  # a router reports it
        (errno.ENETUNREACH, False, False, True),
        (errno.EHOSTUNREACH, True, False, True),
        (errno.EHOSTUNREACH, True, True, False),  # a neighbour that did not answer a moment before
        (errno.EHOSTUNREACH, False, True, False),
        (errno.EHOSTUNREACH, False, False, True),
        (errno.EADDRNOTAVAIL, True, True, True),
        (errno.EPERM, True, True, True),
        (errno.EINVAL, True, True, True),  # a link-local address without its zone
        (errno.ECONNREFUSED, True, True, False),
        (errno.ECONNREFUSED, False, True, False),
        (errno.ECONNRESET, False, False, False),
        (errno.ETIMEDOUT, False, True, False),
    ],
)
def test_who_is_to_blame(number: int, at_once: bool, has_route: bool, of_this_machine: bool) -> None:
    error = connect_error(number, A, at_once=at_once, has_route=lambda address: has_route and address == A)
    assert error.errno == number
    assert isinstance(error, LocalConnectError) is of_this_machine
    fault = fault_of(error, "connect")
    assert fault is not None
    assert fault.reason == (Reason.LOCAL if of_this_machine else Reason.CONNECT)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """A port that refuses connections: it is bound, so that no other program gets it, but does not listen."""
    with socket.socket() as unused:
        unused.bind(("", 0))
        yield unused.getsockname()[1]


@pytest.fixture
def patient_clock() -> trio.testing.MockClock:
    """A clock that leaps to the next deadline once nothing has happened for so long that nothing will.

    So deadlines cost no time, however slow the machine is.
    """
    return trio.testing.MockClock(autojump_threshold=10)


@pytest.fixture
def full() -> Iterator[Address]:
    """An address that neither accepts nor refuses connections: its queue is full."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        waiting = []
        for _ in range(3):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(address)
            waiting.append(sock)
        yield v4(*address)
        for sock in waiting:
            sock.close()


def sockets_open() -> int:
    return sum(
        os.path.exists(path) and os.readlink(path).startswith("socket:")  # noqa: PTH110, PTH115
        for path in (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    )


async def test_one_address(listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    with await connect([v4("127.0.0.1", port)]) as sock:
        assert sock.getpeername() == ("127.0.0.1", port)
        assert not sock.getblocking()


async def test_the_next_is_tried_at_once_where_one_refuses(
    listening: socket.socket, refusing_port: int, patient_clock: trio.testing.MockClock
) -> None:
    port = listening.getsockname()[1]
    begin = trio.current_time()
    with await connect([v4("127.0.0.1", refusing_port), v4("127.0.0.1", port)]) as sock:
        assert sock.getpeername()[1] == port
    assert trio.current_time() == begin


async def test_the_next_is_tried_where_one_says_nothing_and_the_loser_is_closed(
    listening: socket.socket, full: Address
) -> None:
    port, before = listening.getsockname()[1], sockets_open()
    with await connect([full, v4("127.0.0.1", port)]) as sock:
        assert sock.getpeername()[1] == port
        assert sockets_open() == before + 1
    assert sockets_open() == before


async def test_all_failed_addresses_are_named(refusing_port: int) -> None:
    before = sockets_open()
    with pytest.raises(ExceptionGroup) as caught:
        await connect([v4("127.0.0.1", refusing_port), v4("127.0.0.2", refusing_port)])
    errors = caught.value.exceptions
    assert [error.errno for error in errors if isinstance(error, OSError)] == [errno.ECONNREFUSED] * 2
    with pytest.raises(ConnectionRefusedError):
        await connect([v4("127.0.0.1", refusing_port)])
    assert sockets_open() == before


async def test_who_is_cut_off_leaves_nothing_open(full: Address) -> None:
    before = sockets_open()
    for addresses in ([full], [full, full]):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(connect, addresses)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert scope.cancelled_caught
        assert sockets_open() == before

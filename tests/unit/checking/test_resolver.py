"""Names: one lookup for all callers, and hanging names do not delay others."""

from __future__ import annotations

import errno
import os
import resource
import socket
import threading
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing

from watcher.checking.http.faults import fault_of
from watcher.checking.http.resolver import Address, Resolver, has_route_to, literal_address
from watcher.model.outcome import Reason

HUNG_NAMES = 60
# How long a name hangs unless it is released; tests that do not wait for one take far less, on any machine.
HANG_SECONDS = 120
ANSWER = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("192.0.2.1", 80))]


class Names:
    """A getaddrinfo that hangs until it is released, except for quick names."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.asked: list[str] = []
        self.error: Exception | None = None

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        """Look up a name in a thread."""
        self.asked.append(host)
        if not host.startswith("quick"):
            self.let_go.wait(HANG_SECONDS)
        if self.error is not None:
            raise self.error
        return ANSWER


@pytest.fixture
def names() -> Any:
    names = Names()
    yield names
    names.let_go.set()


async def give_up_on(resolver: Resolver, host: str) -> None:
    """Look up a name, and be cancelled during the lookup."""
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(resolver.resolve, host, 80)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()


async def test_hung_names_do_not_cost_a_healthy_one(names: Names) -> None:
    resolver = Resolver(names)
    for index in range(HUNG_NAMES):
        await give_up_on(resolver, f"hung{index}.example")
    with trio.fail_after(HANG_SECONDS / 4):
        assert await resolver.resolve("quick.example", 80) == [Address(socket.AF_INET, ("192.0.2.1", 80))]
        await trio.to_thread.run_sync(int)  # nor does anything else that needs a thread


async def test_all_who_ask_for_a_name_at_once_share_a_lookup(names: Names) -> None:
    resolver, answers = Resolver(names), []

    async def ask() -> None:
        answers.append(await resolver.resolve("slow.example", 80))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        await give_up_on(resolver, "slow.example")
        names.let_go.set()
    assert len(answers) == 5
    assert names.asked == ["slow.example"]
    await resolver.resolve("slow.example", 80)
    assert len(names.asked) == 2, "an answer is not kept: the next check looks up anew"


async def test_a_lookup_waits_for_a_thread_and_is_forgotten_with_the_last_who_asked(names: Names) -> None:
    resolver = Resolver(names, max_lookups=1)
    await give_up_on(resolver, "hung.example")
    await give_up_on(resolver, "quick.given.up")
    answers = []

    async def ask() -> None:
        answers.append(await resolver.resolve("quick.example", 80))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert answers == []
        names.let_go.set()
    assert len(answers) == 1
    assert names.asked == ["hung.example", "quick.example"]


@pytest.mark.parametrize(
    "error", [socket.gaierror(socket.EAI_NONAME, "Name or service not known"), UnicodeError("label too long")]
)
async def test_all_who_share_a_lookup_get_an_error_of_their_own(error: Exception, names: Names) -> None:
    names.error, resolver, seen = error, Resolver(names), []

    async def ask() -> None:
        try:
            await resolver.resolve("slow.example", 80)
        except (OSError, UnicodeError) as caught:
            seen.append(caught)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        names.let_go.set()
    assert [(type(caught), caught.args) for caught in seen] == [(type(error), error.args)] * 2
    assert seen[0] is not seen[1]


async def test_a_name_without_addresses_is_one_that_cannot_be_resolved() -> None:
    with pytest.raises(socket.gaierror, match="no address"):
        await Resolver(lambda *_, **__: []).resolve("empty.example", 80)


async def test_where_descriptors_have_run_out_the_name_is_not_to_blame() -> None:
    def lookup(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    resolver, taken = Resolver(lookup), []
    with pytest.raises(socket.gaierror):
        await resolver.resolve("name.example", 80)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(OSError, match="Too many open files") as caught:
            await resolver.resolve("name.example", 80)
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE


async def test_the_systems_own_lookup() -> None:
    assert ("127.0.0.1", 80) in {address.sockaddr for address in await Resolver().resolve("localhost", 80)}


@pytest.mark.parametrize(
    ("host", "sockaddr"),
    [
        ("192.0.2.1", ("192.0.2.1", 80)),
        ("2001:db8::1", ("2001:db8::1", 80, 0, 0)),
        ("::ffff:127.0.0.1", ("::ffff:127.0.0.1", 80, 0, 0)),
        ("127.1", None),  # the system may read it as a number, so it is left to the system
        ("0x7f000001", None),
        ("example.com", None),
        ("a\0b", None),
        ("", None),
    ],
)
def test_a_literal_address_needs_no_lookup(host: str, sockaddr: tuple[Any, ...] | None) -> None:
    address = literal_address(host, 80)
    assert (address and address.sockaddr) == sockaddr


@pytest.mark.parametrize(
    ("code", "has_route", "reason"),
    [
        (socket.EAI_AGAIN, False, Reason.LOCAL),
        (socket.EAI_AGAIN, True, Reason.DNS),
        (socket.EAI_NONAME, False, Reason.DNS),
        (socket.EAI_FAIL, True, Reason.DNS),
    ],
)
async def test_without_a_way_out_no_name_is_to_blame(names: Names, code: int, has_route: bool, reason: Reason) -> None:
    names.error = socket.gaierror(code, "x")
    with pytest.raises(OSError) as caught:  # noqa: PT011
        await Resolver(names, has_route_out=lambda: has_route).resolve("quick.example", 80)
    fault = fault_of(caught.value, "resolve")
    assert fault is not None
    assert fault.reason == reason


def test_the_routing_table_knows_this_machine() -> None:
    assert has_route_to(Address(socket.AF_INET, ("127.0.0.1", 80)))
    assert not has_route_to(Address(socket.AF_INET6, ("fe80::1", 80, 0, 0)))  # without a zone


def test_the_zone_of_an_ipv6_address() -> None:
    lo = socket.if_nametoindex("lo")
    for host in ("fe80::1%lo", f"fe80::1%{lo}"):
        assert literal_address(host, 80) == Address(socket.AF_INET6, ("fe80::1", 80, 0, lo))
    with pytest.raises(OSError, match="No such device") as caught:
        literal_address("fe80::1%nowhere", 80)
    fault = fault_of(caught.value, "connect")
    assert fault is not None
    assert fault.reason == Reason.LOCAL

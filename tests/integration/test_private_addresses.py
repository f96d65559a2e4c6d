"""Where private addresses are not allowed, no host there hears of a check, however the address is written."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from tests.integration.good_sites import PATIENCE_SECONDS, fetched, looking_up, open_site, redirect
from tests.naming import naming
from watcher.checking.http.resolver import Address, Resolver
from watcher.model.outcome import Reason
from watcher.model.target import Connecting, TlsOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.good_sites import Site
    from watcher.checking.http.exchange import Exchange

PUBLIC_ONLY = Connecting(allow_private=False)
PUBLIC_IP = "1.1.1.1"

# Each of these is this machine to a system's resolver (inet_aton(3)), or leads there.
SPELLINGS = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "127.0.1",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7F.1",
    "2130706433",
    "017700000001",
    "localhost",
    "LOCALHOST",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "127\u30020\u30020\u30021",
]
# These are not addresses to some, and this machine to others.
DISPUTED = ["0177.0.0.1", "127.0.0.1.", "localhost.", "\uff11\uff12\uff17.0.0.1", "[::1%25lo]", "[::1%lo]"]


class _Elsewhere(Address):
    """An address of this machine that looks public: how the test reaches a site on the internet."""

    __slots__ = ()

    @property
    def ip(self) -> str:
        """The IP address that it pretends to be."""
        return PUBLIC_IP


class Names(Resolver):
    """Resolves `public.test` to a site on this machine that looks public, and all else as the system does."""

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Look a name up."""
        if host == "public.test":
            return [_Elsewhere(socket.AF_INET, ("127.0.0.1", port))]
        return await super().resolve(host, port)


@asynccontextmanager
async def untouched_port() -> AsyncIterator[int]:
    """Listen on all addresses of this machine; assert that nothing has connected."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("", 0), family=family, dualstack_ipv6=both) as listener:
        listener.setblocking(False)
        yield int(listener.getsockname()[1])
        with pytest.raises(BlockingIOError):
            listener.accept()


def assert_blocked(exchange: Exchange) -> None:
    """Assert that a check was refused, and why."""
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.BLOCKED
    assert "not a public address" in exchange.fault.detail
    assert exchange.status_code is None


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_every_spelling_is_refused(scheme: str) -> None:
    async with untouched_port() as port:
        for host in SPELLINGS:
            with naming(host):
                await see_spelling_refused(f"{scheme}://{host}:{port}/")


async def see_spelling_refused(address: str) -> None:
    """Assert that an address of this machine is refused before anything is sent."""
    exchange = await fetched(address, Resolver(), connecting=PUBLIC_ONLY)
    assert_blocked(exchange)
    assert (exchange.phases.processing, exchange.phases.tls) == (None, None)


async def test_the_same_are_reached_where_they_are_allowed() -> None:
    reached = 0
    async with open_site() as site:
        for host in ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0"]:
            exchange = await fetched(f"http://{host}:{site.port}/", Resolver())
            assert exchange.fault is None, host
            reached += 1
        assert site.connections == reached


@pytest.mark.parametrize("ip", ["10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"])
async def test_a_name_that_leads_to_a_private_network_is_refused(ip: str) -> None:
    resolver = Resolver(looking_up({"site.test": ip}))
    with trio.fail_after(PATIENCE_SECONDS):
        assert_blocked(await fetched("http://site.test/", resolver, connecting=PUBLIC_ONLY))


async def test_resolve_to_does_not_bypass_the_check() -> None:
    async with untouched_port() as port:
        connecting = Connecting(allow_private=False, resolve_to="127.0.0.1")
        assert_blocked(await fetched(f"http://public.test:{port}/", Names(), connecting=connecting))


async def test_of_several_addresses_the_private_ones_are_left_out() -> None:
    async with open_site() as site, untouched_port() as private_port:

        class Mixed(Resolver):
            async def resolve(self, host: str, port: int) -> list[Address]:
                private = Address(socket.AF_INET, ("127.0.0.1", private_port))
                return [private, _Elsewhere(socket.AF_INET, ("127.0.0.1", port)), private]

        exchange = await fetched(f"http://mixed.test:{site.port}/", Mixed(), connecting=PUBLIC_ONLY)
    assert (exchange.fault, exchange.ip, exchange.body) == (None, PUBLIC_IP, b"hello")


async def test_a_public_site_leads_to_no_private_address() -> None:
    async with untouched_port() as port, open_site() as site:
        for host in SPELLINGS:
            with naming(host):
                exchange = await led_to(host, port, site)
                assert_blocked(exchange)
                assert [(hop.status_code, hop.ip) for hop in exchange.hops] == [(302, PUBLIC_IP)]


async def test_ambiguous_addresses_are_not_reached_either() -> None:
    async def see_nobody_reached(host: str) -> None:
        async with open_site() as site:
            exchange = await led_to(host, port, site)
        assert exchange.fault is not None
        # Some are looked up, and not every machine's name server answers.
        assert exchange.fault.reason in {Reason.BLOCKED, Reason.DNS, Reason.REDIRECT, Reason.TIMEOUT}

    async with untouched_port() as port, trio.open_nursery() as nursery:
        for host in DISPUTED:
            nursery.start_soon(see_nobody_reached, host)


async def led_to(host: str, port: int, site: Site) -> Exchange:
    """Check a public site that redirects to a host of this machine."""
    site.answer = lambda _: redirect(f"http://{host}:{port}/".encode().decode("latin-1"))
    return await fetched(f"http://public.test:{site.port}/", Names(), connecting=PUBLIC_ONLY)


async def test_a_public_site_leads_to_itself_and_other_public_ones() -> None:
    async with open_site() as last, open_site(lambda _: redirect(f"http://public.test:{last.port}/")) as first:
        exchange = await fetched(f"http://public.test:{first.port}/", Names(), connecting=PUBLIC_ONLY)
    assert (exchange.fault, exchange.body, exchange.ip) == (None, b"hello", PUBLIC_IP)


async def test_a_name_that_changes_on_the_way_is_refused() -> None:
    # DNS rebinding: the address that was approved must be the one that is connected to, each time anew.
    class Rebinding(Resolver):
        asked = 0

        async def resolve(self, host: str, port: int) -> list[Address]:
            self.asked += 1
            address = ("127.0.0.1", port)
            return [(_Elsewhere if self.asked == 1 else Address)(socket.AF_INET, address)]

    resolver = Rebinding()
    async with open_site(lambda _: redirect("/again")) as site:
        exchange = await fetched(f"http://site.test:{site.port}/", resolver, connecting=PUBLIC_ONLY)
        connections = site.connections
    assert_blocked(exchange)
    assert (resolver.asked, connections, len(site.asked)) == (2, 1, 1)


async def test_a_server_name_changes_nothing() -> None:
    async with untouched_port() as port:
        connecting = Connecting(allow_private=False, tls=TlsOptions(server_name="public.test"))
        assert_blocked(await fetched(f"https://127.0.0.1:{port}/", Names(), connecting=connecting))

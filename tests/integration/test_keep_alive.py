"""Connections that are kept from one check to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.doubles import a_target
from tests.hostile.certificates import Certificates
from tests.hostile.harness import open_descriptors
from tests.integration.sites import read_request, serving
from tests.integration.transport_servers import Http2Site, Site, kept_response, probing
from watcher.model.target import Connecting, Target, TlsOptions

if TYPE_CHECKING:
    from pathlib import Path


def kept(port: int, scheme: str = "http", ca_file: str | None = None, *, keep_alive: bool = True) -> Target:
    """Make a target whose connection is kept."""
    connecting = Connecting(keep_alive=keep_alive, tls=TlsOptions(ca_file=ca_file))
    return a_target(address=f"{scheme}://127.0.0.1:{port}/", connecting=connecting)


async def test_one_connection_serves_all_checks() -> None:
    site = Site()
    async with serving(site.behave) as port, probing(kept(port)) as probe:
        exchanges = [await probe.fetch() for _ in range(3)]
    assert [exchange.status_code for exchange in exchanges] == [200] * 3
    assert (site.connections, len(site.requests)) == (1, 3)
    assert b"onnection:" not in site.requests[0]
    first, *others = exchanges
    assert first.phases.connect is not None
    for exchange in others:
        assert exchange.ip == "127.0.0.1"
        assert (exchange.phases.resolve, exchange.phases.connect, exchange.phases.tls) == (None, None, None)
        assert exchange.phases.processing is not None


async def test_times_of_one_check_are_not_added_to_the_next() -> None:
    site = Site()
    async with serving(site.behave) as port, probing(kept(port)) as probe:
        total = 0.0
        for _ in range(20):
            begin = trio.current_time()
            exchange = await probe.fetch()
            total = trio.current_time() - begin
    assert (exchange.phases.processing or 0) + (exchange.phases.transfer or 0) <= total


async def test_without_keep_alive_each_check_has_a_connection() -> None:
    site = Site()
    async with serving(site.behave) as port, probing(kept(port, keep_alive=False)) as probe:
        for _ in range(3):
            assert (await probe.fetch()).phases.connect is not None
    assert site.connections == 3
    assert b"\r\nConnection: close\r\n" in site.requests[0]


@pytest.mark.parametrize(
    "site",
    [
        Site(closes=True),
        Site(lambda _: kept_response(headers="Connection: close\r\n")),
        Site(lambda _: b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        Site(lambda _: kept_response() + b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=["server closes", "server says so", "HTTP/1.0", "more than was asked for"],
)
async def test_a_connection_that_cannot_be_used_again_is_replaced(site: Site) -> None:
    async with serving(site.behave) as port, probing(kept(port)) as probe:
        for _ in range(3):
            exchange = await probe.fetch()
            assert (exchange.fault, exchange.status_code) == (None, 200)
            await trio.testing.wait_all_tasks_blocked()
    assert site.connections == 3


async def test_a_server_that_closes_while_it_is_asked_again_is_asked_once_more() -> None:
    connections = 0

    async def close_on_the_second_request(stream: trio.abc.Stream) -> None:
        nonlocal connections
        connections += 1
        await read_request(stream)
        await stream.send_all(kept_response())
        await read_request(stream)

    async with serving(close_on_the_second_request) as port, probing(kept(port)) as probe:
        for _ in range(3):
            assert (await probe.fetch()).fault is None
    assert connections == 3


async def test_a_check_that_was_cut_off_leaves_nothing_to_the_next() -> None:
    connections = 0

    async def be_slow_once(stream: trio.abc.Stream) -> None:
        nonlocal connections
        connections += 1
        while await read_request(stream):
            if connections == 2:
                await trio.sleep_forever()
            await stream.send_all(kept_response(b"x" * connections))
            if connections == 1:
                return

    async with serving(be_slow_once) as port, probing(kept(port)) as probe:
        assert (await probe.fetch()).body == b"x"
        with trio.move_on_after(0.2) as scope:
            await probe.fetch()
        assert scope.cancelled_caught
        assert (await probe.fetch()).body == b"xxx"


async def test_closing_the_probe_closes_its_connection() -> None:
    site, before = Site(), len(open_descriptors())
    async with serving(site.behave) as port:
        async with probing(kept(port)) as probe:
            await probe.fetch()
            within = len(open_descriptors())
        await trio.testing.wait_all_tasks_blocked()
        after = len(open_descriptors())
    assert within - after >= 1
    assert len(open_descriptors()) <= before


async def test_tls_is_kept_with_what_is_known_of_the_server(tmp_path: Path) -> None:
    certificates, site = Certificates(tmp_path), Site()
    async with (
        serving(site.behave, certificates.good_context()) as port,
        probing(kept(port, "https", certificates.ca_file)) as probe,
    ):
        first, second = await probe.fetch(), await probe.fetch()
    assert site.connections == 1
    assert first.phases.tls is not None
    assert second.phases.tls is None
    assert second.chain is not None
    assert second.chain == first.chain


async def test_http2_is_kept(tmp_path: Path) -> None:
    certificates, site = Certificates(tmp_path), Http2Site()
    async with (
        serving(site.behave, certificates.good_context("h2")) as port,
        probing(kept(port, "https", certificates.ca_file)) as probe,
    ):
        exchanges = [await probe.fetch() for _ in range(3)]
    assert [(exchange.fault, exchange.http_version, exchange.body) for exchange in exchanges] == [
        (None, "2", b"hello")
    ] * 3
    assert (site.connections, len(site.requests)) == (1, 3)

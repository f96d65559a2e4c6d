"""HTTP/2, as it is asked for and agreed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.doubles import a_target
from tests.hostile.certificates import Certificates
from tests.integration.sites import serving
from tests.integration.transport_servers import Http2Site, Site, asked
from watcher.model.outcome import Reason
from watcher.model.target import Connecting, HttpVersion, Sending, Target, TlsOptions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def speaking(version: HttpVersion, port: int, certificates: Certificates, sending: Sending | None = None) -> Target:
    """Make a target that is asked in this version."""
    connecting = Connecting(http_version=version, tls=TlsOptions(ca_file=certificates.ca_file))
    return a_target(address=f"https://127.0.0.1:{port}/x?y", connecting=connecting, sending=sending or Sending())


@pytest.mark.parametrize("version", ["auto", "2"])
async def test_a_server_that_offers_it_is_spoken_to_in_it(version: HttpVersion, certificates: Certificates) -> None:
    site = Http2Site()
    async with serving(site.behave, certificates.good_context("h2", "http/1.1")) as port:
        sending = Sending(headers=(("X-Token", "s3cret"), ("Host", "other.example")))
        exchange = await asked(speaking(version, port, certificates, sending))
    assert (exchange.fault, exchange.http_version, exchange.body) == (None, "2", b"hello")
    [(headers, _)] = site.requests
    assert (headers[":method"], headers[":scheme"], headers[":path"]) == ("GET", "https", "/x?y")
    assert headers[":authority"] == "other.example"
    assert headers["x-token"] == "s3cret"
    assert not headers.keys() & {"host", "connection"}


async def test_version_1_1_does_not_offer_it(certificates: Certificates) -> None:
    site = Site()
    async with serving(site.behave, certificates.good_context("h2", "http/1.1")) as port:
        exchange = await asked(speaking("1.1", port, certificates))
    assert (exchange.fault, exchange.http_version) == (None, "1.1")


async def test_auto_takes_what_there_is(certificates: Certificates) -> None:
    site = Site()
    async with serving(site.behave, certificates.good_context()) as port:
        exchange = await asked(speaking("auto", port, certificates))
    assert (exchange.fault, exchange.http_version) == (None, "1.1")


async def test_a_server_without_it_fails_where_it_is_asked_for(certificates: Certificates) -> None:
    site = Site()
    async with serving(site.behave, certificates.good_context()) as port:
        exchange = await asked(speaking("2", port, certificates))
    assert exchange.fault is not None
    assert (exchange.fault.reason, exchange.fault.detail) == (Reason.PROTOCOL, "the server does not speak HTTP/2")
    assert site.requests == []


async def test_plain_http2_with_prior_knowledge() -> None:
    site = Http2Site()
    async with serving(site.behave) as port:
        target = a_target(address=f"http://127.0.0.1:{port}/", connecting=Connecting(http_version="2"))
        exchange = await asked(target)
    assert (exchange.fault, exchange.http_version) == (None, "2")


async def test_bodies_larger_than_the_window_go_both_ways(certificates: Certificates) -> None:
    site, body = Http2Site(bytes(300_000)), bytes(range(256)) * 1000
    async with serving(site.behave, certificates.good_context("h2")) as port:
        exchange = await asked(speaking("2", port, certificates, Sending(method="POST", body=body)))
    assert exchange.fault is None
    assert exchange.body == bytes(300_000)
    [(headers, received)] = site.requests
    assert headers["content-length"] == str(len(body))
    assert received == body


async def test_trailers_are_passed_over(certificates: Certificates) -> None:
    site = Http2Site(trailers=(("grpc-status", "0"),))
    async with serving(site.behave, certificates.good_context("h2")) as port:
        exchange = await asked(speaking("2", port, certificates))
    assert (exchange.fault, exchange.body) == (None, b"hello")

"""Secrets go to the target's own origin, and nowhere that a redirect leads."""

from __future__ import annotations

import base64
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from tests.hostile.certificates import issue
from tests.hostile.servers import Encryption
from tests.integration.good_sites import GOOD, Answer, Asked, Site, fetched, looking_up, open_site, redirect
from watcher.checking.http.resolver import Resolver
from watcher.model.outcome import Reason
from watcher.model.target import Connecting, Sending, TlsOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.hostile.certificates import Certificates
    from watcher.checking.http.exchange import Exchange

SECRET = "s3cret"
SENDING = Sending(
    headers=(("X-Api-Key", SECRET), ("Cookie", f"session={SECRET}"), ("Accept-Language", "de"), ("X-Any", SECRET)),
    authorization=f"Bearer {SECRET}",
)
NAMES = Resolver(looking_up({"first.test": "127.0.0.1", "other.test": "127.0.0.1", "sub.first.test": "127.0.0.1"}))


def at_start(location: str, status: int = 302) -> Callable[[Asked], Answer]:
    """Redirect from `/start`, and answer with success elsewhere."""
    return lambda asked: redirect(location, status) if asked.target == "/start" else GOOD


def assert_nothing_secret(asked: Asked) -> None:
    """Assert that a request has only public data."""
    assert SECRET not in repr(asked)
    assert {name.lower() for name, _ in asked.headers} <= {
        "host", "accept", "accept-encoding", "accept-language", "user-agent", "connection", "cache-control",
    }  # fmt: skip
    assert asked.header("accept-language") == "de"


def assert_all_secrets(asked: Asked) -> None:
    """Assert that a request has the target's configured secrets."""
    assert asked.header("authorization") == f"Bearer {SECRET}"
    assert (asked.header("x-api-key"), asked.header("cookie")) == (SECRET, f"session={SECRET}")


async def fetched_here(address: str, sending: Sending = SENDING) -> Exchange:
    """Check an address, with the names of the tests; the exchange must succeed."""
    exchange = await fetched(address, NAMES, sending=sending)
    assert exchange.fault is None
    return exchange


@pytest.mark.parametrize("location", ["/next", "next?a=b", "HTTP://FIRST.test:PORT/next", "//first.test:PORT/next"])
async def test_the_same_origin_gets_them_again(location: str) -> None:
    async with open_site() as site:
        site.answer = at_start(location.replace("PORT", str(site.port)))
        await fetched_here(f"http://first.test:{site.port}/start")
    assert len(site.asked) == 2
    assert_all_secrets(site.asked[0])
    assert_all_secrets(site.asked[1])


@pytest.mark.parametrize("host", ["other.test", "sub.first.test", "127.0.0.1"])
async def test_another_host_gets_none(host: str) -> None:
    async with open_site() as site:
        site.answer = at_start(f"http://{host}:{site.port}/next")
        await fetched_here(f"http://first.test:{site.port}/start")
    assert_all_secrets(site.asked[0])
    assert_nothing_secret(site.asked[1])
    assert site.asked[1].header("host") == f"{host}:{site.port}"


async def test_another_port_gets_none() -> None:
    async with open_site() as other, open_site(lambda _: redirect(other.url)) as site:
        await fetched_here(site.url)
    assert_nothing_secret(other.asked[0])


@pytest.mark.parametrize("schemes", [("http", "https"), ("https", "http")])
async def test_another_scheme_gets_none(schemes: tuple[str, str], certificates: Certificates) -> None:
    first, second = schemes
    connecting = Connecting(tls=TlsOptions(ca_file=certificates.ca_file))
    async with open_site(encryption=Encryption(certificates.good_context(), plain_too=True)) as site:
        site.answer = at_start(f"{second}://127.0.0.1:{site.port}/next")
        address = f"{first}://127.0.0.1:{site.port}/start"
        assert (await fetched(address, connecting=connecting, sending=SENDING)).fault is None
    assert_nothing_secret(site.asked[1])


async def test_who_has_left_does_not_come_back_with_them() -> None:
    # Another origin chose the address that leads back; it could be a page that repeats its request.
    async with open_site() as site, open_site(lambda _: redirect(f"{site.url}end")) as other:
        site.answer = at_start(other.url)
        await fetched_here(f"{site.url}start")
    assert [asked.target for asked in site.asked] == ["/start", "/end"]
    assert_nothing_secret(other.asked[0])
    assert_nothing_secret(site.asked[1])


async def test_userinfo_of_the_address_is_basic_authentication() -> None:
    async with open_site() as other, open_site() as site:
        site.answer = lambda asked: redirect("/next" if asked.target == "/start" else other.url)
        await fetched_here(f"http://us%40er:{SECRET}%3A@127.0.0.1:{site.port}/start", Sending())
    basic = "Basic " + base64.b64encode(f"us@er:{SECRET}:".encode()).decode()
    assert [asked.header("authorization") for asked in site.asked] == [basic, basic]
    assert [asked.header("host") for asked in site.asked] == [f"127.0.0.1:{site.port}"] * 2
    assert other.asked[0].header("authorization") is None
    assert SECRET not in repr(other.asked[0])


async def test_userinfo_of_a_location_is_not_sent_nor_shown() -> None:
    async with open_site() as other, open_site() as site:
        where = {"/start": f"http://eve:{SECRET}@127.0.0.1:{site.port}/next", "/next": f"http://eve:{SECRET}@HOST/"}
        where["/next"] = where["/next"].replace("HOST", f"127.0.0.1:{other.port}")
        site.answer = lambda asked: redirect(where[asked.target])
        exchange = await fetched_here(f"{site.url}start", replace(SENDING, authorization="Bearer mine"))
    assert site.asked[1].header("authorization") == "Bearer mine"
    assert_nothing_secret(other.asked[0])
    assert other.asked[0].header("host") == f"127.0.0.1:{other.port}"
    assert SECRET not in repr([(hop.shown_address, hop.location) for hop in exchange.hops])


BODY = Sending("POST", headers=(("Content-Type", "application/json"),), body=f'{{"password": "{SECRET}"}}'.encode())


@pytest.mark.parametrize(
    ("status", "method", "keeps_body"),
    [(301, "GET", False), (302, "GET", False), (303, "GET", False), (307, "POST", True), (308, "POST", True)],
)
async def test_a_body_goes_along_within_its_origin(status: int, method: str, *, keeps_body: bool) -> None:
    async with open_site(at_start("/next", status)) as site:
        await fetched_here(f"{site.url}start", BODY)
    asked = site.asked[1]
    assert (asked.method, asked.body) == (method, BODY.body if keeps_body else b"")
    assert asked.header("content-type") == ("application/json" if keeps_body else None)
    assert asked.header("content-length") == (str(len(BODY.body)) if keeps_body else None)


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_without_its_body_a_request_may_leave(status: int) -> None:
    async with open_site() as other, open_site(lambda _: redirect(other.url, status)) as site:
        await fetched_here(site.url, BODY)
    assert (other.asked[0].method, other.asked[0].body, other.asked[0].header("content-type")) == ("GET", b"", None)


@pytest.mark.parametrize("status", [307, 308])
async def test_a_body_does_not_leave_its_origin(status: int) -> None:
    async with open_site() as other, open_site(lambda _: redirect(other.url, status)) as site:
        exchange = await fetched(site.url, sending=BODY)
        connections = other.connections
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.REDIRECT
    assert SECRET not in exchange.fault.detail
    assert connections == 0


async def test_cookies_go_where_they_belong() -> None:
    async with open_site() as site:
        cookies = ["here=1; Path=/", "secure=1; Secure", "far=1; Domain=other.test", "deep=1; Path=/deep"]
        headers = tuple(("Set-Cookie", cookie) for cookie in cookies)
        where = {"/start": "/next", "/next": f"http://other.test:{site.port}/last"}
        site.answer = lambda asked: redirect(where[asked.target], headers=headers) if asked.target in where else GOOD
        await fetched_here(f"http://first.test:{site.port}/start", Sending())
    assert [asked.header("cookie") for asked in site.asked] == [None, "here=1", None]


async def test_cookies_of_ones_own_and_the_sites_are_both_sent() -> None:
    """As a login with an invitation needs it."""
    login = redirect("/", headers=(("Set-Cookie", "session=new; Path=/"),))
    async with open_site() as site:
        site.answer = lambda asked: GOOD if "session=new" in (asked.header("cookie") or "") else login
        exchange = await fetched_here(site.url, Sending(headers=(("Cookie", "invited=1; session=old"),)))
    assert exchange.fault is None
    assert [asked.header("cookie") for asked in site.asked] == ["invited=1; session=old", "invited=1; session=new"]


async def test_cookies_are_not_remembered_by_the_next_check() -> None:
    cookie = (("Set-Cookie", "seen=1"),)
    async with open_site() as site:
        site.answer = lambda asked: redirect("/next", headers=cookie) if asked.target == "/start" else GOOD
        for _ in range(2):
            await fetched_here(f"{site.url}start", Sending())
    assert [asked.header("cookie") for asked in site.asked] == [None, "seen=1"] * 2


@asynccontextmanager
async def site_that_knows_its_clients(certificates: Certificates) -> AsyncIterator[Site]:
    """Serve clients with a certificate of the authority of the tests."""
    context = certificates.good_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificates.ca_file)
    async with open_site(encryption=Encryption(context)) as site:
        yield site


@pytest.fixture
def of_a_client(certificates: Certificates, tmp_path: Path) -> Connecting:
    """Return the options of a client with a certificate."""
    client = issue(certificates.root, "client", ["client.test"])
    file = tmp_path / "client.pem"
    key = client.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(client.certificate.public_bytes(serialization.Encoding.PEM) + key)
    return Connecting(tls=TlsOptions(ca_file=certificates.ca_file, cert_file=str(file)))


async def test_a_client_shows_its_certificate_to_the_origin_alone(
    certificates: Certificates, of_a_client: Connecting
) -> None:
    async with site_that_knows_its_clients(certificates) as other, site_that_knows_its_clients(certificates) as site:
        site.answer = at_start("/next")
        inside = await fetched(f"{site.https_url}start", connecting=of_a_client)
        site.answer = at_start(other.https_url)
        outside = await fetched(f"{site.https_url}start", connecting=of_a_client)
    assert (inside.fault, len(inside.hops)) == (None, 1)
    assert outside.fault is not None
    assert (outside.fault.reason, len(outside.hops)) == (Reason.TLS, 1)
    assert not other.asked


async def test_resolve_to_is_for_the_origin_alone() -> None:
    async with open_site() as site:
        site.answer = at_start(f"http://other.test:{site.port}/next")
        connecting = Connecting(resolve_to="127.0.0.1")
        exchange = await fetched(f"http://unknown.test:{site.port}/start", NAMES, connecting=connecting)
        site.answer = at_start(f"http://unknown.example:{site.port}/next")
        lost = await fetched(f"http://unknown.test:{site.port}/start", NAMES, connecting=connecting)
    assert (exchange.fault, [hop.phases.resolve for hop in exchange.hops]) == (None, [None])
    assert exchange.phases.resolve is not None
    assert lost.fault is not None
    assert lost.fault.reason == Reason.DNS

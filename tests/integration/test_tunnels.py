"""Sites behind a proxy; and what remains of a connection, or a file of certificates, that has gone bad."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.hostile.certificates import issue
from tests.hostile.servers import Encryption, response
from tests.integration import sites
from tests.integration.good_sites import Answer, fetched, looking_up, open_site, probing, redirect
from tests.integration.transport_servers import HttpProxy, SocksProxy
from watcher.checking.check import check_now
from watcher.checking.check_context import open_check_context
from watcher.checking.http.resolver import Resolver
from watcher.model.outcome import Reason
from watcher.model.target import Connecting, Sending, TlsOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.hostile.certificates import Certificates

NAMES = Resolver(looking_up({"shop.test": "127.0.0.1", "proxy.test": "127.0.0.1"}))
PROXY_LOGIN = b"proxy-authorization: Basic dTpw"


@asynccontextmanager
async def open_proxy(scheme: str) -> AsyncIterator[tuple[str, HttpProxy | SocksProxy]]:
    """Run a proxy with a name; yields its URL and the proxy."""
    proxy = HttpProxy() if scheme == "http" else SocksProxy(("u", "p"))
    async with sites.serving(proxy.behave) as port:
        yield f"{scheme}://u:p@proxy.test:{port}", proxy


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
async def test_a_kept_tunnel_is_asked_for_once(scheme: str, protocol: str, certificates: Certificates) -> None:
    names: list[str | None] = []
    context = certificates.context(issue(certificates.root, "shop", ["shop.test"]))
    context.set_alpn_protocols([protocol])
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    body = bytes(200_000)
    async with open_proxy(scheme) as (url, proxy), open_site(lambda _: Answer(body), Encryption(context)) as site:
        tls = TlsOptions(ca_file=certificates.ca_file)
        # The proxy of these tests does not look up names.
        resolve_to = "127.0.0.1" if scheme == "http" else None
        connecting = Connecting(proxy_url=url, keep_alive=True, resolve_to=resolve_to, tls=tls)
        async with probing(f"https://shop.test:{site.port}/", NAMES, connecting=connecting) as probe:
            exchanges = [await probe.fetch() for _ in range(3)]
    assert [(exchange.fault, exchange.body) for exchange in exchanges] == [(None, body)] * 3
    assert [exchange.phases.tls is None for exchange in exchanges] == [False, True, True]
    assert {asked.connection for asked in site.asked} == {0}
    assert names == ["shop.test"]
    assert exchanges[0].phases.resolve is not None, "the proxy has a name"
    asked_for = proxy.requests if isinstance(proxy, HttpProxy) else proxy.asked
    assert len(asked_for) == 1


async def test_the_login_of_the_proxy_is_for_the_proxy_alone(certificates: Certificates) -> None:
    sending = Sending(headers=(("X-Api-Key", "s3cret"),), authorization="Bearer s3cret")
    plain_site = redirect("http://shop.test/")
    async with (
        open_proxy("http") as (url, proxy),
        open_site(lambda _: plain_site, Encryption(certificates.good_context())) as site,
    ):
        connecting = Connecting(proxy_url=url, tls=TlsOptions(ca_file=certificates.ca_file))
        exchange = await fetched(site.https_url, NAMES, connecting=connecting, sending=sending)
    assert (exchange.fault, exchange.body, len(exchange.hops)) == (None, b"by the proxy", 1)
    assert isinstance(proxy, HttpProxy)
    tunnel, plain = proxy.requests
    assert tunnel.startswith(b"CONNECT ")
    assert plain.startswith(b"GET http://")
    assert (PROXY_LOGIN in tunnel, PROXY_LOGIN in plain) == (True, True)
    assert b"s3cret" not in tunnel + plain
    assert site.asked[0].header("authorization") == "Bearer s3cret"
    assert site.asked[0].header("proxy-authorization") is None


async def test_the_answer_of_a_proxy_for_a_plain_site_is_judged_as_the_site() -> None:
    proxy = HttpProxy(response(status="407 Proxy Authentication Required"))
    async with sites.serving(proxy.behave) as port, open_check_context(1) as context:
        connecting = Connecting(proxy_url=f"http://127.0.0.1:{port}")
        async with probing("http://site.test/", connecting=connecting) as probe:
            outcome = (await check_now(probe.target, context)).outcome
    assert outcome.fault is not None
    assert (outcome.fault.reason, outcome.status_code) == (Reason.STATUS, 407)


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_bad_tls_behind_a_proxy_is_the_sites_fault(scheme: str, certificates: Certificates) -> None:
    context = certificates.context(issue(certificates.root, "other", ["other.test"]))
    async with open_proxy(scheme) as (url, _), open_site(encryption=Encryption(context)) as site:
        connecting = Connecting(proxy_url=url, tls=TlsOptions(ca_file=certificates.ca_file))
        exchange = await fetched(site.https_url, NAMES, connecting=connecting)
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.TLS
    assert "another" in exchange.fault.detail


async def test_a_server_that_has_gone_leaves_no_certificates_behind(certificates: Certificates) -> None:
    connecting = Connecting(keep_alive=True, tls=TlsOptions(ca_file=certificates.ca_file))
    async with AsyncExitStack() as serving:
        site = await serving.enter_async_context(open_site(encryption=Encryption(certificates.good_context())))
        async with probing(site.https_url, connecting=connecting) as probe:
            assert (await probe.fetch()).chain is not None
            await serving.aclose()
            exchange = await probe.fetch()
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.CONNECT
    assert exchange.chain is None, "these are of a connection before"


@pytest.mark.parametrize("content", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
@pytest.mark.parametrize("option", ["ca_file", "cert_file"])
async def test_a_file_that_has_gone_bad_is_this_machines_fault(
    option: str, content: bytes, certificates: Certificates, tmp_path: Path
) -> None:
    # Files were checked when the configuration was read; meanwhile somebody has replaced their content.
    file = tmp_path / "bad.pem"
    file.write_bytes(content)
    options: dict[str, Any] = {"ca_file": certificates.ca_file, option: str(file)}
    async with open_site(encryption=Encryption(certificates.good_context())) as site:
        exchange = await fetched(site.https_url, connecting=Connecting(tls=TlsOptions(**options)))
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.LOCAL

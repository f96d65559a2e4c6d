"""Checks through proxies; credentials never reach another host."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.doubles import a_target
from tests.hostile.certificates import Certificates
from tests.hostile.servers import refusing
from tests.integration.sites import serving
from tests.integration.transport_servers import HttpProxy, Site, SocksProxy, asked
from watcher.checking.verdict.excerpt import masked_fault
from watcher.model.outcome import Reason
from watcher.model.target import Connecting, Sending, Target, TlsOptions

if TYPE_CHECKING:
    from pathlib import Path

    import trio

    from tests.integration.sites import Behaviour

SECRET = Sending(authorization="Bearer s3cret")


def through(proxy_url: str, address: str, ca_file: str | None = None) -> Target:
    """Return a target behind a proxy."""
    connecting = Connecting(proxy_url=proxy_url, tls=TlsOptions(ca_file=ca_file))
    return a_target(address=address, connecting=connecting, sending=SECRET)


def here(host: str, port: int, **_: Any) -> list[Any]:
    """Look every name up as this machine."""
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]


async def answering_at_once(stream: trio.abc.Stream) -> None:
    """Act as a server that is not a SOCKS proxy."""
    await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def test_a_plain_site_is_asked_for_by_its_whole_address() -> None:
    proxy = HttpProxy()
    async with serving(proxy.behave) as port:
        exchange = await asked(through(f"http://u:p%40ss@127.0.0.1:{port}", "http://site.example:8000/x?y=1"))
    assert (exchange.fault, exchange.body, exchange.ip) == (None, b"by the proxy", "127.0.0.1")
    [head] = proxy.requests
    assert head.startswith(b"GET http://site.example:8000/x?y=1 HTTP/1.1\r\nHost: site.example:8000\r\n")
    assert b"\r\nproxy-authorization: Basic dTpwQHNz\r\n" in head
    assert b"\r\nAuthorization: Bearer s3cret\r\n" in head


@pytest.mark.smoke
async def test_a_tunnel_hides_the_request_from_the_proxy_and_the_login_from_the_site(tmp_path: Path) -> None:
    certificates, site, proxy = Certificates(tmp_path), Site(), HttpProxy()
    async with serving(site.behave, certificates.good_context()) as site_port, serving(proxy.behave) as port:
        target = through(f"http://u:p@127.0.0.1:{port}", f"https://127.0.0.1:{site_port}/", certificates.ca_file)
        exchange = await asked(target)
    assert (exchange.fault, exchange.body) == (None, b"hello")
    assert exchange.phases.tls is not None
    assert exchange.chain is not None
    assert b"s3cret" not in proxy.requests[0]
    assert b"proxy-authorization: Basic dTpw" in proxy.requests[0]
    assert b"roxy-" not in site.requests[0]
    assert b"Bearer s3cret" in site.requests[0]


@pytest.mark.smoke
@pytest.mark.parametrize(("scheme", "host"), [("socks5", "127.0.0.1"), ("socks5h", "site.example")])
async def test_socks_resolves_here_or_there(scheme: str, host: str) -> None:
    site, proxy = Site(), SocksProxy(("u", "p@ss"))
    async with serving(site.behave) as site_port, serving(proxy.behave) as port:
        target = through(f"{scheme}://u:p%40ss@127.0.0.1:{port}", f"http://site.example:{site_port}/")
        exchange = await asked(target, here)
    assert (exchange.fault, exchange.body) == (None, b"hello")
    assert proxy.asked == [(host, site_port)]
    assert site.requests[0].startswith(b"GET / HTTP/1.1\r\nHost: site.example:")


async def test_a_login_that_socks_does_not_ask_for_is_not_sent() -> None:
    site, proxy = Site(), SocksProxy()
    async with serving(site.behave) as site_port, serving(proxy.behave) as port:
        exchange = await asked(through(f"socks5h://u:p@127.0.0.1:{port}", f"http://127.0.0.1:{site_port}/"))
    assert (exchange.fault, exchange.body) == (None, b"hello")


@pytest.mark.parametrize(
    ("scheme", "behaviour", "detail"),
    [
        ("http", HttpProxy(b"HTTP/1.1 407 no proxy for connect\r\n\r\n").behave, "407 no *** for ***"),
        ("http", HttpProxy(b"HTTP/1.1 502\r\n\r\n").behave, "502"),
        ("socks5h", SocksProxy(reply=2).behave, "connection not allowed by ruleset"),
    ],
)
async def test_our_own_words_are_not_masked(scheme: str, behaviour: Behaviour, detail: str) -> None:
    async with serving(behaviour) as port:
        target = through(f"{scheme}://proxy:connect@127.0.0.1:{port}", "https://127.0.0.1:1/")
        exchange = await asked(target)
    assert exchange.fault is not None
    assert masked_fault(exchange.fault, target).detail == f"the proxy refused to connect: {detail}"


@pytest.mark.parametrize(
    ("scheme", "behaviour", "detail"),
    [
        ("http", HttpProxy(b"HTTP/1.1 407 Authentication Required\r\n\r\n").behave, "407 Authentication Required"),
        ("http", HttpProxy(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").behave, "502 Bad Gateway"),
        ("http", HttpProxy(b"garbage\r\n\r\n").behave, "not understood"),
        ("socks5", SocksProxy(("u", "p")).behave, "does not take this way of authentication"),
        ("socks5", SocksProxy(reply=5).behave, "connection refused"),
        ("socks5", answering_at_once, "not understood"),
    ],
)
async def test_a_proxy_that_does_not_connect(scheme: str, behaviour: Behaviour, detail: str) -> None:
    async with serving(behaviour) as port:
        exchange = await asked(through(f"{scheme}://127.0.0.1:{port}", "https://127.0.0.1:1/"), here)
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.CONNECT
    assert detail in exchange.fault.detail.lower() or detail in exchange.fault.detail


async def test_a_login_that_the_proxy_refuses() -> None:
    proxy = SocksProxy(("u", "right"))
    async with serving(proxy.behave) as port:
        exchange = await asked(through(f"socks5://u:wrong@127.0.0.1:{port}", "http://127.0.0.1:1/"))
    assert exchange.fault is not None
    assert "refused the user name or the password" in exchange.fault.detail
    assert "wrong" not in exchange.fault.detail


async def test_a_proxy_that_is_down() -> None:
    async with refusing() as port:
        exchange = await asked(through(f"http://127.0.0.1:{port}", "http://site.example/"))
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.CONNECT


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    site = Site()
    async with serving(site.behave) as port:
        exchange = await asked(a_target(address=f"http://127.0.0.1:{port}/"))
    assert exchange.fault is None

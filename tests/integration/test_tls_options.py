"""TLS as a target wants it, and what its certificates say."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.doubles import a_target
from tests.hostile.certificates import TOMORROW, Certificates, issue
from tests.hostile.servers import Encryption, Peer, serving
from tests.integration.transport_servers import Site, asked
from watcher.model.outcome import Reason
from watcher.model.target import Connecting, Target, TlsOptions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.servers import Behaviour


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def encrypted(address: str, certificates: Certificates, *, resolve_to: str | None = None, **tls: Any) -> Target:
    """Make a target with options of TLS."""
    options = replace(TlsOptions(ca_file=certificates.ca_file), **tls)
    return a_target(address=address, connecting=Connecting(resolve_to=resolve_to, tls=options))


def by(site: Site) -> Behaviour:
    """Let a site serve where alerts of TLS reach the client, as they do from real servers."""

    async def behave(peer: Peer) -> None:
        await site.behave(peer.stream)

    return behave


def looked_up(*_: Any, **__: Any) -> list[Any]:
    raise AssertionError("nobody should ask for a name")


@pytest.mark.smoke
async def test_resolve_to_keeps_the_name_and_sni(certificates: Certificates) -> None:
    site, named = Site(), certificates.context(issue(certificates.root, "shop", ["shop.example"]))
    asked_for: list[str | None] = []
    named.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    async with serving(by(site), Encryption(named)) as port:
        target = encrypted(f"https://shop.example:{port}/", certificates, resolve_to="127.0.0.1")
        exchange = await asked(target, looked_up)
    assert (exchange.fault, exchange.ip) == (None, "127.0.0.1")
    assert exchange.phases.resolve is None
    assert asked_for == ["shop.example"]
    assert b"\r\nHost: shop.example:" in site.requests[0] or b"Host: shop.example:" in site.requests[0]


async def test_another_name_may_be_looked_for_in_the_certificate(certificates: Certificates) -> None:
    site, named = Site(), certificates.context(issue(certificates.root, "shop", ["shop.example"]))
    async with serving(by(site), Encryption(named)) as port:
        address = f"https://127.0.0.1:{port}/"
        good = await asked(encrypted(address, certificates, server_name="shop.example"))
        bad = await asked(encrypted(address, certificates))
    assert good.fault is None
    assert bad.fault is not None
    assert bad.fault.reason == Reason.TLS
    assert bad.chain is None or bad.chain.certificates


@pytest.mark.smoke
async def test_a_client_has_to_show_its_certificate(certificates: Certificates, tmp_path: Path) -> None:
    client = issue(certificates.root, "client", ["client.example"])
    pem = tmp_path / "client.pem"
    key = client.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(client.certificate.public_bytes(serialization.Encoding.PEM) + key)
    wanting = certificates.good_context()
    wanting.verify_mode = ssl.CERT_REQUIRED
    wanting.load_verify_locations(certificates.ca_file)
    async with serving(by(Site()), Encryption(wanting)) as port:
        address = f"https://127.0.0.1:{port}/"
        with_it = await asked(encrypted(address, certificates, cert_file=str(pem)))
        without = await asked(encrypted(address, certificates))
    assert with_it.fault is None
    assert without.fault is not None
    assert without.fault.reason == Reason.TLS
    assert "certificate required" in without.fault.detail


@pytest.mark.parametrize(
    ("options", "server_at_most", "good"),
    [
        ({"min_version": "TLS13"}, ssl.TLSVersion.TLSv1_2, False),
        ({"min_version": "TLS13"}, ssl.TLSVersion.TLSv1_3, True),
        ({"max_version": "TLS12"}, ssl.TLSVersion.TLSv1_3, True),
        ({"min_version": "TLS10"}, ssl.TLSVersion.TLSv1, True),
        ({}, ssl.TLSVersion.TLSv1_1, False),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_versions(
    options: dict[str, Any], server_at_most: ssl.TLSVersion, good: bool, certificates: Certificates
) -> None:
    context = certificates.good_context()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = server_at_most
    async with serving(by(Site()), Encryption(context)) as port:
        exchange = await asked(encrypted(f"https://127.0.0.1:{port}/", certificates, **options))
    if good:
        assert exchange.fault is None
    else:
        assert exchange.fault is not None
        assert "old version" in exchange.fault.detail


async def test_the_earliest_end_of_the_chain_counts(certificates: Certificates) -> None:
    soon = issue(certificates.root, "soon", ends=TOMORROW)
    leaf = issue(soon, "leaf", ["127.0.0.1"], ends=timedelta(days=80))
    async with serving(by(Site()), Encryption(certificates.context(leaf))) as port:
        exchange = await asked(encrypted(f"https://127.0.0.1:{port}/", certificates))
    assert exchange.fault is None
    assert exchange.chain is not None
    assert [certificate.subject for certificate in exchange.chain.certificates] == ["CN=leaf", "CN=soon"]
    assert exchange.chain.expires_at == exchange.chain.certificates[1].expires_at


async def test_any_certificate_is_good_where_that_is_asked_for(certificates: Certificates) -> None:
    expired = issue(None, "nobody", ["other.example"], ends=timedelta(days=-1))
    async with serving(by(Site()), Encryption(certificates.context(expired))) as port:
        target = encrypted(f"https://127.0.0.1:{port}/", certificates, ca_file=None, insecure_skip_verify=True)
        exchange = await asked(target)
    assert exchange.fault is None
    assert exchange.chain is not None
    assert exchange.chain.expires_at == exchange.chain.certificates[0].expires_at


async def test_an_authority_of_the_system_is_trusted(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca_file)
    async with serving(by(Site()), Encryption(certificates.good_context())) as port:
        exchange = await asked(encrypted(f"https://127.0.0.1:{port}/", certificates, ca_file=None))
    assert exchange.fault is None


async def test_a_file_that_has_gone_is_this_machines_fault(certificates: Certificates, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"https://127.0.0.1:{server.getsockname()[1]}/"
        exchange = await asked(encrypted(address, certificates, ca_file=str(tmp_path / "gone.pem")))
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.LOCAL
    assert "No such file" in exchange.fault.detail

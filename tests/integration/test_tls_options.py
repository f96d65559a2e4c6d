"""TLS as a target configures it, and its certificates."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.doubles import a_target
from tests.hostile.certificates import TOMORROW, Certificates, issue
from tests.hostile.servers import Encryption, Peer, serving
from tests.integration.transport_servers import Site, asked, kept_response, probing
from watcher.model.outcome import Phases, Reason
from watcher.model.target import Connecting, Target, TlsOptions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.certificates import Issued
    from tests.hostile.servers import Behaviour


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def encrypted(address: str, certificates: Certificates, *, resolve_to: str | None = None, **tls: Any) -> Target:
    """Return a target with TLS options."""
    options = replace(TlsOptions(ca_file=certificates.ca_file), **tls)
    return a_target(address=address, connecting=Connecting(resolve_to=resolve_to, tls=options))


def written(issued: Issued, folder: Path) -> Path:
    """Write a certificate and its key to a file."""
    key = issued.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "client.pem"
    path.write_bytes(issued.certificate.public_bytes(serialization.Encoding.PEM) + key)
    return path


def by(site: Site) -> Behaviour:
    """Run a site whose TLS alerts reach the client, as those of real servers do."""

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
    pem = written(issue(certificates.root, "client", ["client.example"]), tmp_path)
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


async def test_a_client_shows_its_certificate_when_it_is_asked_later(
    certificates: Certificates, tmp_path: Path
) -> None:
    """As Apache requests for one location; RFC 8446, section 4.6.2."""
    pem = written(issue(certificates.root, "client", ["client.example"]), tmp_path)
    asking = certificates.good_context()
    asking.verify_mode, asking.post_handshake_auth = ssl.CERT_REQUIRED, True
    asking.load_verify_locations(certificates.ca_file)
    shown: list[bytes] = []

    async def behave(peer: Peer) -> None:
        await peer.request()
        stream: Any = peer.stream
        stream._tls.verify_client_post_handshake()
        await peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        while (certificate := stream._tls.getpeercert(binary_form=True)) is None:
            stream._incoming.write(await peer.connection.receive_some())
            with suppress(ssl.SSLWantReadError):
                stream._tls.read(1)
        shown.append(certificate)
        await peer.send(kept_response())

    async with serving(behave, Encryption(asking)) as port:
        exchange = await asked(encrypted(f"https://127.0.0.1:{port}/", certificates, cert_file=str(pem)))
    assert exchange.fault is None
    assert len(shown) == 1


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


async def test_superfluous_certificates_do_not_count(certificates: Certificates) -> None:
    """As the cross-signature below DST Root CA X3, which Let's Encrypt served for years."""
    old = issue(None, "an old root", ends=TOMORROW)
    crossed = issue(old, "watcher test root", ends=timedelta(days=-1), key=certificates.root.key)
    leaf = issue(certificates.intermediate, "leaf", ["127.0.0.1"], ends=timedelta(days=80))
    context = certificates.context(leaf, [*leaf.served, crossed.certificate])
    async with serving(by(Site()), Encryption(context)) as port:
        verified = await asked(encrypted(f"https://127.0.0.1:{port}/", certificates))
        taken = await asked(encrypted(f"https://127.0.0.1:{port}/", certificates, insecure_skip_verify=True))
    for exchange, counting in (verified, 0), (taken, 2):
        assert exchange.fault is None
        assert exchange.chain is not None
        assert len(exchange.chain.certificates) == 3
        assert exchange.chain.expires_at == exchange.chain.certificates[counting].expires_at


async def test_a_context_is_made_beside_the_loop_and_in_no_phase(certificates: Certificates, tmp_path: Path) -> None:
    pipe = tmp_path / "share-that-hangs.pem"
    os.mkfifo(pipe)
    async with serving(by(Site()), Encryption(certificates.good_context())) as port:
        target = encrypted(f"https://127.0.0.1:{port}/", certificates, ca_file=str(pipe))
        async with probing(target) as probe:
            exchange = await probe.fetch(0.2)
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))  # who reads is let go
    assert exchange.fault is not None
    assert exchange.fault.reason == Reason.LOCAL
    assert "cut off while reading the certificates" in exchange.fault.detail
    assert exchange.phases == Phases()


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

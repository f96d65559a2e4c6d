"""Certificates of every quality, issued by an authority of the tests."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

HOST = "127.0.0.1"
CA_FILE = "ca.pem"
YESTERDAY = timedelta(days=-1)
TOMORROW = timedelta(days=1)
_LONG_AGO = timedelta(days=-300)
_FAR_OFF = timedelta(days=90)
# The names of signature algorithms (RFC 8017, appendix A.2.4) in DER; of equal length, so that they can be swapped.
_SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")
_SHA1_WITH_RSA = bytes.fromhex("06092a864886f70d010105")


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and the chain above it, without the root."""

    certificate: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def served(self) -> tuple[x509.Certificate, ...]:
        """The chain that a server should serve."""
        return (self.certificate, *self.chain)


def issue(
    issuer: Issued | None,
    common_name: str | None,
    names: Sequence[str] = (),
    *,
    begins: timedelta = _LONG_AGO,
    ends: timedelta = _FAR_OFF,
    key: Key | None = None,
    is_authority: bool | None = None,
) -> Issued:
    """Issue a certificate.

    Args:
        issuer: the signer; None for a self-signed certificate.
        common_name: of the subject; None for none.
        names: its DNS names and IP addresses.
        begins, ends: relative to now.
        key: the certificate's key; None for a new key.
        is_authority: whether it may sign others; by default only one without names and a key may.
    """
    if is_authority is None:
        is_authority = key is None and not names
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    signer = key if issuer is None else issuer.key
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if is_authority:
        builder = builder.add_extension(_signing(), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(_names(names)), critical=common_name is None)
    certificate = builder.sign(signer, hashes.SHA256())
    above = () if issuer is None or (not issuer.chain and _is_root(issuer)) else issuer.served
    return Issued(certificate, key, above)


def signed_with_sha1(issued: Issued, issuer: rsa.RSAPrivateKey) -> Issued:
    """Sign a certificate again, with SHA-1, which the usual API refuses.

    Args:
        issued: signed by the issuer with SHA-256.
        issuer: the certificate and key above it.
    """
    signed = issued.certificate.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    signature = issuer.sign(signed, padding.PKCS1v15(), hashes.SHA1())
    whole = issued.certificate.public_bytes(serialization.Encoding.DER).replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    resigned = whole.removesuffix(issued.certificate.signature) + signature
    return Issued(x509.load_der_x509_certificate(resigned), issued.key, issued.chain)


class Certificates:
    """The authority of a test run, and contexts for servers; its files are in a folder.

    Attributes:
        ca_file: PEM of the one root that checks trust.
    """

    def __init__(self, folder: Path) -> None:
        """Create the authority.

        Args:
            folder: exists; the caller removes it.
        """
        self._folder = folder
        self._files = 0
        self.root = issue(None, "watcher test root")
        ca_file = folder / CA_FILE
        ca_file.write_bytes(_pem(self.root.certificate))
        self.ca_file = str(ca_file)

    @cached_property
    def good(self) -> Issued:
        """A certificate for this host, below an intermediate authority."""
        return issue(self.intermediate, "good", [HOST, "localhost"])

    @cached_property
    def intermediate(self) -> Issued:
        """An authority between the root and its leaves."""
        return issue(self.root, "watcher test intermediate")

    def context(self, issued: Issued, served: Sequence[x509.Certificate] | None = None) -> ssl.SSLContext:
        """Return a server's context, which accepts old protocols and weak keys as well.

        Args:
            issued: the certificate and its key.
            served: the chain to serve instead of the good one.
        """
        chain = b"".join(map(_pem, issued.served if served is None else served))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(self._write(chain + _key_pem(issued.key)))
        return context

    def good_context(self, *protocols: str) -> ssl.SSLContext:
        """Return a good server's context; `protocols` are its ALPN protocols."""
        context = self.context(self.good)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def _write(self, data: bytes) -> Path:
        self._files += 1
        path = self._folder / f"{self._files}.pem"
        path.write_bytes(data)
        return path


def _is_root(issued: Issued) -> bool:
    return issued.certificate.issuer == issued.certificate.subject


def _names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [x509.IPAddress(ip_address(name)) if name == HOST else x509.DNSName(name) for name in names]


def _signing() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

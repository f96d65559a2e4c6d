"""The request of one HTTP exchange, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.model.outcome import Fault, Phases


class Url(NamedTuple):
    """An address, parsed once: each check needs its parts.

    Attributes:
        scheme: `http` or `https`.
        host: in lower case; the zone of an IPv6 address follows a plain `%`.
        port: the default port of the scheme if the address has none.
        netloc: host and port in ASCII, as written in the address.
        raw_path: path and query, as they are sent.
        text: the whole address.
    """

    scheme: str
    host: str
    port: int
    netloc: bytes
    raw_path: bytes
    text: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self[:3]

    def __str__(self) -> str:
        """Return the whole address."""
        return self.text


class Request(NamedTuple):
    """A request to a server.

    Attributes:
        method: in capitals.
        url: the URL requested.
        headers: as sent; the transport adds `Host` if it is missing.
        body: the whole body.
    """

    method: str
    url: Url
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The readable parts of a served certificate.

    Attributes:
        subject, issuer: distinguished names (RFC 4514).
        names: the DNS names and IP addresses that it covers.
        begins_at, expires_at: UTC.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Chain:
    """The certificates that a server sent, its own first, and the earliest end among the verified ones."""

    certificates: tuple[Certificate, ...]
    expires_at: datetime

    @property
    def begins_at(self) -> datetime | None:
        """The start of the certificate that ends first; None if the server did not send it."""
        return next((one.begins_at for one in self.certificates if one.expires_at == self.expires_at), None)


class CertificateEnd(NamedTuple):
    """The earliest end of a certificate in an exchange, and its host and port, None without redirects.

    The certificate's start is `begins_at`; None if the server did not send it, such as a root.
    """

    expires_at: datetime
    host: str | None
    begins_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """A redirect response; `location` is the next address without its secrets."""

    shown_address: str
    location: str
    status_code: int
    http_version: str
    ip: str | None
    phases: Phases
    chain: Chain | None = None


class Exchange(NamedTuple):
    """The result of one exchange, redirects included; `phases` and one of `fault` and `status_code` are always set.

    Attributes:
        fault: why there is no whole response; if its head arrived, `status_code` is set too.
        status_code, reason_phrase, http_version, headers, charset, body: of the last response; header names are in
            lower case; with a fault, the body is the part that arrived.
        body_is_decoded: False if the encoding of the body cannot be decoded.
        notes: sentences on oddities of the responses.
        ip: of the last peer.
        hops: the redirects that were followed.
        chain: the certificates of the last connection.
        phases: durations, summed over all hops.
    """

    phases: Phases
    fault: Fault | None = None
    status_code: int | None = None
    reason_phrase: str = ""
    http_version: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    charset: str | None = None
    body: bytes = b""
    body_is_decoded: bool = True
    notes: tuple[str, ...] = ()
    ip: str | None = None
    hops: tuple[Hop, ...] = ()
    chain: Chain | None = None

    def first_certificate_end(self) -> CertificateEnd | None:
        """Return the earliest end among the certificates of all hops, or None without TLS."""
        if not self.hops:
            return None if self.chain is None else CertificateEnd(self.chain.expires_at, None, self.chain.begins_at)
        chains = [(hop.shown_address, hop.chain) for hop in self.hops] + [(self.hops[-1].location, self.chain)]
        ends = [
            CertificateEnd(chain.expires_at, urlsplit(address).netloc, chain.begins_at)
            for address, chain in chains
            if chain is not None
        ]
        return min(ends, key=lambda end: end[:2], default=None)

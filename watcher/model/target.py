"""A watched target and its expectations."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from watcher.model.alerts.of_target import NOTHING_SAID, TargetAlerts
from watcher.model.state import Thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_INTERVAL_SECONDS = 10.0
DEFAULT_TIMEOUT_SECONDS = 10.0
DEFAULT_MAX_REDIRECTS = 10
DEFAULT_BODY_LIMIT_BYTES = 1024 * 1024
DEFAULT_RETRY_INTERVAL_SECONDS = 1.0
DEFAULT_THRESHOLDS = Thresholds()

IpProtocol = Literal["any", "ip4", "ip6"]
HttpVersion = Literal["auto", "1.1", "2"]
TlsVersion = Literal["TLS10", "TLS11", "TLS12", "TLS13"]


@dataclass(frozen=True, slots=True)
class Sending:
    """The request sent to a target.

    Attributes:
        method: in capitals.
        headers: names and values as configured; they may hold secrets.
        authorization: the full value of an `Authorization` header, or None.
        body: of the request.
        follow_redirects: whether redirects are followed; otherwise a redirect is the response.
        max_redirects: the largest number followed.
    """

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    authorization: str | None = field(default=None, repr=False)
    body: bytes = field(default=b"", repr=False)
    follow_redirects: bool = True
    max_redirects: int = DEFAULT_MAX_REDIRECTS


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """TLS options; files are paths of PEM files.

    Attributes:
        insecure_skip_verify: accept any certificate.
        ca_file: the authorities trusted instead of the system's.
        cert_file, key_file: of this client, for a server that asks for a certificate.
        server_name: sent in SNI and expected in the certificate, instead of the address's host.
        min_version, max_version: the accepted versions; by default 1.2 and later.
        legacy_renegotiation: accept a server without RFC 5746; a `min_version` below 1.2 implies it.
        files_digest: of the files' content when the configuration was read; other content makes other options.
    """

    insecure_skip_verify: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    min_version: TlsVersion | None = None
    max_version: TlsVersion | None = None
    legacy_renegotiation: bool = False
    files_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Connecting:
    """How to connect to a target.

    Attributes:
        ip_protocol: `ip4` or `ip6` uses only such addresses if the name has one; `any` tries both.
        resolve_to: the IP address to connect to instead of the host's; name and SNI stay.
        proxy_url: `http://`, `socks5://` (names are resolved here) or `socks5h://` (names are resolved there), or None.
        http_version: `auto` lets a TLS server choose.
        keep_alive: whether the connection is reused for the next check.
        allow_private: whether private, loopback and link-local addresses are allowed.
        tls: how TLS is spoken.
    """

    ip_protocol: IpProtocol = "any"
    resolve_to: str | None = None
    proxy_url: str | None = field(default=None, repr=False)
    http_version: HttpVersion = "auto"
    keep_alive: bool = False
    allow_private: bool = True
    tls: TlsOptions = TlsOptions()


@dataclass(frozen=True, slots=True)
class HeaderPattern:
    """A pattern for the values of a header; `allow_missing` accepts a response without the header."""

    header: str
    pattern: Any
    allow_missing: bool = False


@dataclass(frozen=True, slots=True)
class JsonExpectation:
    """A value expected at a path of a JSON body.

    Attributes:
        path: the JMESPath expression as configured.
        expression: the compiled path.
        equals: a plain JSON value; lists and mappings are compared as a whole.
    """

    path: str
    expression: Any = field(compare=False)
    equals: Any = field(hash=False)


@dataclass(frozen=True, slots=True)
class Expectations:
    """The expectations of a response; patterns are compiled RE2 patterns (of bytes).

    Attributes:
        status_codes: ranges, both ends included.
        body_matches: each must match the body.
        body_lacks: none may match the body.
        headers_match: for each, one of the header's values must match.
        headers_lack: for each, no value of the header may match.
        json: values expected in a JSON body.
        body_limit_bytes: the largest body after decompression.
        degraded_after_seconds: a slower success is degraded.
        cert_expiry_days: a success whose certificate chain ends sooner is degraded.
    """

    status_codes: tuple[tuple[int, int], ...] = ((200, 299),)
    body_matches: tuple[Any, ...] = ()
    body_lacks: tuple[Any, ...] = ()
    headers_match: tuple[HeaderPattern, ...] = ()
    headers_lack: tuple[HeaderPattern, ...] = ()
    json: tuple[JsonExpectation, ...] = ()
    body_limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES
    degraded_after_seconds: float | None = None
    cert_expiry_days: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A watched URL with its expectations.

    A hundred thousand targets share their parts: equal parts should be one object.

    Attributes:
        name: unique; identifies the target's history.
        address: the URL as configured, with its secrets: only for connecting.
        shown_address: the address without its secrets, for every line, table and page.
        group: of targets, or None.
        interval_seconds: time between two slots.
        timeout_seconds: the deadline of one attempt, from DNS to the last byte, redirects included.
        retries: further attempts of a failing check, within its slot.
        retry_interval_seconds: time between two attempts.
        recheck_interval_seconds: time between two checks while a change of state is unconfirmed; None for the interval.
        enabled: whether it is checked; otherwise it is paused.
        thresholds: the checks in a row that confirm a change of state.
        sending, connecting, expected: the request, the connection and the expected response.
        alerts: its alerting options.
        locations: the places that watch it and decide its state together; empty if each place with it in its file
            decides for itself.
        quorum: the number of places that must see it down for it to be down; 0 without `locations`.
    """

    name: str
    address: str = field(repr=False)
    shown_address: str
    group: str | None = None
    interval_seconds: float = DEFAULT_INTERVAL_SECONDS
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    retries: int = 0
    retry_interval_seconds: float = DEFAULT_RETRY_INTERVAL_SECONDS
    recheck_interval_seconds: float | None = None
    enabled: bool = True
    thresholds: Thresholds = DEFAULT_THRESHOLDS
    sending: Sending = Sending()
    connecting: Connecting = Connecting()
    expected: Expectations = Expectations()
    alerts: TargetAlerts = NOTHING_SAID
    locations: tuple[str, ...] = ()
    quorum: int = 0

    def is_watched_at(self, location: str) -> bool:
        """Whether a replica at a location checks this target."""
        return not self.locations or location in self.locations


def watched_at(targets: Sequence[Target], location: str) -> Sequence[Target]:
    """Return the targets that a replica at a location checks; the same sequence if it checks all of them."""
    here = [target for target in targets if target.is_watched_at(location)]
    return targets if len(here) == len(targets) else here


def basic_authorization(username: str, password: str) -> str:
    """Return the value of an `Authorization` header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")

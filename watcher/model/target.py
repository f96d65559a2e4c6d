"""What is under watch, and what is expected of it."""

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
    """What is sent to a target.

    Attributes:
        method: in capitals.
        headers: names and values as configured; they may hold secrets.
        authorization: the whole value of an `Authorization` header, or None.
        body: what is sent with the request.
        follow_redirects: whether a redirect is followed, or is itself the response.
        max_redirects: the most that are followed.
    """

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    authorization: str | None = field(default=None, repr=False)
    body: bytes = field(default=b"", repr=False)
    follow_redirects: bool = True
    max_redirects: int = DEFAULT_MAX_REDIRECTS


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How TLS is spoken; files are paths of PEM.

    Attributes:
        insecure_skip_verify: take any certificate.
        ca_file: the authorities that are trusted instead of the system's.
        cert_file, key_file: of this client, for a server that asks for one.
        server_name: the name asked for (SNI) and looked for in the certificate, instead of the address's host.
        min_version, max_version: the versions that are spoken; by default 1.2 and later.
        legacy_renegotiation: take a server that does not know RFC 5746; a `min_version` below 1.2 implies it.
        files_digest: of what stood in the files when the configuration was read; another content is another option.
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
    """How a target is connected to.

    Attributes:
        ip_protocol: `ip4` or `ip6` takes only such addresses where the name has one; `any` tries both.
        resolve_to: the IP address to connect to instead of the host's; name and SNI stay.
        proxy_url: `http://`, `socks5://` (names are resolved here) or `socks5h://` (and there), or None.
        http_version: `auto` lets a TLS server choose.
        keep_alive: whether the connection is used again for the next check.
        allow_private: whether private, loopback and link-local addresses may be connected to.
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
    """A pattern for the values of a header; `allow_missing` says that a response without it is good as well."""

    header: str
    pattern: Any
    allow_missing: bool = False


@dataclass(frozen=True, slots=True)
class JsonExpectation:
    """A value that must stand at a path of a JSON body.

    Attributes:
        path: the JMESPath expression as configured.
        expression: the same, compiled.
        equals: plain values of JSON; lists and mappings are compared whole.
    """

    path: str
    expression: Any = field(compare=False)
    equals: Any = field(hash=False)


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a response must be; patterns are compiled RE2 patterns (of bytes).

    Attributes:
        status_codes: ranges, both ends included.
        body_matches: every one must be found in the body.
        body_lacks: none of these may.
        headers_match: one of the header's values must match.
        headers_lack: no value of the header may match.
        json: what must stand in a JSON body.
        body_limit_bytes: the most that the body may have after decompression.
        degraded_after_seconds: a success that takes longer is degraded.
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
    """A URL under watch, with what is expected of it.

    A hundred thousand of them share their parts: those that are equal should be one object.

    Attributes:
        name: unique; the history of the target hangs on it.
        address: the URL as configured, secrets included: for connecting only.
        shown_address: the address without its secrets, for every line, table and page.
        group: what it belongs to, or None.
        interval_seconds: time between two slots.
        timeout_seconds: the deadline of one attempt, from DNS to the last byte, redirects included.
        retries: how many more attempts a failing check has, inside its slot.
        retry_interval_seconds: time between two attempts.
        recheck_interval_seconds: time between two checks while a change of state is not confirmed yet; None for the
            interval.
        enabled: whether it is checked at all; what is not is paused.
        thresholds: how many checks in a row confirm a change of state.
        sending, connecting, expected: what is sent, how, and what must come.
        alerts: how its incidents are told.
        locations: the places that watch it, and decide together where it stands; empty where each place that has it in
            its file watches it for itself.
        quorum: it is down when so many of them say so; 0 without `locations`.
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
        """Whether a replica at a location checks it."""
        return not self.locations or location in self.locations


def watched_at(targets: Sequence[Target], location: str) -> Sequence[Target]:
    """Return the targets that a replica at a location checks; the very sequence where it checks all of them."""
    here = [target for target in targets if target.is_watched_at(location)]
    return targets if len(here) == len(targets) else here


def basic_authorization(username: str, password: str) -> str:
    """Return the value of an `Authorization` header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")

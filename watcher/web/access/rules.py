"""Decides who may read and write, from settings and request headers alone; pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from watcher.config.env.http_values import is_loopback
from watcher.text.host_names import is_ip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.config.env.http_values import Network
    from watcher.config.env.settings import Settings


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The access rules of the settings.

    Attributes:
        user, password, token: credentials that allow reading all and writing; None for none.
        is_public: whether callers without auth see names and states.
        is_local: whether only this machine can reach the page.
        hosts: the allowed names in `Host`, in lower case; IP addresses are always allowed.
        trusted_proxies: the proxies whose `X-Forwarded-*` are trusted.
        url: the public address of the page, without a trailing slash, or None.
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    is_public: bool = False
    is_local: bool = True
    hosts: frozenset[str] = frozenset({"localhost"})
    trusted_proxies: tuple[Network, ...] = ()
    url: str | None = None

    @property
    def has_auth(self) -> bool:
        """Whether any credentials are configured."""
        return self.user is not None or self.token is not None

    @property
    def is_open_to_others(self) -> bool:
        """Whether other machines can reach the page, without a setting that allows it."""
        return not (self.is_local or self.has_auth or self.is_public)

    @property
    def origin(self) -> str | None:
        """Scheme and host of the page's public address; None if it is not configured."""
        own = urlsplit(self.url) if self.url else None
        return f"{own.scheme}://{own.netloc}" if own else None

    @property
    def prefix(self) -> str:
        """The path prefix at a proxy, without a trailing slash; empty for none."""
        return urlsplit(self.url).path if self.url else ""

    def sees_all(self, *, is_known: bool) -> bool:
        """Return whether addresses, details and excerpts are shown.

        Args:
            is_known: whether the credentials are right.
        """
        return is_known or (self.is_local and not self.has_auth and not self.is_public)

    def may_read(self, *, is_known: bool) -> bool:
        """Return whether any content is shown."""
        return is_known or self.is_public or not self.has_auth

    def knows(self, authorization: str) -> bool:
        """Check credentials in constant time.

        Args:
            authorization: the header's value, by RFC 7617 (basic) or RFC 6750 (bearer).
        """
        scheme, _, credentials = authorization.strip().partition(" ")
        given = credentials.strip()
        if scheme.lower() == "bearer":
            return _is_same(given.encode("latin-1", "replace"), self.token)
        if scheme.lower() != "basic":
            return False
        try:
            pair = base64.b64decode(given, validate=True)
        except (binascii.Error, ValueError):
            return False
        is_bearer = _is_same(pair.partition(b":")[2], self.token)  # for tools that support only basic auth
        is_user = _is_same(pair, None if self.user is None else f"{self.user}:{self.password}")
        return is_user or is_bearer

    def has_host(self, host: str) -> bool:
        """Return whether a `Host` belongs to this page: a foreign name means DNS rebinding by another site.

        Args:
            host: the value of the header, with or without a port.
        """
        name = _name_of(host)
        if name is None:
            return False
        return name in self.hosts or is_ip(name)

    def is_same_origin(self, host: str, origin: str | None, fetch_site: str | None) -> bool:
        """Return whether a request comes from a page of ours, or not from a browser.

        Args:
            host: the value of `Host`.
            origin, fetch_site: the values of `Origin` and `Sec-Fetch-Site`; None if missing.
        """
        if fetch_site is not None and fetch_site not in {"same-origin", "none"}:
            return False
        if origin is None:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        own = urlsplit(self.url) if self.url else None
        is_own = own is not None and (parts.scheme, parts.netloc.lower()) == (own.scheme, own.netloc)
        return is_own or (parts.scheme in {"http", "https"} and parts.netloc.lower() == host.strip().lower())

    def trusts(self, address: str) -> bool:
        """Return whether an IP address is that of a trusted proxy; unix sockets are trusted."""
        return not address or any(_is_within(address, network) for network in self.trusted_proxies)

    def may_be_many(self, address: str) -> bool:
        """Return whether many people may share an IP address, or the empty one of a unix socket."""
        return self.trusts(address) or ipaddress.ip_address(address).is_loopback

    def client_of(self, address: str, forwarded_for: Sequence[str]) -> str:
        """Return the caller's address behind trusted proxies.

        Args:
            address: of the connection.
            forwarded_for: the values of `X-Forwarded-For`.
        """
        ways = [word.strip() for value in forwarded_for for word in value.split(",")]
        while ways and self.trusts(address):
            found = ways.pop()
            if not is_ip(found):
                break
            address = found
        return address


def rules_of(settings: Settings) -> AccessRules:
    """Return the access rules of the settings."""
    bound, url = settings.http, settings.http_url
    own = urlsplit(url).hostname if url else None
    names = {
        *settings.http_hosts,
        "localhost",
        *([own] if own else []),
        *([bound.host] if bound and bound.host else []),
    }
    return AccessRules(
        user=settings.http_user,
        password=settings.http_password,
        token=settings.http_token,
        is_public=settings.http_public,
        # With another public address, a proxy on this machine passes on everyone's requests.
        is_local=(bound is None or bound.is_local) and (own is None or is_loopback(own)),
        hosts=frozenset(name.lower() for name in names),
        trusted_proxies=settings.http_trusted_proxies,
        url=url,
    )


def _is_same(given: bytes, expected: str | None) -> bool:
    """Compare digests, which have equal length; nothing equals a missing expectation."""
    digest = hashlib.sha256((expected or "").encode()).digest()
    return hmac.compare_digest(hashlib.sha256(given).digest(), digest) and expected is not None


def _name_of(host: str) -> str | None:
    try:
        return (urlsplit(f"//{host.strip()}").hostname or "").removesuffix(".") or None
    except ValueError:
        return None


def _is_within(address: str, network: Network) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False

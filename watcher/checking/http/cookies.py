"""A cookie jar for the redirects of one check (RFC 6265)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.text.host_names import is_ip

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.checking.http.exchange import Url

# The minimum that browsers must support (RFC 6265, section 6.1); beyond it, the oldest are dropped.
MAX_COOKIES = 50
MAX_COOKIE_BYTES = 4096

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_TIME = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D|$)", re.ASCII)
_DAY = re.compile(r"(\d{1,2})(?:\D|$)", re.ASCII)
_YEAR = re.compile(r"(\d{2,4})(?:\D|$)", re.ASCII)
_DELIMITERS = re.compile(r"[\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class _Cookie:
    name: bytes
    value: bytes
    domain: str
    path: str
    host_only: bool
    secure: bool

    def goes_to(self, url: Url) -> bool:
        host = url.host
        same_host = host == self.domain if self.host_only else _domain_matches(host, self.domain)
        return same_host and _path_matches(_path_of(url), self.path) and (url.scheme == "https" or not self.secure)


class CookieJar:
    """The cookies set so far, in the order in which they were first set."""

    def __init__(self) -> None:
        """Create an empty jar."""
        self._cookies: dict[tuple[bytes, str, str], _Cookie] = {}
        self._named: set[bytes] = set()

    def take(self, lines: Iterable[bytes], url: Url, now: datetime) -> None:
        """Store the cookies of a response, and remove those that it deletes (RFC 6265, sections 5.2 and 5.3).

        Args:
            lines: the values of its `Set-Cookie` headers.
            url: of the request.
            now: a moment with a time zone.
        """
        for line in lines:
            if _CONTROL.search(line):
                continue
            pair, *attributes = line.split(b";")
            name, equals, value = (part.strip(b" \t") for part in pair.partition(b"="))
            if equals and name and len(name) + len(value) <= MAX_COOKIE_BYTES:
                self._set(name, value, _by_name(attributes), url, now)

    def header_for(self, url: Url, own: bytes | None) -> bytes | None:
        """Write a `Cookie` header (RFC 6265, section 5.4).

        Args:
            url: of the request.
            own: the target's configured cookies; the site's cookies replace those with the same name.

        Returns:
            None if no cookie applies to the URL.
        """
        pairs = [
            piece.strip(b" \t")
            for piece in (own or b"").split(b";")
            if piece.partition(b"=")[0].strip(b" \t") not in self._named
        ]
        going = [cookie for cookie in self._cookies.values() if cookie.goes_to(url)]
        going.sort(key=lambda cookie: -len(cookie.path))
        pairs += [cookie.name + b"=" + cookie.value for cookie in going]
        return b"; ".join(filter(None, pairs)) or None

    def _set(self, name: bytes, value: bytes, attributes: dict[str, str], url: Url, now: datetime) -> None:
        host, secure = url.host, "secure" in attributes
        domain = attributes.get("domain", "").removeprefix(".").lower()
        host_only = not domain or domain == host
        # Without the list of public suffixes, only a domain without a dot is known to be a public suffix.
        if not host_only and not ("." in domain and _domain_matches(host, domain)):
            return
        if secure and url.scheme != "https":
            return  # as browsers and curl do; RFC 6265 leaves it open
        if "domain" in attributes and domain == host and not is_ip(host):
            host_only = False
        path = attributes.get("path", "")
        path = path if path.startswith("/") else _default_path(url)
        key = (name, domain or host, path)
        self._named.add(name)
        if _has_expired(attributes, now):
            self._cookies.pop(key, None)
            return
        self._cookies[key] = _Cookie(name, value, domain or host, path, host_only, secure)
        if len(self._cookies) > MAX_COOKIES:
            del self._cookies[next(iter(self._cookies))]


def cookie_date(text: str) -> datetime | None:
    """Parse a date in any form, as browsers do (RFC 6265, section 5.1.1); None if it is not a date."""
    time: re.Match[str] | None = None
    day = month = year = None
    for token in _DELIMITERS.split(text):
        if time is None and (time := _TIME.match(token)):
            continue
        if day is None and (match := _DAY.match(token)):
            day = int(match[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (match := _YEAR.match(token)):
            year = int(match[1])
    if time is None or day is None or month is None or year is None:
        return None
    year += 1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0
    try:
        return datetime(year, month, day, int(time[1]), int(time[2]), int(time[3]), tzinfo=UTC)
    except ValueError:
        return None


def _by_name(attributes: Iterable[bytes]) -> dict[str, str]:
    """Parse attributes; the last one of a name counts."""
    pairs = (attribute.decode("latin-1").partition("=") for attribute in attributes)
    return {name.strip(" \t").lower(): value.strip(" \t") for name, _, value in pairs}


def _has_expired(attributes: dict[str, str], now: datetime) -> bool:
    max_age = attributes.get("max-age", "")
    if re.fullmatch(r"-?[0-9]+", max_age):
        return max_age.startswith("-") or not max_age.strip("0")
    expires_at = cookie_date(attributes.get("expires", ""))
    return expires_at is not None and expires_at <= now


def _path_of(url: Url) -> str:
    return url.raw_path.decode("ascii").partition("?")[0]


def _default_path(url: Url) -> str:
    return _path_of(url).rpartition("/")[0] or "/"


def _domain_matches(host: str, domain: str) -> bool:
    return host == domain or (host.endswith(f".{domain}") and not is_ip(host))


def _path_matches(path: str, prefix: str) -> bool:
    return path == prefix or (path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix)] == "/"))

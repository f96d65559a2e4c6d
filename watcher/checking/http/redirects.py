"""Parses addresses as browsers do, and builds the request that follows a redirect: pure functions."""

from __future__ import annotations

import ipaddress
import re
import sys
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httpx

from watcher.checking.http.exchange import Request, Url
from watcher.model.headers import HARMLESS_HEADERS, HEADERS_OF_A_BODY
from watcher.text.host_names import ascii_host

if TYPE_CHECKING:
    from watcher.checking.http.http1 import Head

DEFAULT_PORTS = {"http": 80, "https": 443}
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
MAX_LOCATION_CHARS = 16_000

# A server waits for a body with these methods, unless it gets a length (RFC 9110, section 8.6).
METHODS_WITH_A_BODY = frozenset({"PATCH", "POST", "PUT"})
_HARMLESS = frozenset(name.encode("ascii") for name in HARMLESS_HEADERS)
_OF_A_BODY = frozenset(name.encode("ascii") for name in HEADERS_OF_A_BODY)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ENCODED_DOT = re.compile("%2e", re.IGNORECASE)
_ZONE = re.compile(rb"%[^\]]*")
_AROUND = bytes(range(0x21))  # control characters and the space


class RedirectError(Exception):
    """A redirect that cannot or must not be followed; the message is for people."""


def leads_on(head: Head) -> bool:
    """Return whether a response is a redirect with a destination."""
    return head.status_code in REDIRECT_STATUSES and any(_locations(head))


def next_url(head: Head, url: Url) -> Url:
    """Return the destination of a redirect (RFC 9110, section 10.2.2).

    Args:
        head: of a response for which `leads_on` is true.
        url: of its request, the base of relative addresses.

    Raises:
        RedirectError: the destination cannot be requested.
    """
    locations = set(_locations(head))
    if len(locations) > 1:
        raise RedirectError("redirected to several addresses at once")
    location = locations.pop()
    if len(location) > MAX_LOCATION_CHARS:
        raise RedirectError("redirected to an address that is too long")
    # The bytes are sent as they came, whatever their charset.
    text = "".join(chr(byte) if 0x21 <= byte <= 0x7E else f"%{byte:02X}" for byte in location)
    try:
        return _read(text, url)
    except ValueError as error:  # UnicodeError and IDNAError are ValueErrors
        raise RedirectError("redirected to an address that is not valid") from error


def url_of(address: str) -> Url:
    """Parse the address of a target, as browsers do.

    Raises:
        RedirectError, ValueError: it cannot be requested.
    """
    return _read(address, None)


def authority_of(url: Url) -> bytes:
    """Return host and port of an address as sent to a server: without the zone (RFC 6874, section 4)."""
    netloc = url.netloc
    return _ZONE.sub(b"", netloc) if b"%" in netloc else netloc


def same_origin(one: Url, other: Url) -> bool:
    """Return whether two addresses have the same scheme, host and port (RFC 6454, section 4)."""
    return one.origin == other.origin


def next_request(first: Request, last: Request, status_code: int, following: Url, *, stays: bool) -> Request:
    """Build the request that follows a redirect.

    Args:
        first: the request to the target.
        last: the request that the redirect answered.
        status_code: of the redirect.
        following: its destination, from `next_url`.
        stays: whether the redirects so far have stayed at the origin of `first`.

    Returns:
        the request; without credentials, and headers that may be credentials, once the origin was left.

    Raises:
        RedirectError: the body would be sent to another origin.
    """
    method = _next_method(last.method, status_code)
    keeps_body = method == last.method and bool(last.body)
    if keeps_body and not stays:
        # The body may be a secret, such as that of a login.
        raise RedirectError("redirected to another origin, where the body of the request must not go")
    # At another origin, only harmless headers are sent.
    headers = [(b"host", authority_of(following))]
    for raw_name, value in first.headers:
        name = raw_name.lower()
        goes = (stays or name in _HARMLESS) and (keeps_body or name not in _OF_A_BODY)
        if goes and name != b"host":
            headers.append((name, value))
    if method in METHODS_WITH_A_BODY and not keeps_body:
        headers.append((b"content-length", b"0"))
    return Request(method, following, tuple(headers), last.body if keeps_body else b"")


def _next_method(method: str, status_code: int) -> str:
    """Choose the method as browsers do (RFC 9110, sections 15.4.2 to 15.4.4)."""
    if status_code == 303 and method != "HEAD":
        return "GET"
    return "GET" if status_code in {301, 302} and method == "POST" else method


def _locations(head: Head) -> list[bytes]:
    return [value.strip(_AROUND) for name, value in head.headers if name == b"location"]


def _read(reference: str, base: Url | None) -> Url:
    """Parse an address or a reference (URL Standard, section 4.4).

    `httpx.URL.join`, and urllib below it, are not used: they keep an old query before an empty one, lose the slash
    after dots, and do not know backslashes.

    Raises:
        RedirectError: it has another scheme.
        ValueError: it is not an address.
    """
    path, mark, query = reference.partition("#")[0].partition("?")
    path = path.replace("\\", "/")
    scheme, is_whole = "" if base is None else base.scheme, path.startswith("//")
    if match := _SCHEME.match(path):
        path = path[match.end() :]
        is_whole, scheme = path.startswith("//") or match[1].lower() != scheme, match[1].lower()
        if scheme not in DEFAULT_PORTS:
            raise RedirectError("redirected to an address that is not http or https")
    if is_whole or base is None:
        authority, slash, path = path.lstrip("/").partition("/")
        netloc, path = _netloc(authority), slash + path
    else:
        netloc = base.netloc.decode("ascii")
        base_path, base_mark, base_query = base.raw_path.decode("ascii").partition("?")
        if not path:
            path = base_path
            mark, query = (mark, query) if mark else (base_mark, base_query)
        elif not path.startswith("/"):
            path = f"{base_path.rpartition('/')[0]}/{path}"
    try:
        url = httpx.URL(f"{scheme}://{netloc}{_without_dots(path)}{mark}{query}")
    except httpx.InvalidURL as error:
        raise ValueError("it cannot be parsed") from error
    ip, percent, zone = url.raw_host.decode("ascii").partition("%25")
    text = str(url)
    return Url(
        sys.intern(url.scheme),
        ip.lower() + percent[:1] + zone,
        url.port or DEFAULT_PORTS[url.scheme],
        url.netloc,
        url.raw_path,
        reference if text == reference else text,  # one string in memory instead of two, for 100,000 targets
    )


def _netloc(authority: str) -> str:
    """Return host and port in ASCII, without userinfo."""
    host_and_port = authority.rpartition("@")[2]
    if host_and_port.startswith("["):
        host, bracket, rest = host_and_port[1:].partition("]")
        ip, percent, zone = host.partition("%")
        host = f"[{ipaddress.IPv6Address(ip)}{percent and '%25'}{zone.removeprefix('25') or zone}]"
        colon, port = rest[:1], rest[1:]
        if not bracket or colon not in {"", ":"}:
            raise ValueError("its brackets do not contain an IPv6 address")
    else:
        raw_host, colon, port = host_and_port.partition(":")
        host = ascii_host(unquote(raw_host, errors="strict"))
        if not _is_name(host):
            raise ValueError("its host cannot be looked up")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:9]) < 65536):
        raise ValueError("its port is not valid")
    return host + (colon and port and colon + port)


def _without_dots(path: str) -> str:
    """Resolve `.` and `..`; if one of them is last, a slash remains."""
    if "." not in path and "%2" not in path:
        return path
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        dots = _ENCODED_DOT.sub(".", segment) if len(segment) <= 6 else segment
        if dots == "..":
            del kept[-1:]
        elif dots != ".":
            kept.append(segment)
    if dots in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def _is_name(host: str) -> bool:
    """Return whether a resolver accepts a host (RFC 1035, section 2.3.4)."""
    labels = host.removesuffix(".").split(".")
    return len(host) <= 254 and all(0 < len(label) < 64 for label in labels)

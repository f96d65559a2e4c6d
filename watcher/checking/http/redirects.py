"""Where a redirect leads, and what may be taken along: a pure function of a response and its request."""

from __future__ import annotations

import httpx

from watcher.model.headers import HARMLESS_HEADERS, HEADERS_OF_A_BODY

DEFAULT_PORTS = {"http": 80, "https": 443}
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
MAX_LOCATION_CHARS = 16_000


class RedirectError(Exception):
    """A redirect that cannot or must not be followed; the message is for people."""


def leads_on(response: httpx.Response) -> bool:
    """Tell whether a response is a redirect with somewhere to go to."""
    return response.status_code in REDIRECT_STATUSES and "location" in response.headers


def next_url(response: httpx.Response, url: httpx.URL) -> httpx.URL:
    """Return the address that a redirect names (RFC 9110, section 10.2.2).

    Args:
        response: for which `leads_on` holds.
        url: of its request, which a relative address is relative to.

    Raises:
        RedirectError: it is none that can be asked for.
    """
    location = response.headers["location"]
    if len(location) > MAX_LOCATION_CHARS:
        raise RedirectError("redirected to an address that is too long")
    try:
        following = url.join(location)
        following.raw_host.decode("ascii")
        host = following.host
        httpx.URL(str(following))  # a host that cannot be encoded again shows here
    except (httpx.InvalidURL, ValueError) as error:  # UnicodeError and IDNAError are ValueErrors
        raise RedirectError("redirected to an address that is not valid") from error
    if following.scheme not in {"http", "https"}:
        raise RedirectError("redirected to what is no http or https address")
    port = 80 if following.port is None else following.port
    if not host or not 0 < port < 65536 or not _is_host(following.raw_host):
        raise RedirectError("redirected to an address that is not valid")
    return following


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Tell whether two addresses have scheme, host and port in common (RFC 6454, section 4)."""
    return origin_of(one) == origin_of(other)


def origin_of(url: httpx.URL) -> tuple[str, str, int]:
    """Return scheme, host and port of an address."""
    scheme = url.scheme
    return scheme, url.raw_host.decode("ascii").lower(), url.port or DEFAULT_PORTS[scheme]


def next_request(
    first: httpx.Request, last: httpx.Request, status_code: int, following: httpx.URL, *, stays: bool
) -> httpx.Request:
    """Make the request that follows a redirect.

    Args:
        first: what the target was asked.
        last: what was answered by the redirect.
        status_code: of the redirect.
        following: where it leads, from `next_url`.
        stays: whether the redirects so far have not left the origin of `first`.

    Returns:
        a request that has no credentials, and no header that may be one, where the origin was left.

    Raises:
        RedirectError: the body would have to be sent to another origin.
    """
    method = _next_method(last.method, status_code)
    body = b"".join(last.stream) if isinstance(last.stream, httpx.ByteStream) else b""
    keeps_body = method == last.method and bool(body)
    if keeps_body and not stays:
        # A login is checked by sending one: what stands in the body may be a secret like any other.
        raise RedirectError("redirected to another origin, where the body of the request must not go")
    # Where the origin changes, all but the harmless ones stay behind.
    headers = [
        (name, value)
        for name, value in first.headers.multi_items()
        if name != "host" and (stays or name in HARMLESS_HEADERS) and (keeps_body or name not in HEADERS_OF_A_BODY)
    ]
    return httpx.Request(method, following, headers=headers, content=body if keeps_body else None)


def _next_method(method: str, status_code: int) -> str:
    """Choose the method as browsers do (RFC 9110, sections 15.4.2 to 15.4.4)."""
    if status_code == 303 and method != "HEAD":
        return "GET"
    return "GET" if status_code in {301, 302} and method == "POST" else method


def _is_host(raw_host: bytes) -> bool:
    """Tell whether a resolver could be asked for a host (RFC 1035, section 2.3.4)."""
    labels = raw_host.removesuffix(b".").split(b".")
    return len(raw_host) <= 254 and (b":" in raw_host or all(0 < len(label) < 64 for label in labels))

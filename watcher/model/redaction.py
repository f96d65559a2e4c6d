"""Addresses without their secrets, the only form in which they are ever logged, stored or shown."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

MASK = "***"

# Whatever the scheme: a pattern that looks for its begin as well would take the square of the time.
_INSIDE = re.compile(r"://\S+")


def without_secrets(address: str) -> str:
    """Take userinfo, the values of the query and the fragment out of an address.

    Args:
        address: a URL, also a malformed one.

    Returns:
        `https://host/path?token=***` for `https://user:pw@host/path?token=abc#x`; a bare word in the query is masked
        whole, since a token may stand there as well, and so is an address in which nobody can tell where userinfo ends.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return MASK
    if "@" in address and not _has_sure_host(parts):
        return MASK
    host = parts.netloc.rpartition("@")[2]
    # Only `&` stands between two parameters: a `;` may be part of a value.
    query = "&".join(map(_masked, parts.query.split("&")))
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def without_secrets_inside(text: str) -> str:
    """Take the secrets out of every address that stands in a text.

    Args:
        text: any text; an address ends at white space.

    Returns:
        the text with each address as `without_secrets` has it; what stands directly behind a value of a query, such as
        a quote, goes with it.
    """
    return _INSIDE.sub(_without_secrets, text) if "://" in text else text


def _without_secrets(found: re.Match[str]) -> str:
    address = found[0]
    if not any(mark in address for mark in "@?#"):
        return address
    safe = without_secrets("http" + address)
    return "://" + MASK if safe == MASK else safe.removeprefix("http")


def _has_sure_host(parts: SplitResult) -> bool:
    # Of `user:pw@host` urllib makes a scheme and a path, of `https://user:p/w@host` a host, a port and a path, and
    # of `https://user:p@b/c@host` a host `b`.
    twice = "@" in parts.netloc and "@" in parts.path + parts.query + parts.fragment
    try:
        return bool(parts.hostname) and parts.port != 0 and not twice
    except ValueError:
        return False


def _masked(parameter: str) -> str:
    name, equals, _value = parameter.partition("=")
    return f"{name}={MASK}" if equals else parameter and MASK

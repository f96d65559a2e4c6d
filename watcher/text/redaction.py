"""Addresses without their secrets, the only form in which they are ever logged, stored or shown."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

MASK = "***"

# Whatever the scheme: a pattern that looks for its begin as well would take the square of the time.
_INSIDE = re.compile(r"://\S+")
# As of a line of settings that ran into the one before.
_KEY_AND_VALUE = re.compile(r"[\s;,&][A-Za-z_][A-Za-z0-9_]*\s?=")
# A second address in the path of the first one, at the start of a part of it.
_SECOND = re.compile(r"(?P<first>[a-z]+://[^@?#]*?/)(?P<second>https?://.*)", re.IGNORECASE | re.DOTALL)
_KEY_OF_PEM = "-----BEGIN"


def without_secrets(address: str) -> str:
    """Take userinfo, the values of the query and the fragment out of an address.

    Args:
        address: a URL, also a malformed one.

    Returns:
        `https://host/path?token=***` for `https://user:pw@host/path?token=abc#x`; a bare word in the query is masked
        whole, since a token may stand there as well, and so is an address in which nobody can tell where userinfo ends.
        Of two addresses, of which one stands in the path of the other, each is shown so.
        What follows a space, such as a second address, is masked too.
    """
    first, *rest = address.split(None, 1) or [""]
    if rest:
        # A password may have a space in it.
        # Of control characters at its begin, urllib leaves nothing.
        return MASK if "@" in rest[0] else f"{without_secrets(first)} {MASK}".lstrip()
    try:
        parts = urlsplit(address)
    except ValueError:
        return MASK
    if "@" in address:
        if not _has_sure_host(parts):
            return MASK
        if _has_second(address):
            return MASK if "@" in parts.netloc or parts.netloc.endswith(":") else _without_secrets_of_both(address)
    host = parts.netloc.rpartition("@")[2]
    # Only `&` stands between two parameters: a `;` may be part of a value.
    query = "&".join(map(_masked, parts.query.split("&")))
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def quotable(text: str) -> str:
    """Take out of a text that a user wrote, of whatever kind, what may be a secret.

    Args:
        text: a value that may be an address, a line of two settings, or a private key.

    Returns:
        the text, where nothing in it looks like one.
    """
    if _KEY_OF_PEM in text:
        return MASK
    if "://" in text or "@" in text[1:]:
        return without_secrets(text)
    match = _KEY_AND_VALUE.search(text)
    return text if match is None else f"{text[: match.start()]} {MASK}"


def quotable_setting(text: str) -> str:
    """Take the same out of a value of `.env`, where a key may stand at the very beginning as well: `A=PASSWORD=x`."""
    return quotable(f" {text}").removeprefix(" ")


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


def _has_second(address: str) -> bool:
    before_query = re.split("[?#]", address, maxsplit=1)[0]
    return before_query.count("://") > 1 and "@" in before_query


def _without_secrets_of_both(address: str) -> str:
    """Take the secrets out of an address in whose path another stands, as of an archive or a proxy."""
    match = _SECOND.fullmatch(address)
    if match is None:
        return MASK
    second = match["second"]
    return match["first"] + (MASK if _has_second(second) else without_secrets(second))


def _masked(parameter: str) -> str:
    name, equals, _value = parameter.partition("=")
    return f"{name}={MASK}" if equals else parameter and MASK

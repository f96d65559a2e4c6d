"""Removes secrets from addresses: the only form in which addresses are logged, stored or shown."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

MASK = "***"

# Matches any scheme: a pattern that also looked for the start of the scheme would take quadratic time.
_INSIDE = re.compile(r"://\S+")
# A line of settings that ran into the line before it.
_KEY_AND_VALUE = re.compile(r"[\s;,&][A-Za-z_][A-Za-z0-9_]*\s?=")
# A second address in the path of the first one, at the start of a path segment.
_SECOND = re.compile(r"(?P<first>[a-z]+://[^@?#]*?/)(?P<second>https?://.*)", re.IGNORECASE | re.DOTALL)
_KEY_OF_PEM = "-----BEGIN"


def without_secrets(address: str) -> str:
    """Remove userinfo, query values and the fragment from an address.

    Args:
        address: a URL, also a malformed one.

    Returns:
        `https://host/path?token=***` for `https://user:pw@host/path?token=abc#x`. A bare word in the query is masked
        whole, since it may be a token. An address is masked whole if the end of its userinfo is uncertain.
        If one address is in the path of another, both are cleaned.
        Text after a space, such as a second address, is masked too.
    """
    first, *rest = address.split(None, 1) or [""]
    if rest:
        # A password may contain a space.
        # urllib drops control characters at the start.
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
    # Only `&` separates parameters: a `;` may be part of a value.
    query = "&".join(map(_masked, parts.query.split("&")))
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def quotable(text: str) -> str:
    """Mask what may be a secret in text that a user wrote.

    Args:
        text: a value that may be an address, a line of two settings, or a private key.

    Returns:
        the text unchanged if nothing in it looks like a secret.
    """
    if _KEY_OF_PEM in text:
        return MASK
    if "://" in text or "@" in text[1:]:
        return without_secrets(text)
    match = _KEY_AND_VALUE.search(text)
    return text if match is None else f"{text[: match.start()]} {MASK}"


def quotable_setting(text: str) -> str:
    """Mask the same in a value of `.env`, where a key may also be at the very start: `A=PASSWORD=x`."""
    return quotable(f" {text}").removeprefix(" ")


def without_secrets_inside(text: str) -> str:
    """Remove the secrets from every address in a text.

    Args:
        text: any text; an address ends at white space.

    Returns:
        the text with each address as `without_secrets` returns it; characters directly after a query value, such as a
        quote, are masked with it.
    """
    return _INSIDE.sub(_without_secrets, text) if "://" in text else text


def _without_secrets(found: re.Match[str]) -> str:
    address = found[0]
    if not any(mark in address for mark in "@?#"):
        return address
    safe = without_secrets("http" + address)
    return "://" + MASK if safe == MASK else safe.removeprefix("http")


def _has_sure_host(parts: SplitResult) -> bool:
    # urllib reads `user:pw@host` as a scheme and a path, `https://user:p/w@host` as a host, a port and a path, and
    # `https://user:p@b/c@host` as the host `b`.
    twice = "@" in parts.netloc and "@" in parts.path + parts.query + parts.fragment
    try:
        return bool(parts.hostname) and parts.port != 0 and not twice
    except ValueError:
        return False


def _has_second(address: str) -> bool:
    before_query = re.split("[?#]", address, maxsplit=1)[0]
    return before_query.count("://") > 1 and "@" in before_query


def _without_secrets_of_both(address: str) -> str:
    """Remove the secrets from an address with another address in its path, as used by archives and proxies."""
    match = _SECOND.fullmatch(address)
    if match is None:
        return MASK
    second = match["second"]
    return match["first"] + (MASK if _has_second(second) else without_secrets(second))


def _masked(parameter: str) -> str:
    name, equals, _value = parameter.partition("=")
    return f"{name}={MASK}" if equals else parameter and MASK

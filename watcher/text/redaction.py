"""Removes secrets from addresses: the only form in which addresses are logged, stored or shown."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

MASK = "***"

# Matches any scheme: a pattern that also looked for the start of the scheme would take quadratic time.
_INSIDE = re.compile(r"://\S+")
# A line of settings that ran into the line before it.
_KEY_AND_VALUE = re.compile(r"[\s;,&][A-Za-z_][A-Za-z0-9_]*\s?=")
# A second address in the path of the first one, at the start of a path segment, as used by archives and proxies.
_SECOND = re.compile(r"([a-z]+://[^@?#]*?/)(https?://.*)", re.IGNORECASE | re.DOTALL)


def without_secrets(address: str) -> str:
    """Remove userinfo, query values and the fragment from an address, also from a malformed one.

    Returns:
        `https://host/path?token=***` for `https://user:pw@host/path?token=abc#x`. A bare word in the query is masked
        whole, since it may be a token. An address is masked whole if the end of its userinfo is uncertain.
        If one address is in the path of another, both are cleaned.
        Text after a space, such as a second address, is masked too.
    """
    first, *rest = address.split(None, 1) or [""]
    if rest:  # a password may contain a space; urllib drops control characters at the start
        return MASK if "@" in rest[0] else f"{without_secrets(first)} {MASK}".lstrip()
    try:
        parts = urlsplit(address)
    except ValueError:
        return MASK
    if "@" in address:
        if not _has_sure_host(parts):
            return MASK
        if _has_second(address):
            match = None if "@" in parts.netloc or parts.netloc.endswith(":") else _SECOND.fullmatch(address)
            return MASK if match is None else match[1] + (MASK if _has_second(match[2]) else without_secrets(match[2]))
    # Only `&` separates parameters: a `;` may be part of a value.
    parameters = (parameter.partition("=") for parameter in parts.query.split("&"))
    query = "&".join(f"{name}={MASK}" if equals else name and MASK for name, equals, _ in parameters)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def quotable(text: str) -> str:
    """Mask what may be a secret in text that a user wrote: an address, a line of two settings, or a private key."""
    if "-----BEGIN" in text:
        return MASK
    if "://" in text or "@" in text[1:]:
        return without_secrets(text)
    match = _KEY_AND_VALUE.search(text)
    return text if match is None else f"{text[: match.start()]} {MASK}"


def quotable_setting(text: str) -> str:
    """Mask the same in a value of `.env`, where a key may also be at the very start: `A=PASSWORD=x`."""
    return quotable(f" {text}").removeprefix(" ")


def without_secrets_inside(text: str) -> str:
    """Remove the secrets from every address in a text; an address ends at white space."""
    return _INSIDE.sub(_without_secrets, text) if "://" in text else text


def _without_secrets(found: re.Match[str]) -> str:
    if not any(mark in found[0] for mark in "@?#"):
        return found[0]
    safe = without_secrets("http" + found[0])
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

"""Addresses without their secrets, the only form in which they are ever logged, stored or shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

MASK = "***"

_QUERY_VALUE = re.compile(r"=[^&;]*")


def without_secrets(address: str) -> str:
    """Take userinfo, the values of the query and the fragment out of an address.

    Args:
        address: a URL, also a malformed one.

    Returns:
        `https://host/path?token=***` for `https://user:pw@host/path?token=abc#x`; a query of one bare word is
        masked whole, since a token may stand there as well.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return MASK
    host = parts.netloc.rpartition("@")[2]
    query = _QUERY_VALUE.sub(f"={MASK}", parts.query) if "=" in parts.query else MASK if parts.query else ""
    return urlunsplit((parts.scheme, host, parts.path, query, ""))

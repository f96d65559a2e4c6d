"""Request headers without secrets: the only list of them."""

from __future__ import annotations

# Also sent when a redirect leads to another origin.
HARMLESS_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "cache-control", "connection", "user-agent"}
)
HEADERS_OF_A_BODY = frozenset(
    {"content-encoding", "content-language", "content-length", "content-type", "transfer-encoding"}
)
# Shown in the configuration, and not masked in responses: every page contains such values.
OPEN_HEADERS = (
    HARMLESS_HEADERS
    | HEADERS_OF_A_BODY
    | {"accept-charset", "host", "if-modified-since", "origin", "pragma", "range", "x-requested-with"}
    | {"x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"}
)

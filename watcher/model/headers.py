"""Request headers without secrets."""

from __future__ import annotations

HARMLESS_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "cache-control", "connection", "user-agent"}
)
HEADERS_OF_A_BODY = frozenset(
    {"content-encoding", "content-language", "content-length", "content-type", "transfer-encoding"}
)

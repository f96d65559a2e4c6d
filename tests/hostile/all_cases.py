"""All bad servers."""

from __future__ import annotations

from tests.hostile import cases_bodies, cases_h2, cases_http, cases_redirects, cases_tls, cases_wire

CASES = (
    *cases_wire.CASES,
    *cases_http.CASES,
    *cases_bodies.CASES,
    *cases_redirects.CASES,
    *cases_tls.CASES,
    *cases_h2.CASES,
)
BY_NAME = {case.name: case for case in CASES}

# Those that send a lot, or whose data expands to a lot.
HEAVY = (
    "gzip bomb",
    "deflate bomb",
    "deflate bomb without zlib",
    "bomb in a bomb",
    "gzip bomb in chunks",
    "redirect with a bomb",
    "redirect with an endless body",
    "gzip that says nothing for ever",
    "endless name in gzip",
    "endless body",
    "endless body in TLS",
    "huge chunk",
    "endless chunks",
    "endless chunks of a byte",
    "endless extension of a chunk",
    "endless trailers",
    "endless interim responses",
    "endless empty lines first",
    "endless header",
    "endless headers",
    "100,000 headers",
    "endless warnings",
    "hello of 16 MB",
    "noise for ever",
    "HTTP/2 and endless continuations",
    "HTTP/2 and endless pings",
    "HTTP/2 and endless settings",
    "HTTP/2 and endless window updates",
    "HTTP/2 and endless empty data",
    "HTTP/2 and endless unknown frames",
    "HTTP/2 and endless hints",
    "HTTP/2 and a bomb of headers",
    "HTTP/2 and a bomb of continuations",
    "HTTP/2 and a frame of 16 MB",
    "HTTP/2 and data beyond its window",
    "HTTP/2 and a gzip bomb",
    "HTTP/2 with a body larger than its window",
)

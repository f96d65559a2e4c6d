"""Reads request headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from watcher.config.mistakes import dotted, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.config.mistakes import Complain

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OF_THE_CONNECTION = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


def read_headers(
    headers: Mapping[str, str], path: tuple[str | int, ...], complain: Complain
) -> tuple[tuple[str, str], ...]:
    """Read the names and values of headers.

    Args:
        headers: as written.
        path: their path.
        complain: records a mistake.
    """
    first_names: dict[str, str] = {}
    for name, value in headers.items():
        here = (*path, name)
        first = first_names.setdefault(name.lower(), name)
        # A value may be a secret, so it is never quoted.
        if not TOKEN.fullmatch(name):
            complain(here, f"{shown(dotted([name]))} is not a header name; write one as in Accept", key=True)
        elif name.lower() in _OF_THE_CONNECTION:
            complain(here, "is set by the connection itself; remove it", key=True)
        elif first != name:
            complain(here, f"is the same header as {shown(first)}; remove one", key=True)
        elif value != value.strip() or _CONTROL.search(value):
            complain(here, "has a line break, a control character or space around it; write one line")
    return tuple(headers.items())

"""What is under watch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DEFAULT_INTERVAL_SECONDS = 10.0
DEFAULT_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """A URL under watch, with what is expected of it.

    Attributes:
        name: unique; the history of the target hangs on it.
        address: the URL as configured, secrets included: for connecting only.
        shown_address: the address without its secrets, for every line, table and page.
        interval_seconds: time between two slots.
        timeout_seconds: the deadline of one whole check, from DNS to the last byte, redirects included.
        regex: a compiled RE2 pattern (bytes) that the body must match, or None.
    """

    name: str
    address: str = field(repr=False)
    shown_address: str
    interval_seconds: float = DEFAULT_INTERVAL_SECONDS
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    regex: Any = None

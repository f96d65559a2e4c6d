"""Writes causes and durations for people, on a terminal and on a page. Pure."""

from __future__ import annotations

from watcher.model.outcome import Reason

# Each with the next smaller unit.
_UNITS = (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1))


def why(reason: str | None, detail: str | None) -> str:
    """Join a reason and its detail, as in `status: 503 Service Unavailable`; for `internal`, only the detail."""
    return ": ".join(part for part in (None if detail and reason == Reason.INTERNAL else reason, detail) if part)


def duration(seconds: float) -> str:
    """Write a duration in its two largest units, rounded down, as in `6d 23h`, `1m 12s` or `0.4s`."""
    if 0 < seconds < 1:
        return f"{max(int(seconds * 10), 1) / 10}s"
    left = int(seconds)
    for unit, length, smaller, size in _UNITS:
        if left >= length:
            whole, rest = divmod(left, length)
            return f"{whole}{unit} {rest // size}{smaller}" if rest >= size else f"{whole}{unit}"
    return f"{left}s"

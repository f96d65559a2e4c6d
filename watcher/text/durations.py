"""Parses durations as users write them in the config file, in `.env` and on the command line."""

from __future__ import annotations

import re

_PIECE = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)"
DURATION = re.compile(f"(?:{_PIECE})+")
# About as far back as a date can be written; a longer duration means everything.
LONGEST_SECONDS = 36_500 * 86_400.0
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(text: str) -> float | None:
    """Return the seconds of `500ms`, `60s`, `5m`, `24h` or `1m30s`; None if the text is not a duration."""
    if not DURATION.fullmatch(text):
        return None
    return round(sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_PIECE, text)), 9)

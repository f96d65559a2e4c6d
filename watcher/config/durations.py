"""Durations as users write them."""

from __future__ import annotations

import re

from pydantic_core import PydanticCustomError

from watcher.config.mistakes import shown

_PIECE = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)"
_DURATION = re.compile(f"(?:{_PIECE})+")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration_seconds(value: object) -> object:
    """Turn `500ms`, `60s`, `5m`, `24h` or `1m30s` into seconds, and a number into itself.

    Args:
        value: what stands in the file; None is left for others to judge.

    Returns:
        seconds; infinite and negative numbers pass.

    Raises:
        PydanticCustomError: it is neither.
    """
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return float("inf")
    if isinstance(value, str) and _DURATION.fullmatch(value):
        return round(sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_PIECE, value)), 9)
    text = f"{shown(value)} is no duration; write seconds, as in 10, or with a unit, as in 500ms, 60s, 5m or 24h"
    raise PydanticCustomError("complaint", "{text}", {"text": text})

"""Parses the durations of the config file and of `.env`."""

from __future__ import annotations

import re

from pydantic_core import PydanticCustomError

from watcher.config.mistakes import shown
from watcher.text.durations import seconds_of

_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")


def duration_seconds(value: object) -> object:
    """Turn `500ms`, `60s`, `5m`, `24h` or `1m30s` into seconds, and a number into itself.

    Args:
        value: the value in the file; None is returned as it is.

    Returns:
        seconds; infinite and negative numbers pass.

    Raises:
        PydanticCustomError: it is neither a duration nor a number.
    """
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return float("inf")
    seconds = seconds_of(value) if isinstance(value, str) else None
    if seconds is not None:
        return seconds
    text = f"{shown(value)} is not a duration; write seconds, as in 10, or with a unit, as in 500ms, 60s, 5m or 24h"
    raise PydanticCustomError("complaint", "{text}", {"text": text})


def seconds_in(text: str) -> float:
    """Turn a text such as `400d`, `12h` or `90` into seconds; a plain number is in seconds.

    Args:
        text: the value in `.env`.

    Raises:
        ValueError: it is not a duration; the message follows the value in an error line.
    """
    seconds = float(text) if _NUMBER.fullmatch(text) else seconds_of(text)
    if seconds is None:
        raise ValueError("is not a duration; write one with a unit, as in 90s, 30m, 12h or 400d")
    return seconds

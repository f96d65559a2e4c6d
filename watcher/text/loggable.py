"""Converts any value to JSON types for logging; never raises."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ITEMS = 100
MAX_DEPTH = 4
# The range of integers that every JSON reader accepts.
_MAX_WHOLE = 2**63

Loggable = None | bool | int | float | str | list["Loggable"] | dict[str, "Loggable"]


def loggable(value: object, own: Callable[[str], str], foreign: Callable[[str], str]) -> Loggable:
    """Convert any value to JSON types; never raises, whatever the value does when it is read.

    Args:
        value: any value.
        own: cleans text that was passed as text.
        foreign: cleans the text of exceptions and of other objects.

    Returns:
        a value for `json_line`: numbers that every JSON reader accepts stay numbers; collections are cut to
        `MAX_ITEMS` items; values nested deeper than `MAX_DEPTH` become text.
    """
    try:
        return _converted(value, own, foreign, MAX_DEPTH)
    except Exception:  # noqa: BLE001  # a foreign class may raise anything, and logging must not end the daemon
        return f"<{type(value).__name__} that cannot be shown>"


def safe_text(value: object) -> str:
    """Return `str(value)`, or the class name of an exception without a message; never raises."""
    try:
        if isinstance(value, str):
            return str.__str__(value)
        return str(value) or (type(value).__name__ if isinstance(value, BaseException) else "")
    except Exception:  # noqa: BLE001  # as above
        return f"<{type(value).__name__} that cannot be shown>"


def _converted(value: object, own: Callable[[str], str], foreign: Callable[[str], str], depth: int) -> Loggable:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, Enum):
        return _converted(value.value, own, foreign, depth)
    if isinstance(value, str):
        return own(_encodable(str.__str__(value)))
    if isinstance(value, int):
        whole = int(value)
        return whole if -_MAX_WHOLE <= whole < _MAX_WHOLE else own(hex(whole))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, datetime) and value.tzinfo is not None:
        return timestamp(value)
    if depth and isinstance(value, Mapping):
        items = islice(value.items(), MAX_ITEMS)
        return {own(_encodable(safe_text(key))): _inside(one, own, foreign, depth) for key, one in items}
    if depth and isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray | memoryview | range):
        return [_inside(one, own, foreign, depth) for one in islice(value, MAX_ITEMS)]
    return foreign(_encodable(safe_text(value)))


def _inside(value: object, own: Callable[[str], str], foreign: Callable[[str], str], depth: int) -> Loggable:
    try:
        return _converted(value, own, foreign, depth - 1)
    except Exception:  # noqa: BLE001  # as above
        return f"<{type(value).__name__} that cannot be shown>"


def _encodable(text: str) -> str:
    """Escape lone surrogates, which UTF-8 cannot encode."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")

"""Values of any kind, made into those that JSON has: for logs, where nothing may go wrong."""

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
# What every reader of JSON takes for a whole number.
_MAX_WHOLE = 2**63

Loggable = None | bool | int | float | str | list["Loggable"] | dict[str, "Loggable"]


def loggable(value: object, own: Callable[[str], str], foreign: Callable[[str], str]) -> Loggable:
    """Make a plain value of any other; raises nothing, whatever the value does when it is looked at.

    Args:
        value: anything.
        own: makes the texts fit that were given as such.
        foreign: makes the texts fit that stand in exceptions, and those of other objects.

    Returns:
        a value for `json_line`: numbers as numbers, if all readers of JSON have such; at most `MAX_ITEMS` of a
        collection; what is deeper than `MAX_DEPTH` as text.
    """
    try:
        return _fitted(value, own, foreign, MAX_DEPTH)
    except Exception:  # noqa: BLE001  # it may be of any class, and a line of the log must not end the daemon
        return f"<{type(value).__name__} that cannot be shown>"


def safe_text(value: object) -> str:
    """Return `str` of a value, of an exception without a text its class; raises nothing."""
    try:
        if isinstance(value, str):
            return str.__str__(value)
        return str(value) or (type(value).__name__ if isinstance(value, BaseException) else "")
    except Exception:  # noqa: BLE001  # as above
        return f"<{type(value).__name__} that cannot be shown>"


def _fitted(value: object, own: Callable[[str], str], foreign: Callable[[str], str], depth: int) -> Loggable:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, Enum):
        return _fitted(value.value, own, foreign, depth)
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
        return _fitted(value, own, foreign, depth - 1)
    except Exception:  # noqa: BLE001  # as above
        return f"<{type(value).__name__} that cannot be shown>"


def _encodable(text: str) -> str:
    """Escape lone surrogates, which are no characters."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")

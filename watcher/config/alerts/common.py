"""Shared by the readers of alerts: refuses empty values, and reads durations and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.config.mistakes import shown
from watcher.config.schema.limits import MAX_NAME_CHARS, MAX_SPAN_SECONDS
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from watcher.config.mistakes import Complain

DAY_SECONDS = 86400.0
EMPTY = "is empty; write a value, or remove the key"


def without_empty(
    values: Mapping[str, Any], path: tuple[str | int, ...], complain: Complain, may_be_empty: Collection[str] = ()
) -> dict[str, Any]:
    """Return a mapping without its empty values, and record each of these as a mistake.

    Args:
        values: the mapping as written.
        path: its path.
        complain: records a mistake.
        may_be_empty: the keys whose lists may be empty.
    """
    filled = {}
    for key, value in values.items():
        if value is None or (value in ("", [], {}) and key not in may_be_empty):
            complain((*path, key), EMPTY)
        else:
            filled[key] = value
    return filled


def seconds_of(
    values: Mapping[str, Any],
    path: tuple[str | int, ...],
    complain: Complain,
    *,
    default: float,
    least: float | None = None,
    most: float = MAX_SPAN_SECONDS,
) -> float:
    """Read a duration.

    Args:
        values: the mapping that contains the duration.
        path: of the duration; the last step is its key.
        complain: records a mistake.
        default: seconds, if the key is missing.
        least: the minimum in seconds; None for any value above zero.
        most: the maximum in seconds.
    """
    seconds = values.get(str(path[-1]))
    if seconds is None:
        if path[-1] in values:
            complain(path, EMPTY)
        return default
    number = float(seconds)
    if least is None and not number > 0:
        complain(path, f"{number:g} is not above zero; write a duration, as in 10s")
    elif least is not None and not number >= least:
        complain(path, f"{number:g} is not {least:g} or more; write a duration, as in 10s")
    elif number > most:
        complain(path, f"{_spoken(number)} is above {_spoken(most)}, the maximum; write a shorter one")
    else:
        return number
    return default


def _spoken(seconds: float) -> str:
    return f"{seconds / DAY_SECONDS:g} days" if seconds >= 2 * DAY_SECONDS else f"{seconds:g} s"


def is_name(text: str) -> bool:
    """Return whether a text is one printable line that is not too long for a name."""
    return bool(text.strip()) and len(text) <= MAX_NAME_CHARS and one_line(text) == text


def complaint_about_name(text: str) -> str:
    """Return the complaint about a text that is not a name."""
    return f"{shown(text)} is not a name; write one line of 1 to {MAX_NAME_CHARS} printable characters"

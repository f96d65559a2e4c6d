"""What all readers of alerts do: refuse what is empty, and read durations."""

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
    """Return a mapping without what has no value, which is a mistake: nobody should think that it holds.

    Args:
        values: the mapping as written.
        path: of it.
        complain: takes what is wrong.
        may_be_empty: the keys whose lists may have nothing in them.
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
        values: the mapping that it stands in.
        path: of the duration; the last step is its key.
        complain: takes what is wrong.
        default: seconds, where it is not written.
        least: the shortest that it may be, in seconds; None for all that is above zero.
        most: the longest.
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
        complain(path, f"{_spoken(number)} is above {_spoken(most)}, the longest that it may be; write a shorter one")
    else:
        return number
    return default


def _spoken(seconds: float) -> str:
    return f"{seconds / DAY_SECONDS:g} days" if seconds >= 2 * DAY_SECONDS else f"{seconds:g} s"


def is_name(text: str) -> bool:
    """Say whether a text is one line that can be shown, and not too long for a name."""
    return bool(text.strip()) and len(text) <= MAX_NAME_CHARS and one_line(text) == text


def complaint_about_name(text: str) -> str:
    """Say that a text is not a name, and what to write."""
    return f"{shown(text)} is not a name; write one line of 1 to {MAX_NAME_CHARS} printable characters"

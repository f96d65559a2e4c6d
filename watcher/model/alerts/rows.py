"""Checks values in rows of the outbox, which a damaged disk may have changed."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")


class UnreadableRowError(ValueError):
    """A row of the outbox is not what was written."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raise UnreadableRowError if a value of a row is missing or of another type.

    Args:
        what: the content of the row, for the message.

    Raises:
        UnreadableRowError: instead of the errors of single values.
    """
    try:
        yield
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableRowError(f"it is not {what}: {error!r}") from error


def a_text(value: object) -> str:
    """Return a value if it is a text.

    Raises:
        ValueError: it is not.
    """
    return _of_type(str, value)


def a_number(value: object) -> int:
    """Return a value if it is a whole number.

    Raises:
        ValueError: it is not.
    """
    return _of_type(int, value)


def a_flag(value: object) -> bool:
    """Return a value if it is true or false.

    Raises:
        ValueError: it is not.
    """
    return _of_type(bool, value)


def a_moment(value: object) -> datetime:
    """Return the moment of a text.

    Raises:
        ValueError: it is not a moment, lies before 1970, or has no time zone and cannot be compared with others.
        OverflowError: it is too early or too late for UTC.
    """
    moment = datetime.fromisoformat(a_text(value))
    if moment.tzinfo is None or moment.timestamp() < 0:
        raise ValueError(f"a moment without a time zone, or before 1970: {value!r}")
    return moment


def maybe(read_value: Callable[[object], _T], value: object) -> _T | None:
    """Read a value; return None for None."""
    return None if value is None else read_value(value)


def _of_type(kind: type[_T], value: object) -> _T:
    if type(value) is not kind:
        raise ValueError(f"{value!r} is not of type {kind.__name__}")
    return value

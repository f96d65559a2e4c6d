"""Cursors of lists: the place of the last entry instead of a number, so that new entries shift nothing; pure."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta

from watcher.model.outcome import EPOCH

MAX_CHARS = 6000  # a key has 1,001 characters at most, in up to four bytes each
_MICROSECOND = timedelta(microseconds=1)


def cursor_of(*place: str | datetime) -> str:
    """Encode a cursor, which clients only pass back.

    Args:
        place: the sort key of the last entry, and values that apply to the whole list.
    """
    values = [one if isinstance(one, str) else (one - EPOCH) // _MICROSECOND for one in place]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def place_of(cursor: str, *types: type[str] | type[datetime]) -> list[str | datetime]:
    """Decode a cursor.

    Args:
        cursor: of the same list.
        types: the types of its values.

    Raises:
        ValueError: it is not a cursor of this list.
    """
    try:
        values = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        return [_value(value, one) for value, one in zip(values, types, strict=True)]
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError):
        raise ValueError("is not a cursor of this list") from None


def _value(value: object, expected: type[str] | type[datetime]) -> str | datetime:
    if isinstance(value, str) and expected is str:
        return value
    if isinstance(value, int) and expected is datetime:
        return (EPOCH + value * _MICROSECOND).astimezone(UTC)
    raise ValueError

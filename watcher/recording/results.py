"""The newest results of a target, packed: many targets have them, and they are seldom read."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import NamedTuple

from watcher.model.outcome import Reason

MAX_RESULTS = 20

# Start in seconds since 1970, duration in seconds, status code, and the place of the reason among all.
_RESULT = struct.Struct("=dfhB")
_MAX_BYTES = MAX_RESULTS * _RESULT.size
_NO_STATUS = -1
_REASONS: tuple[Reason | None, ...] = (None, *Reason)
_PLACES = {reason: place for place, reason in enumerate(_REASONS)}


class Result(NamedTuple):
    """What little is kept of a check that is not the newest.

    Attributes:
        started_at: when it began, UTC.
        duration_seconds: how long it took.
        reason: why it failed, None for a success.
        status_code: of the last response, None without one.
    """

    started_at: datetime
    duration_seconds: float
    reason: Reason | None
    status_code: int | None


def with_result(
    packed: bytes, started_at: float, duration_seconds: float, reason: Reason | None, status_code: int | None
) -> bytes:
    """Add a result, and let the oldest go where there are MAX_RESULTS.

    Args:
        packed: the results so far, empty for none.
        started_at: in seconds since 1970.
        duration_seconds, reason, status_code: as those of a Result.
    """
    status = _NO_STATUS if status_code is None else status_code
    return (packed + _RESULT.pack(started_at, duration_seconds, status, _PLACES[reason]))[-_MAX_BYTES:]


def unpacked(packed: bytes) -> list[Result]:
    """Return the results, oldest first."""
    return [
        Result(
            datetime.fromtimestamp(started_at, UTC),
            duration_seconds,
            _REASONS[place],
            None if status == _NO_STATUS else status,
        )
        for started_at, duration_seconds, status, place in _RESULT.iter_unpack(packed)
    ]

"""Packs the newest results of a target: many targets have them, and they are seldom read."""

from __future__ import annotations

import struct
from typing import NamedTuple

from watcher.model.outcome import Reason

MAX_RESULTS = 20

# Start in seconds since 1970 and milliseconds, duration in seconds; the lowest ten bits of the last number are the
# status code, of three digits, and the others are the index of the reason.
_RESULT = struct.Struct("=IHfH")
_MAX_BYTES = MAX_RESULTS * _RESULT.size
_STATUS_BITS = 10
_NO_STATUS = 0
_REASONS: tuple[Reason | None, ...] = (None, *Reason)
_PLACES = {reason: place for place, reason in enumerate(_REASONS)}


class Result(NamedTuple):
    """The stored part of a check that is not the newest.

    Attributes:
        started_at_ms: its start, in whole milliseconds since 1970.
        duration_seconds: how long it took.
        reason: why it failed, None for a success.
        status_code: of the last response, None without one.
    """

    started_at_ms: int
    duration_seconds: float
    reason: Reason | None
    status_code: int | None


def with_result(
    packed: bytes, started_at: float, duration_seconds: float, reason: Reason | None, status_code: int | None
) -> bytes:
    """Append a result, and drop the oldest one past MAX_RESULTS.

    Args:
        packed: the results so far, empty for none.
        started_at: in seconds since 1970.
        duration_seconds, reason, status_code: as in `Result`.
    """
    seconds, milliseconds = divmod(round(started_at * 1_000_000) // 1000, 1000)
    what = _PLACES[reason] << _STATUS_BITS | (status_code or _NO_STATUS)
    return (packed + _RESULT.pack(seconds, milliseconds, duration_seconds, what))[-_MAX_BYTES:]


def unpacked(packed: bytes) -> list[Result]:
    """Return the results, oldest first."""
    return [
        Result(
            seconds * 1000 + milliseconds,
            duration_seconds,
            _REASONS[what >> _STATUS_BITS],
            what % (1 << _STATUS_BITS) or None,
        )
        for seconds, milliseconds, duration_seconds, what in _RESULT.iter_unpack(packed)
    ]

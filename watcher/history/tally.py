"""Adds up whole checks of many rollups in place, without their phases. Pure."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from watcher.history.histogram import BUCKETS
from watcher.history.rollup import FAULTS_OF_THE_MONITOR, Rollup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Results = Mapping[str, int]


def timed_of(results: Results) -> int:
    """Return how many of these checks have a duration."""
    return sum(count for word, count in results.items() if word not in FAULTS_OF_THE_MONITOR)


# The number of digits below 10,000 whose sum fits into 16 bits.
_MOST_ADDED = 6
_HEAD, _BUCKET = struct.Struct(">HH"), struct.Struct(">HH")


class Tally:
    """The sum of the whole checks of rollups so far."""

    __slots__ = ("_added", "_digits", "_high_ms", "_histogram", "_low_ms", "_results", "_sum_ms")

    def __init__(self) -> None:
        """Create an empty sum."""
        self._results: dict[str, int] = {}
        self._histogram: dict[int, int] = {}
        self._digits = 0  # sums of the column `packed` that are not in the histogram yet
        self._added = 0
        self._sum_ms = 0.0
        self._low_ms = math.inf
        self._high_ms = -math.inf

    def add(
        self,
        results: Results,
        times_ms: tuple[float | None, float | None, float | None],
        packed: bytes | None,
        keys: Sequence[int],
        counts: Sequence[int],
    ) -> None:
        """Add rollups.

        Args:
            results: the number of checks by result.
            times_ms: the sum, smallest and largest of their durations; None without durations.
            packed: the sum of their column `packed` as PostgreSQL sends it, None if no row has it: number of digits
                to the base of 10,000, the power of that base of the first one, sign and scale; then the digits, 16 bits
                each. There are two for each bucket, those of bucket 0 first.
            keys, counts: the buckets of the other rows' histograms, and their numbers of durations; buckets may repeat.
        """
        mine = self._results
        for word, count in results.items():
            mine[word] = mine.get(word, 0) + count
        if packed is not None:
            digits, power = _HEAD.unpack_from(packed)
            self._digits += int.from_bytes(packed[8:], "big") << 16 * (power - digits + 1)
            self._added += 1
            if self._added == _MOST_ADDED:
                self._unpack()
        histogram = self._histogram
        for key, count in zip(keys, counts, strict=True):
            histogram[key] = histogram.get(key, 0) + count
        sum_ms, low_ms, high_ms = times_ms
        if sum_ms is not None and low_ms is not None and high_ms is not None:
            self._sum_ms += sum_ms
            if low_ms < self._low_ms:  # `min` would take as long as all of this
                self._low_ms = low_ms
            if high_ms > self._high_ms:
                self._high_ms = high_ms

    def rollup(self) -> Rollup | None:
        """Return the sum, with only the first of SERIES; None if a duration is missing or belongs to a phase."""
        self._unpack()
        histogram = self._histogram
        if max(histogram, default=0) >= BUCKETS or sum(histogram.values()) != timed_of(self._results):
            return None
        if not histogram:
            return Rollup(self._results, (None,), (None,), (None,), histogram)
        return Rollup(self._results, (self._sum_ms,), (self._low_ms,), (self._high_ms,), histogram)

    def _unpack(self) -> None:
        """Add the digits to the histogram; an overflow in a bucket makes the total wrong, which `rollup` finds."""
        digits, self._digits, self._added = self._digits, 0, 0
        if not digits:
            return
        behind = ((digits & -digits).bit_length() - 1) // 32  # the number of last buckets without durations
        digits >>= 32 * behind
        some = -(-digits.bit_length() // 32)
        pairs = _BUCKET.iter_unpack(digits.to_bytes(4 * some, "big"))
        histogram = self._histogram
        for key, (high, low) in enumerate(pairs, BUCKETS - behind - some):
            if high or low:
                histogram[key] = histogram.get(key, 0) + 10_000 * high + low

"""Counts durations in buckets that grow by a constant ratio, so that percentiles of any number are nearly exact.

The buckets are those of DDSketch (Masson, Rim and Lee, VLDB 2019): a value taken from the middle of its bucket is
wrong by at most (GAMMA - 1) / (GAMMA + 1), that is 4.6 %, and histograms are merged by adding their counts.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GAMMA = 1.095
# Bucket 0 holds durations below a microsecond, bucket 1 starts at 1 us, and the last, without end, at 2.8 h.
BUCKETS = 256

# Whole microseconds, which are compared faster than floats.
_EDGES = [math.ceil(GAMMA**power) for power in range(BUCKETS - 1)]
# The harmonic mean of a bucket's ends: the same relative distance from both.
_MIDDLES = [0.0, *(2 * GAMMA**power / (1 + 1 / GAMMA) for power in range(BUCKETS - 1))]
# 0.07 * 100 is 7.000000000000001 in floats, which is still the seventh.
_RANK_SLACK = 1e-9


def bucket_of(microseconds: int) -> int:
    """Return the bucket of a duration, 0 to 255."""
    return bisect_right(_EDGES, microseconds)


def percentiles(counts: Mapping[int, int], quantiles: Iterable[float], low: float, high: float) -> list[float]:
    """Estimate percentiles by the nearest rank.

    Args:
        counts: the number of values in each bucket; at least one.
        quantiles: the shares, 0 to 1.
        low, high: the smallest and largest value, in microseconds.

    Returns:
        microseconds, one for each share, within 4.6 % of the exact value; a value beyond the last edge is only known
        to be below `high`.
    """
    buckets = sorted(counts)
    seen = list(accumulate(map(counts.__getitem__, buckets)))
    # As many as are seen are whole numbers, so that a rank need not be rounded up to one.
    values = [_MIDDLES[buckets[bisect_left(seen, quantile * seen[-1] - _RANK_SLACK)]] for quantile in quantiles]
    return [low if value < low else min(value, high) for value in values]

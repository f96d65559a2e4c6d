"""Durations in buckets that grow by a constant ratio, so that a percentile of any number of them is nearly exact.

These are the buckets of DDSketch (Masson, Rim and Lee, VLDB 2019): a value taken from the middle of its bucket is
wrong by at most (GAMMA - 1) / (GAMMA + 1), that is 4.6 %, and histograms are merged by adding their counts up.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GAMMA = 1.095
# Bucket 0 is what took less than a microsecond, bucket 1 begins at 1 us, and the last, without end, at 2.8 h.
BUCKETS = 256

# Whole microseconds, which are compared faster than floats.
_EDGES = [math.ceil(GAMMA**power) for power in range(BUCKETS - 1)]
# The harmonic mean of a bucket's ends: as far, relatively, from the one as from the other.
_MIDDLES = [0.0, *(2 * GAMMA**power / (1 + 1 / GAMMA) for power in range(BUCKETS - 1))]
# 0.07 * 100 is 7.000000000000001 in floats, which is still the seventh.
_RANK_SLACK = 1e-9


def bucket_of(microseconds: int) -> int:
    """Return the bucket of a duration, 0 to 255."""
    return bisect_right(_EDGES, microseconds)


def percentiles(counts: Mapping[int, int], quantiles: Iterable[float], low: float, high: float) -> list[float]:
    """Estimate the values below or at which shares of all values lie, by the nearest rank.

    Args:
        counts: how many values each bucket has; one at least.
        quantiles: the shares, 0 to 1.
        low, high: the least and the greatest of the values, in microseconds.

    Returns:
        microseconds, one for each share, within 4.6 % of the exact value; a value beyond the last edge is only known
        to be below `high`.
    """
    buckets = sorted(counts)
    seen = list(accumulate(map(counts.__getitem__, buckets)))
    # As many as are seen are whole numbers, so that a rank need not be rounded up to one.
    values = [_MIDDLES[buckets[bisect_left(seen, quantile * seen[-1] - _RANK_SLACK)]] for quantile in quantiles]
    return [low if value < low else min(value, high) for value in values]

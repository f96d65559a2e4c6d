"""Whole checks of many rollups added up in place, without their phases; pure."""

from __future__ import annotations

from contextlib import suppress
from itertools import compress
from typing import TYPE_CHECKING

from watcher.history.histogram import BUCKETS
from watcher.history.rollup import FAULTS_OF_THE_MONITOR, Rollup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Results = Mapping[str, int]


def timed_of(results: Results) -> int:
    """Return how many of these checks have a duration."""
    return sum(count for word, count in results.items() if word not in FAULTS_OF_THE_MONITOR)


class Tally:
    """What the whole checks of some rollups come to so far."""

    __slots__ = ("_counts", "_high_ms", "_low_ms", "_results", "_sum_ms")

    def __init__(self) -> None:
        """Begin with none."""
        self._results: dict[str, int] = {}
        self._counts = [0] * BUCKETS
        self._sum_ms: float | None = None
        self._low_ms: float | None = None
        self._high_ms: float | None = None

    def add(
        self,
        results: Results,
        times_ms: tuple[float | None, float | None, float | None],
        keys: Sequence[int],
        counts: Sequence[int],
    ) -> None:
        """Add rollups.

        Args:
            results: how many checks had which.
            times_ms: the sum, the least and the greatest of their durations; None where there are none.
            keys, counts: buckets of their histograms, and how many durations each has; a bucket may come again. Those
                from the first of a phase on are left out.
        """
        mine = self._results
        for word, count in results.items():
            mine[word] = mine.get(word, 0) + count
        sums = self._counts
        with suppress(IndexError):  # what follows is missing then, see `is_whole`
            for key, count in zip(keys, counts, strict=True):
                sums[key] += count
        sum_ms, low_ms, high_ms = times_ms
        if sum_ms is not None and low_ms is not None and high_ms is not None:
            self._sum_ms = sum_ms if self._sum_ms is None else self._sum_ms + sum_ms
            self._low_ms = low_ms if self._low_ms is None else min(self._low_ms, low_ms)
            self._high_ms = high_ms if self._high_ms is None else max(self._high_ms, high_ms)

    @property
    def is_whole(self) -> bool:
        """Whether its histogram has each duration of a whole check, and no other."""
        return sum(self._counts) == timed_of(self._results)

    def rollup(self) -> Rollup:
        """Return what was added, of the first of SERIES alone."""
        counts = self._counts
        histogram = dict(zip(compress(range(BUCKETS), counts), filter(None, counts), strict=True))
        times = ((self._sum_ms,), (self._low_ms,), (self._high_ms,))
        return Rollup(self._results, *times, histogram)

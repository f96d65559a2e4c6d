"""Counts values between fixed edges, as Prometheus histograms do."""

from __future__ import annotations

from bisect import bisect_left

# In seconds: from imperceptible to the longest checks.
EDGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Histogram:
    """A histogram of the values since the start.

    Attributes:
        sum: of all values.
    """

    def __init__(self) -> None:
        """Create an empty histogram."""
        self._counts = [0] * (len(EDGES) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count a value."""
        self._counts[bisect_left(EDGES, seconds)] += 1
        self.sum += seconds

    def cumulative(self) -> list[int]:
        """Return the number of values at or below each edge, then the number of all values."""
        total, counts = 0, []
        for count in self._counts:
            total += count
            counts.append(total)
        return counts

"""Counts of values between fixed edges, as Prometheus adds them up."""

from __future__ import annotations

from bisect import bisect_left

# In seconds: from what nobody notices to the longest that checks take.
EDGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Histogram:
    """Values counted since the start.

    Attributes:
        sum: of all values.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._counts = [0] * (len(EDGES) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count a value."""
        self._counts[bisect_left(EDGES, seconds)] += 1
        self.sum += seconds

    def cumulative(self) -> list[int]:
        """Return how many values are at or below each edge, and at the end how many there are."""
        total, counts = 0, []
        for count in self._counts:
            total += count
            counts.append(total)
        return counts

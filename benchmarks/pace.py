"""A steady rate, for the programs that have no schedule of their own."""

from __future__ import annotations

# What is behind by more is given up: a burst to make up for it would measure something else.
MAX_BEHIND_SECONDS = 1.0


class Pace:
    """Says when the next check is due."""

    def __init__(self, rate: float, now: float) -> None:
        """Start now.

        Args:
            rate: checks a second.
            now: seconds on a monotonic clock, as for `seconds_to_next`.
        """
        self._gap_seconds = 1 / rate
        self._due = now

    def seconds_to_next(self, now: float) -> float:
        """Return how long to sleep before the next check, 0 when it is overdue, and go one check further."""
        wait_seconds = self._due - now
        if wait_seconds < -MAX_BEHIND_SECONDS:
            self._due, wait_seconds = now, 0.0
        self._due += self._gap_seconds
        return max(wait_seconds, 0.0)

"""Keeps a steady rate, for the programs without a schedule of their own."""

from __future__ import annotations

# Checks overdue by more are skipped: a burst to catch up would measure something else.
MAX_BEHIND_SECONDS = 1.0


class Pace:
    """Computes when the next check is due."""

    def __init__(self, rate: float, now: float) -> None:
        """Start now.

        Args:
            rate: checks a second.
            now: seconds on a monotonic clock, as for `seconds_to_next`.
        """
        self._gap_seconds = 1 / rate
        self._due = now

    def seconds_to_next(self, now: float) -> float:
        """Return the seconds to the next check, 0 if it is overdue, and advance by one check."""
        wait_seconds = self._due - now
        if wait_seconds < -MAX_BEHIND_SECONDS:
            self._due, wait_seconds = now, 0.0
        self._due += self._gap_seconds
        return max(wait_seconds, 0.0)

"""Decides when to look for open incidents that a channel was never notified of. Pure."""

from __future__ import annotations

import math

# Between two looks.
OPEN_SECONDS = 5.0
# For how long after a new agreement such looks are due.
MOVING_SECONDS = 30.0


class UntoldLooks:
    """Decides when a look for such incidents is due.

    Looks are due while replicas have different files: one whose file has no channels may have found an incident. They
    are also due for a while after each new agreement: the replica that found an incident may have died before it told
    the others.
    """

    def __init__(self) -> None:
        """Start without an agreement."""
        self._epoch = -1
        self._next_at = self._until = -math.inf

    def is_due(self, epoch: int, now: float, *, is_mixed: bool) -> bool:
        """Return whether a look is due now; the next one is due `OPEN_SECONDS` later.

        Args:
            epoch: the number of the agreement.
            now: seconds of any clock.
            is_mixed: whether replicas have different files.
        """
        if epoch != self._epoch:
            self._epoch, self._until = epoch, now + MOVING_SECONDS
        if now < self._next_at or not (is_mixed or now < self._until):
            return False
        self._next_at = now + OPEN_SECONDS
        return True

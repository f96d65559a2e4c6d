"""Says when to look for open incidents that a channel was never told of; pure."""

from __future__ import annotations

import math

# Between two looks.
OPEN_SECONDS = 5.0
# For how long after a new agreement such looks are due.
MOVING_SECONDS = 30.0


class UntoldLooks:
    """Says when a look for untold incidents is due.

    Looks are due while replicas have different files, since one whose file has no channels may have found an incident.
    They are also due for a while after each new agreement, since the replica that found an incident may have died
    before it told the others.
    """

    def __init__(self) -> None:
        """Begin with nothing agreed on."""
        self._epoch = -1
        self._next_at = self._until = -math.inf

    def is_due(self, epoch: int, now: float, *, is_mixed: bool) -> bool:
        """Say whether a look is due now; the next one is due `OPEN_SECONDS` later.

        Args:
            epoch: of the agreement.
            now: seconds of any clock.
            is_mixed: whether replicas work by different files.
        """
        if epoch != self._epoch:
            self._epoch, self._until = epoch, now + MOVING_SECONDS
        if now < self._next_at or not (is_mixed or now < self._until):
            return False
        self._next_at = now + OPEN_SECONDS
        return True

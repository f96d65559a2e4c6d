"""When to look for what is open and a channel was never told of; pure."""

from __future__ import annotations

import math

OPEN_SECONDS = 5.0
MOVING_SECONDS = 30.0


class UntoldLooks:
    """Says when such a look is due.

    It is so while replicas work by different files, as one that has no channels may have found what is open; and for a
    while after something else is agreed on, as whoever has found it may be gone without a word.
    """

    def __init__(self) -> None:
        """Begin with nothing agreed on."""
        self._epoch = -1
        self._next_at = self._until = -math.inf

    def is_due(self, epoch: int, now: float, *, is_mixed: bool) -> bool:
        """Say whether it is to be looked now, and take that for done.

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

"""The lease of a replica by its own clock: how long the last answer of the database is valid."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Lease:
    """How long the last answer of the database is valid, and how long a replica may go on without an answer.

    All times are seconds of a clock that is never set and counts a suspend (CLOCK_BOOTTIME), and are those at which a
    beat was *sent*: the server counts from later, so the lease ends here first. So a process that was paused between a
    beat and its answer also knows that the answer is old.

    Attributes:
        ttl_seconds: how long a lease lasts.
        held_until: the end of the lease.
        excused_until: until when the replica may go on after a failed beat.
    """

    ttl_seconds: float
    held_until: float = -math.inf
    excused_until: float = -math.inf

    def begin(self, sent_at: float) -> Lease:
        """Return the lease after a beat that the database answered.

        Args:
            sent_at: when the beat was sent.
        """
        return replace(self, held_until=max(self.held_until, sent_at + self.ttl_seconds), excused_until=-math.inf)

    def failed(self, sent_at: float) -> Lease:
        """Return the lease after a beat without an answer: one more TTL, since a double check is better than none.

        Args:
            sent_at: when the beat was sent, not when it was given up: that may be after a freeze.
        """
        return replace(self, excused_until=max(self.excused_until, sent_at + self.ttl_seconds))

    def is_held(self, now: float) -> bool:
        """Return whether no other replica can have taken over; sending and other work for one replica depend on it.

        Args:
            now: seconds of the same clock.
        """
        return now < self.held_until

    def has_lapsed(self, now: float) -> bool:
        """Return whether the database must be queried before the next check: its last answer or failure is too old.

        Args:
            now: seconds of the same clock.
        """
        return now >= self.held_until and now >= self.excused_until

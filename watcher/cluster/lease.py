"""The lease of a replica, by its own clock: until when it may believe what it was told."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Lease:
    """How long the last answer of the database counts, and how long the lack of one is an excuse to go on.

    All times are seconds of a clock that nobody sets and that goes on in a suspend (CLOCK_BOOTTIME), and are those at
    which a beat was *sent*: the server counts from later, so the lease ends here first. By that, a process that was
    stopped between a beat and its answer knows as well that what it holds is old.

    Attributes:
        ttl_seconds: how long a lease lasts.
        held_until: the end of the lease.
        excused_until: until when a beat that failed lets go on without one.
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
        """Return the lease after a beat that was not answered: for one more TTL, better a double check than none.

        Args:
            sent_at: when the beat was sent; not when it was given up, which may be after a freeze.
        """
        return replace(self, excused_until=max(self.excused_until, sent_at + self.ttl_seconds))

    def is_held(self, now: float) -> bool:
        """Whether no other replica can have taken over: what must be done by one only, such as sending, asks this.

        Args:
            now: seconds of the same clock.
        """
        return now < self.held_until

    def has_lapsed(self, now: float) -> bool:
        """Whether the database must be asked before the next check: it has neither answered lately nor failed to.

        Args:
            now: seconds of the same clock.
        """
        return now >= self.held_until and now >= self.excused_until

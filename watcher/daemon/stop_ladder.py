"""The rungs of a stop, from the signal to the end of the process, with the longest time of each."""

from __future__ import annotations

from dataclasses import dataclass

from watcher.checking.monitor import HAND_OVER_SECONDS
from watcher.embedded_postgres.server import STOP_FAST_SECONDS, STOP_IMMEDIATE_SECONDS
from watcher.postgres.bridge import CLOSE_SECONDS


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a stop.

    Attributes:
        name: of the step.
        seconds: the longest that it may take.
        sentence: what is done in that time, and what happens to the rest.
    """

    name: str
    seconds: float
    sentence: str


HAND_OVER = Rung("hand over", HAND_OVER_SECONDS, "Finished checks hand on their results, all at once.")
DRAIN = Rung("drain", 1.2, "Results are written to disk, then to the database, now or after the next start.")
OUTBOX_CLOSE = Rung("outbox close", 0.3, "The outbox is closed; it stays intact even if the disk hangs.")
POOL_CLOSE = Rung("pool close", CLOSE_SECONDS, "Connections to the database are closed, or cut.")
HEARTBEAT = Rung("heartbeat", 0.1, "Its file is removed; if it stays, its age shows that the daemon is gone.")
SERVER_FAST = Rung("server fast", STOP_FAST_SECONDS, "The embedded server ends its sessions and writes all to disk.")
SERVER_IMMEDIATE = Rung("server immediate", STOP_IMMEDIATE_SECONDS, "It ends at once; its next start recovers.")
SUCCESSES_FLUSH = Rung("monitor.log flush", 0.3, "Waiting lines are written to monitor.log, or lost.")
STDERR_FLUSH = Rung("stderr flush", 0.2, "Waiting lines are written to stderr, or lost.")

# In order; each starts when the one before is over.
STOP_LADDER = (
    HAND_OVER,
    DRAIN,
    OUTBOX_CLOSE,
    POOL_CLOSE,
    HEARTBEAT,
    SERVER_FAST,
    SERVER_IMMEDIATE,
    SUCCESSES_FLUSH,
    STDERR_FLUSH,
)
WORST_SECONDS = sum(rung.seconds for rung in STOP_LADDER)

"""The one task that takes outcomes from the checks and hands them to where they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.recording.lines import success_line

if TYPE_CHECKING:
    from collections.abc import Callable

    import trio

    from watcher.model.outcome import Outcome


@dataclass
class Tally:
    """What the daemon has done since it started."""

    successes: int = 0
    failures: int = 0
    skipped_slots: int = 0


def log_success(outcome: Outcome, put_line: Callable[[str], None]) -> None:
    """Write a success as a line of monitor.log.

    Args:
        outcome: of a check that succeeded.
        put_line: takes the line, without blocking.
    """
    put_line(success_line(outcome))


async def record(
    outcomes: trio.MemoryReceiveChannel[Outcome],
    put_line: Callable[[str], None],
    put_failure: Callable[[Outcome], None],
    tally: Tally,
) -> None:
    """Record outcomes until the channel is closed and empty.

    Nothing here waits for a disk or a database: both takers have a bounded buffer and a task of their own.

    Args:
        outcomes: from the checks.
        put_line: takes a line of monitor.log.
        put_failure: takes a failure for PostgreSQL.
        tally: counted up.
    """
    async for outcome in outcomes:
        tally.skipped_slots += outcome.skipped_slots
        if outcome.ok:
            tally.successes += 1
            log_success(outcome, put_line)
        else:
            tally.failures += 1
            put_failure(outcome)

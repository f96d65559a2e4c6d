"""Runs the one task that passes check results to the log, the board and the outbox."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from watcher.recording.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from watcher.model.conclusion import Conclusion
    from watcher.model.outcome import Outcome, Reason
    from watcher.recording.board import Board
    from watcher.recording.lines import Lines

# Conclusions are gathered for so long and recorded together: waking a task, and then a thread that writes, costs
# more than writing a line. The channel must hold the conclusions that come meanwhile.
GATHER_SECONDS = 0.05
# The least lateness that counts as late; less is normal in a busy second.
LATE_SECONDS = 1.0


@dataclass
class Tally:
    """Counts since the daemon started; a check is late when it starts a second after its slot.

    Attributes:
        lateness, duration: of all checks.
        successes_of, failures_of: number of successes, and of failures by reason, of each watched target.
    """

    successes: int = 0
    failures: int = 0
    skipped_slots: int = 0
    late_checks: int = 0
    max_lateness_seconds: float = 0.0
    lateness: Histogram = field(default_factory=Histogram)
    duration: Histogram = field(default_factory=Histogram)
    successes_of: dict[str, int] = field(default_factory=dict)
    failures_of: dict[str, dict[Reason, int]] = field(default_factory=dict)

    def count(self, outcome: Outcome) -> None:
        """Count a check."""
        self.successes += outcome.ok
        self.failures += not outcome.ok
        self.skipped_slots += outcome.skipped_slots
        self.late_checks += outcome.lateness_seconds > LATE_SECONDS
        self.max_lateness_seconds = max(self.max_lateness_seconds, outcome.lateness_seconds)
        self.lateness.add(outcome.lateness_seconds)
        self.duration.add(outcome.duration_seconds)
        if outcome.fault is None:
            self.successes_of[outcome.target] = self.successes_of.get(outcome.target, 0) + 1
        else:
            failures = self.failures_of.setdefault(outcome.target, {})
            failures[outcome.fault.reason] = failures.get(outcome.fault.reason, 0) + 1

    def forget(self, targets: Iterable[str]) -> None:
        """Forget the counts of targets that are no longer watched, by name."""
        for name in targets:
            self.successes_of.pop(name, None)
            self.failures_of.pop(name, None)

    def as_fields(self) -> dict[str, int | float]:
        """Return the counts of all targets together, as fields of a log line."""
        return {
            "successes": self.successes,
            "failures": self.failures,
            "skipped_slots": self.skipped_slots,
            "late_checks": self.late_checks,
            "max_lateness_seconds": round(self.max_lateness_seconds, 3),
        }


def log_success(outcome: Outcome, put_line: Callable[[str], None], lines: Lines) -> None:
    """Write a success to monitor.log.

    Args:
        outcome: of a successful check.
        put_line: accepts the line, without blocking.
        lines: formats it.
    """
    put_line(lines.success(outcome))


async def record(
    conclusions: trio.MemoryReceiveChannel[Conclusion],
    put_line: Callable[[str], None],
    keep: Callable[[Conclusion], None],
    board: Board,
    tally: Tally,
    lines: Lines,
) -> None:
    """Record check results until the channel is closed and empty.

    No call here waits for a disk or a database: `put_line` and `keep` have bounded buffers and tasks of their own.

    Args:
        conclusions: from the checks.
        put_line: accepts a line of monitor.log.
        keep: accepts every conclusion, for the outbox.
        board: stores the newest check of each target.
        tally: counts the checks.
        lines: formats the lines of successes.
    """
    gathered_at = -math.inf
    async for conclusion in conclusions:
        try:
            await trio.sleep_until(gathered_at)
        finally:
            _record(conclusion, put_line, keep, board, tally, lines)
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while True:
                _record(conclusions.receive_nowait(), put_line, keep, board, tally, lines)
        gathered_at = trio.current_time() + GATHER_SECONDS


def _record(
    conclusion: Conclusion,
    put_line: Callable[[str], None],
    keep: Callable[[Conclusion], None],
    board: Board,
    tally: Tally,
    lines: Lines,
) -> None:
    tally.count(conclusion.outcome)
    if conclusion.outcome.ok:
        log_success(conclusion.outcome, put_line, lines)
    board.put(conclusion)
    keep(conclusion)

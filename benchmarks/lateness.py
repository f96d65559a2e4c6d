"""Measures the lateness of checks: the times in watcher's log of successes against the slots of its schedule."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from watcher.checking.scheduling.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The log cuts its times to whole milliseconds, and wall time is slewed under the clock that the schedule runs on: so a
# check may seem to start before its slot, by at most this much.
EARLY_SECONDS = 0.005

_LINE = re.compile(r'(\S+) success target="([^"]*)" ')


@dataclass(frozen=True, slots=True)
class Lateness:
    """The lateness of the checks of a window.

    Attributes:
        checks: their number.
        slots: the number of checks that were due.
        seconds: the lateness of each, in rising order.
        twice: how many were of a slot that another check had as well.
    """

    checks: int
    slots: int
    seconds: tuple[float, ...]
    twice: int = 0

    @property
    def missed(self) -> int:
        """The number of slots without a check."""
        return max(self.slots - self.checks + self.twice, 0)

    def quantile(self, part: float) -> float:
        """Return the lateness in seconds that this part of the checks did not exceed (the nearest rank)."""
        rank = max(math.ceil(part * len(self.seconds)), 1)
        return self.seconds[rank - 1] if self.seconds else math.nan


def lateness_of(
    lines: Iterable[str], names: Iterable[str], interval_seconds: float, begin: float, end: float
) -> Lateness:
    """Find the checks of a window in the lines of monitor.log.

    Args:
        lines: of the log, to some time after the window.
        names: of all targets.
        interval_seconds: of every target.
        begin: of the window, in seconds since 1970; the slot counts, not the start of the check.
        end: of the window.
    """
    late, found = [], set()
    for started, name in map(_parse, lines):
        number, seconds = _slot_before(started, name, interval_seconds)
        if begin <= started - seconds < end:
            late.append(seconds)
            found.add((name, number))
    slots = sum(slots_between(name, interval_seconds, begin, end) for name in names)
    return Lateness(len(late), slots, tuple(sorted(late)), len(late) - len(found))


def slots_between(name: str, interval_seconds: float, begin: float, end: float) -> int:
    """Count the slots of a target from `begin` up to `end`, both in seconds since 1970."""
    offset = Schedule.of(name, interval_seconds).offset_seconds
    first, after_last = (math.ceil((moment - offset) / interval_seconds) for moment in (begin, end))
    return after_last - first


def seconds_after_slot(started: float, name: str, interval_seconds: float) -> float:
    """Return the time from the slot of a target to a check of it, both in seconds since 1970."""
    return _slot_before(started, name, interval_seconds)[1]


def rows(found: Lateness) -> Sequence[tuple[str, str]]:
    """Return the cells of the table."""
    quantiles = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "most": 1.0}
    late = [(name, f"{found.quantile(part) * 1000:.0f} ms") for name, part in quantiles.items()]
    return [*late, ("slots without a success", f"{found.missed:,} of {found.slots:,}")]


def _slot_before(started: float, name: str, interval_seconds: float) -> tuple[float, float]:
    """Return the number of the slot of a check, and the time since then."""
    offset_seconds = Schedule.of(name, interval_seconds).offset_seconds
    number, seconds = divmod(started - offset_seconds + EARLY_SECONDS, interval_seconds)
    return number, seconds - EARLY_SECONDS


def _parse(line: str) -> tuple[float, str]:
    found = _LINE.match(line)
    if found is None:
        raise ValueError(f"not a line of monitor.log: {line[:200]!r}")
    return datetime.fromisoformat(found[1]).timestamp(), found[2]

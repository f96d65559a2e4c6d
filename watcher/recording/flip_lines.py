"""Logs state changes to stderr: one line for each target, or a count if there are too many to read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from watcher.model.conclusion import Conclusion
    from watcher.recording.lines import Lines

log = structlog.get_logger()

# With more targets than this, the results of the first checks are logged as one line.
MAX_FIRST_LINES = 50
# How long after the last of them has started that line is logged, even if some are not done.
FIRST_CHECKS_SECONDS = 60.0
# The bound of the lines for later changes, such as when a network fails with everything behind it: the rest of a
# second is one more line. `LineWriter` bounds the lines that wait for a reader.
MAX_LINES_A_SECOND = 50

_ALWAYS_COUNTED = (State.UP, State.DEGRADED, State.DOWN)


class FlipLines:
    """Logs the first checks, and each change of state that a check has confirmed.

    Changes that a start, a pause or a gap implies are not logged: they are not news about a site.
    """

    def __init__(
        self,
        targets: Iterable[str],
        put_line: Callable[[str, str], None],
        lines: Lines,
        spread_seconds: float = 0.0,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        """Start before the first check.

        Args:
            targets: the names of the targets to check.
            put_line: accepts a log level and a line, without blocking.
            lines: formats the lines.
            spread_seconds: the time over which the first checks start.
            clock: returns seconds.
        """
        self._put_line = put_line
        self._lines = lines
        self._clock = clock
        # The state of each target after its first check, until they are logged, and the targets without a check.
        self._unchecked = set(targets)
        self._first: dict[str, State] | None = {} if len(self._unchecked) > MAX_FIRST_LINES else None
        self._first_until = clock() + spread_seconds + FIRST_CHECKS_SECONDS
        self._second_until = 0.0
        self._lines_in_second = 0
        self._unlogged: Counter[State] = Counter()

    def take(self, conclusions: Iterable[Conclusion]) -> None:
        """Log conclusions that are safe on disk; must be called about once a second even without any."""
        now = self._clock()
        if now >= self._second_until:
            self._log_count()
            self._second_until, self._lines_in_second = now + 1.0, 0
        for conclusion in conclusions:
            if self._first is not None:
                self._first[conclusion.outcome.target] = conclusion.standing.state
                self._unchecked.discard(conclusion.outcome.target)
            elif conclusion.flips and conclusion.flips[-1].check_id is not None:
                self._log_change(conclusion)
        if self._first is not None and (not self._unchecked or now >= self._first_until):
            self._log_first(self._first)

    def retarget(self, targets: Iterable[str]) -> None:
        """Replace the names of the targets to check; removed targets are no longer waited for."""
        if self._first is not None:
            names = set(targets)
            self._first = {name: state for name, state in self._first.items() if name in names}
            self._unchecked = names - self._first.keys()

    def finish(self) -> None:
        """Log what has not been logged yet."""
        if self._first:
            self._log_first(self._first)
        self._log_count()

    def _log_change(self, conclusion: Conclusion) -> None:
        state = conclusion.flips[-1].state
        if self._lines_in_second >= MAX_LINES_A_SECOND:
            self._unlogged[state] += 1
            return
        self._lines_in_second += 1
        self._put_line(_level_of([state]), self._lines.change(conclusion.outcome, state))

    def _log_first(self, states: Mapping[str, State]) -> None:
        event = "first checks not all done" if self._unchecked else "first checks done"
        log.info(event, **_counts(Counter(states.values())), unchecked=len(self._unchecked) or None)
        self._first = None
        self._unchecked.clear()

    def _log_count(self) -> None:
        if self._unlogged:
            write = log.warning if _level_of(self._unlogged) == "warning" else log.info
            write("more state changes", **_counts(self._unlogged))
            self._unlogged.clear()


def _level_of(states: Iterable[State]) -> str:
    return "info" if all(state is State.UP for state in states) else "warning"


def _counts(states: Mapping[State, int]) -> dict[str, int]:
    """Return the counts of the usual states, even if 0, then of other states that occur."""
    others = [state for state in State if state not in _ALWAYS_COUNTED and states.get(state)]
    return {str(state): states.get(state, 0) for state in (*_ALWAYS_COUNTED, *others)}

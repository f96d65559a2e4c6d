"""Says on stderr which targets have changed their state, and how many where they are too many to be read."""

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

# Of more targets than this, what the first checks come to is one line.
MAX_FIRST_LINES = 50
# When that line comes at the latest, be they all checked or not.
FIRST_CHECKS_SECONDS = 60.0
# The bound of the lines for changes after that, where a network goes down with all that is behind it: the rest of a
# second is one line more. `LineWriter` bounds what waits for a reader.
MAX_LINES_A_SECOND = 50

_ALWAYS_COUNTED = (State.UP, State.DEGRADED, State.DOWN)
_LEVELS = {State.UP: "info"}


class FlipLines:
    """Tells of each change of state that a check has confirmed, and of the first checks.

    What a start, a pause or a gap makes of the past is no news of a site, and is not told.
    """

    def __init__(
        self,
        targets: int,
        put_line: Callable[[str, str], None],
        lines: Lines,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        """Begin before the first check.

        Args:
            targets: how many are to be checked.
            put_line: takes a level of the log and a line, without blocking.
            lines: writes the lines.
            clock: seconds.
        """
        self._targets = targets
        self._put_line = put_line
        self._lines = lines
        self._clock = clock
        # Where each target stands after its first checks, until they are told; bounded by the time that they have.
        self._first: dict[str, State] | None = {} if targets > MAX_FIRST_LINES else None
        self._first_until = clock() + FIRST_CHECKS_SECONDS
        self._second_until = 0.0
        self._lines_in_second = 0
        self._untold: Counter[State] = Counter()

    def take(self, conclusions: Iterable[Conclusion]) -> None:
        """Take conclusions that are safe on disk; to be called without any, too, about once a second."""
        now = self._clock()
        if now >= self._second_until:
            self._tell_untold()
            self._second_until, self._lines_in_second = now + 1.0, 0
        for conclusion in conclusions:
            if self._first is not None:
                self._first[conclusion.outcome.target] = conclusion.standing.state
            elif conclusion.flips and conclusion.flips[-1].check_id is not None:
                self._tell(conclusion)
        if self._first is not None and (len(self._first) >= self._targets or now >= self._first_until):
            self._tell_first(self._first)

    def finish(self) -> None:
        """Tell what has not been told yet."""
        if self._first:
            self._tell_first(self._first)
        self._tell_untold()

    def _tell(self, conclusion: Conclusion) -> None:
        state = conclusion.flips[-1].state
        if self._lines_in_second >= MAX_LINES_A_SECOND:
            self._untold[state] += 1
            return
        self._lines_in_second += 1
        self._put_line(_LEVELS.get(state, "warning"), self._lines.change(conclusion.outcome, state))

    def _tell_first(self, states: Mapping[str, State]) -> None:
        unchecked = max(self._targets - len(states), 0)
        event = "first checks not all done" if unchecked else "first checks done"
        log.info(event, **_counts(Counter(states.values())), unchecked=unchecked or None)
        self._first = None

    def _tell_untold(self) -> None:
        if self._untold:
            log.warning("more changes of state", **_counts(self._untold))
            self._untold.clear()


def _counts(states: Mapping[State, int]) -> dict[str, int]:
    """Name the usual states in any case, and then the others where there are any."""
    others = [state for state in State if state not in _ALWAYS_COUNTED and states.get(state)]
    return {str(state): states.get(state, 0) for state in (*_ALWAYS_COUNTED, *others)}

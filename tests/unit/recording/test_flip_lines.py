"""State changes on stderr: one line each, and numbers where they are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.doubles import MOMENT, a_failure, an_outcome
from watcher.model.conclusion import Conclusion
from watcher.model.state import Flip, Standing, State
from watcher.recording.flip_lines import FIRST_CHECKS_SECONDS, MAX_FIRST_LINES, MAX_LINES_A_SECOND, FlipLines
from watcher.recording.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

MANY = MAX_FIRST_LINES + 1
NAMES = [*map(str, range(MANY - 1)), "last"]


class Teller:
    """Changes on a clock that stands still, and the lines about them."""

    def __init__(self, *targets: str) -> None:
        self.now = 1000.0
        self.lines: list[tuple[str, str]] = []
        self.flip_lines = FlipLines(targets, self._put, Lines(), clock=lambda: self.now)

    def _put(self, level: str, line: str) -> None:
        _, word, target, *_ = line.split(" ")
        self.lines.append((level, f"{word} {target}"))


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs([_without_none]) as logs:
        yield logs


def _without_none(_logger: object, _level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value for name, value in event.items() if value is not None}


def checked(state: State, target: str = "a", *, is_flip: bool = True, by_check: bool = True) -> Conclusion:
    """Return the conclusion of a check that leaves a target in this state."""
    outcome = a_failure(target) if state is State.DOWN else an_outcome(target)
    flip = Flip(target, "default", MOMENT, MOMENT, state, State.PENDING, None, outcome.check_id if by_check else None)
    return Conclusion(outcome, Standing(state, MOMENT, state), is_news=True, flips=(flip,) if is_flip else ())


def test_each_change_that_a_check_confirms_is_a_line_as_grave_as_it_is(logs: list[Any]) -> None:
    teller = Teller(*map(str, range(MAX_FIRST_LINES)))
    teller.flip_lines.take([checked(state, state) for state in (State.UP, State.DOWN, State.DEGRADED, State.UNKNOWN)])
    teller.flip_lines.take([checked(State.UNKNOWN, by_check=False), checked(State.UP, is_flip=False)])
    teller.flip_lines.finish()
    assert teller.lines == [
        ("info", 'up target="up"'),
        ("warning", 'down target="down"'),
        ("warning", 'degraded target="degraded"'),
        ("warning", 'unknown target="unknown"'),
    ]
    assert logs == []


def test_of_many_targets_the_first_checks_are_one_line(logs: list[Any]) -> None:
    teller = Teller(*NAMES)
    teller.flip_lines.take(checked(State.UP, f"{number}") for number in range(MANY - 1))
    teller.flip_lines.take([checked(State.DOWN, "0"), checked(State.PENDING, "0")])
    assert (teller.lines, logs) == ([], [])
    teller.flip_lines.take([checked(State.DOWN, "last")])
    told = {"log_level": "info", "event": "first checks done", "up": MANY - 2, "degraded": 0, "down": 1, "pending": 1}
    assert logs == [told]
    assert list(logs[0])[:4] == ["up", "degraded", "down", "pending"]
    teller.flip_lines.take([checked(State.DOWN, "0")])
    assert teller.lines == [("warning", 'down target="0"')]


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_slow_first_checks_are_reported_all_the_same(logs: list[Any], is_cut_off: bool) -> None:
    teller = Teller(*NAMES)
    teller.flip_lines.take([checked(State.UP, "0"), checked(State.UP, "1")])
    teller.now += FIRST_CHECKS_SECONDS - 1
    teller.flip_lines.take(())
    assert logs == []
    if is_cut_off:
        teller.flip_lines.finish()
    else:
        teller.now += 1
        teller.flip_lines.take(())
    [line] = logs
    assert (line["event"], line["up"], line["unchecked"]) == ("first checks not all done", 2, MANY - 2)


def test_a_target_removed_before_its_first_check_is_no_longer_waited_for(logs: list[Any]) -> None:
    teller = Teller(*NAMES)
    teller.flip_lines.take(checked(State.UP, name) for name in NAMES[:-2])
    teller.flip_lines.retarget([*NAMES[1:-2], "new"])
    teller.flip_lines.take(())
    assert logs == []
    teller.flip_lines.take([checked(State.UP, "new")])
    assert [(line["event"], line["up"]) for line in logs] == [("first checks done", MANY - 2)]


def test_a_burst_of_changes_is_some_lines_a_second_and_then_numbers(logs: list[Any]) -> None:
    teller = Teller("a")
    teller.flip_lines.take(checked(State.DOWN, f"{number}") for number in range(MAX_LINES_A_SECOND + 7))
    teller.flip_lines.take([checked(State.UP)])
    assert len(teller.lines) == MAX_LINES_A_SECOND
    assert logs == []
    teller.now += 1
    teller.flip_lines.take([checked(State.UP)])
    assert logs == [{"log_level": "warning", "event": "more state changes", "up": 1, "degraded": 0, "down": 7}]
    assert len(teller.lines) == MAX_LINES_A_SECOND + 1
    teller.flip_lines.take(checked(State.DOWN, f"{number}") for number in range(MAX_LINES_A_SECOND))
    teller.flip_lines.finish()
    teller.flip_lines.finish()
    assert [line["down"] for line in logs] == [7, 1], "what is left at the end is told, once"

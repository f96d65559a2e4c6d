"""The latest result of each target: its content, and its cost."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.doubles import MOMENT, a_failure, an_outcome
from watcher.model.conclusion import Conclusion
from watcher.model.outcome import Fault, Outcome, Phases, Reason
from watcher.model.state import NEVER_CHECKED, Flip, Standing, State
from watcher.recording.board import MAX_DETAIL_BYTES, Board, Latest
from watcher.recording.results import MAX_RESULTS, Result

UP, DOWN = (Standing(state, MOMENT, state) for state in (State.UP, State.DOWN))
TARGETS, SOME_TARGETS = 3_000, 100
MAX_BYTES_A_TARGET = 500
MAX_BYTES_OF_RESULTS = 400


def a_board(**standings: Standing) -> Board:
    board = Board()
    board.place(standings)
    return board


def test_a_result_stays_on_the_board_until_the_next() -> None:
    board = a_board(a=NEVER_CHECKED, b=UP)
    assert (list(board), len(board)) == ([Latest("a", NEVER_CHECKED), Latest("b", UP)], 2)
    assert [latest.ok for latest in board] == [None, None]
    phases = Phases(resolve=0.25, processing=0.5)
    success = an_outcome("a")._replace(phases=phases, duration_seconds=0.75, status_code=204, cert_expires_at=MOMENT)
    success = success._replace(redirects=2, http_version="1.1", ip="::1")
    board.put(Conclusion(success, UP))
    expected = Latest("a", UP, success.started_at, 0.75, None, "", 204, MOMENT, phases, 2, 1.1, 6)
    assert (board.of("a"), expected.ok) == (expected, True)
    failure = a_failure("a")._replace(fault=Fault(Reason.REGEX, "is not there"), duration_seconds=2.5, phases=Phases())
    board.put(Conclusion(failure, DOWN))
    latest = board.of("a")
    assert latest == Latest("a", DOWN, failure.started_at, 2.5, Reason.REGEX, "is not there", failure.status_code)
    assert latest.ok is False
    board.put(Conclusion(success._replace(degraded="slow"), UP))
    assert [(latest.ok, latest.detail) for latest in board] == [(True, "slow"), (None, "")]


def test_a_target_is_back_when_it_was_away_and_is_known_to_be_up() -> None:
    board, outcome = a_board(a=DOWN, b=UP, c=Standing(State.UNKNOWN, MOMENT, State.DOWN), d=DOWN), an_outcome("a")
    later = MOMENT + timedelta(minutes=1)
    flip = Flip("a", "default", MOMENT, later, State.UP, State.DOWN)
    board.put(Conclusion(outcome, Standing(State.UNKNOWN, MOMENT, State.DOWN)))
    board.put(Conclusion(outcome, UP, flips=(flip,)))
    board.put(Conclusion(an_outcome("b"), replace(UP, state=State.MAINTENANCE)))
    board.put(Conclusion(an_outcome("c"), UP))
    assert [board.returns.of(name) for name in "abcd"] == [later, None, MOMENT, None]
    board.drop("a")
    assert board.returns.of("a") is None


def test_the_newest_results_are_kept_and_the_oldest_go() -> None:
    board = a_board(a=NEVER_CHECKED, b=UP)
    assert board.results_of("a") == board.results_of("nobody") == []
    expected = []
    for number in range(MAX_RESULTS + 3):
        fault = None if number % 2 else Fault(list(Reason)[number % len(Reason)], "why")
        status = None if number % 3 else 200 + number
        at = MOMENT + timedelta(milliseconds=number)
        board.put(Conclusion(an_outcome("a", at=at, fault=fault, duration_seconds=number / 4, status_code=status), UP))
        expected.append(Result(round(at.timestamp() * 1000), number / 4, fault.reason if fault else None, status))
    board.place({"a": DOWN})
    assert board.results_of("a") == expected[3:]
    assert (board.results_of("b"), board.checks) == ([], MAX_RESULTS + 3)


def test_a_pause_changes_the_standing_and_leaves_the_outcome() -> None:
    board = a_board(a=NEVER_CHECKED)
    board.put(Conclusion(an_outcome("a"), UP))
    before, paused = board.of("a"), UP.held(State.PAUSED, MOMENT)
    board.place({"a": paused})
    assert before is not None
    assert board.of("a") == replace(before, standing=paused)


def test_an_unwatched_target_is_forgotten_though_a_last_check_comes_late() -> None:
    board = a_board(a=UP, b=UP)
    reading = iter(board)
    board.drop(["a", "never there"])
    board.put(Conclusion(an_outcome("a"), UP))
    assert [latest.target for latest in board] == ["b"]
    assert [latest.target for latest in reading] == ["a", "b"], "whoever reads may wait meanwhile"
    assert board.of("a") is None


@pytest.mark.parametrize("letter", ["x", "ä", "€", "😀"])
def test_a_long_detail_is_cut_between_two_letters(letter: str) -> None:
    board = a_board(a=UP)
    for fits in (MAX_DETAIL_BYTES // len(letter.encode()), 0):
        detail = letter * (fits or 500)
        board.put(Conclusion(a_failure("a")._replace(fault=Fault(Reason.REGEX, detail)), DOWN))
        latest = board.of("a")
        assert latest is not None
        assert len(latest.detail.encode()) <= MAX_DETAIL_BYTES
        assert latest.detail == detail or latest.detail == letter * (len(latest.detail) - 1) + "…"
        assert len(latest.detail.encode()) > MAX_DETAIL_BYTES - 2 * len("…".encode()) - 1


def fresh(number: int, name: str) -> Outcome:
    """Return an outcome that shares only the name with its target, and has everything that takes memory."""
    moment = MOMENT + timedelta(seconds=number)
    return Outcome(
        target=name,
        address=f"http://{number}/",
        location="default",
        scheduled_at=moment,
        started_at=moment + timedelta(milliseconds=1),
        duration_seconds=number / 7,
        fault=Fault(Reason.STATUS, f"{number}" + "😀" * 50),
        status_code=500 + number % 100,
        ip=f"10.0.{number // 100}.{number % 100}",
        cert_expires_at=moment + timedelta(days=90),
        phases=Phases(*((number + phase) / 11 for phase in range(5))),
        excerpt=f"{number}" * 100,
        headers=(("Server", f"{number}" * 10),),
    )


@pytest.mark.slow
def test_a_target_takes_less_than_half_a_kilobyte_and_less_than_that_for_its_results() -> None:
    names = [f"target {number}" for number in range(TARGETS)]
    standings = {
        name: Standing(State.DOWN, MOMENT, State.DOWN) for name in names
    }  # each is the one of the target's loop
    gc.collect()
    tracemalloc.start()
    try:
        board = Board()
        board.place(standings)
        taken_bytes = []
        for checked in (names, names[:SOME_TARGETS] * (MAX_RESULTS + 1)):
            for number, name in enumerate(checked):
                board.put(Conclusion(fresh(number, name), standings[name], is_news=True))
            gc.collect()
            taken_bytes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(board) == TARGETS
    assert taken_bytes[0] / TARGETS < MAX_BYTES_A_TARGET
    assert (taken_bytes[1] - taken_bytes[0]) / SOME_TARGETS < MAX_BYTES_OF_RESULTS

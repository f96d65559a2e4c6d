"""The effect of an outcome on its target."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import MOMENT, a_failure, a_target, an_outcome
from watcher.model.conclusion import GAP_INTERVALS, GAP_SECONDS, Conclusion, conclude, flips_of_change
from watcher.model.outcome import Fault, Outcome, Reason
from watcher.model.state import CLOCK_WAS_AHEAD, NEVER_CHECKED, Flip, Standing, State, Thresholds
from watcher.outbox.encoding import decode_standing, encode_standing

TARGET = a_target(interval_seconds=10)
INTERVAL = timedelta(seconds=10)
LONGEST_WAIT = GAP_INTERVALS * INTERVAL + timedelta(seconds=GAP_SECONDS)
UP = Standing(State.UP, MOMENT - INTERVAL, State.UP)


def concluded(*outcomes: Outcome, first: Standing = NEVER_CHECKED) -> list[Conclusion]:
    """Return the conclusions of many checks."""
    standing, last_at, found = first, None, []
    for outcome in outcomes:
        found.append(conclude(TARGET, outcome, standing, last_at))
        standing, last_at = found[-1].standing, outcome.started_at
    return found


def failures(*steps: float) -> list[Outcome]:
    return [a_failure(at=MOMENT + step * INTERVAL) for step in steps]


def test_a_check_that_agrees_changes_nothing() -> None:
    outcome = an_outcome()
    conclusion = conclude(TARGET, outcome, UP, MOMENT - INTERVAL)
    assert conclusion == Conclusion(outcome, UP)
    assert conclusion.standing is UP


def test_the_first_good_check_is_a_flip() -> None:
    [conclusion] = concluded(an_outcome())
    assert conclusion.is_news
    assert conclusion.flips == (
        Flip("Checkout", "default", MOMENT, MOMENT, State.UP, State.PENDING, None, conclusion.outcome.check_id, 1),
    )


def test_a_flip_knows_when_a_check_last_found_the_target_up() -> None:
    *_, good = concluded(an_outcome(at=MOMENT - 2 * INTERVAL), an_outcome(at=MOMENT - INTERVAL))
    assert good.standing.is_confirmed
    standing, last_at, flips = good.standing, MOMENT - INTERVAL, list[Flip]()
    for outcome in failures(0, 1, 2):
        conclusion = conclude(TARGET, outcome, standing, last_at)
        standing = decode_standing(encode_standing(conclusion.standing))  # a restart
        last_at = outcome.started_at
        flips += conclusion.flips
    assert [flip.last_up_at for flip in flips] == [MOMENT - INTERVAL]
    one = a_target(interval_seconds=10, thresholds=Thresholds(1, 1))
    [flip] = conclude(one, a_failure(), UP, MOMENT - INTERVAL).flips
    assert flip.last_up_at == MOMENT - INTERVAL
    [flip] = conclude(one, a_failure(), NEVER_CHECKED, None).flips
    assert flip.last_up_at is None


def test_a_flip_starts_with_the_first_failure_and_is_confirmed_by_the_last() -> None:
    outcomes = failures(0, 1, 2)
    first, second, third = concluded(*outcomes, first=UP)
    assert (first.flips, second.flips) == ((), ())
    assert first.is_news
    assert second.is_news, "what a restart needs to go on from"
    last = outcomes[-1]
    assert third.flips == (
        Flip("Checkout", "default", MOMENT, last.started_at, State.DOWN, State.UP, last.fault, last.check_id, 1),
    )


@pytest.mark.parametrize(("wait", "is_gap"), [(LONGEST_WAIT, False), (LONGEST_WAIT + timedelta(milliseconds=1), True)])
def test_a_check_that_comes_far_too_late_leaves_a_gap(wait: timedelta, is_gap: bool) -> None:
    conclusion = conclude(TARGET, an_outcome(at=MOMENT + wait), UP, MOMENT)
    assert conclusion.is_news == is_gap
    assert [(flip.before, flip.state, flip.at) for flip in conclusion.flips] == (
        # The result of the last check holds until the next is due.
        [(State.UP, State.UNKNOWN, MOMENT + INTERVAL), (State.UNKNOWN, State.UP, MOMENT + wait)] if is_gap else []
    )


def test_a_target_that_failed_before_a_gap_and_after_it_is_down_only_after_it() -> None:
    *_, last = concluded(*failures(0, 1, 50), first=UP)
    assert [(flip.state, flip.at) for flip in last.flips] == [
        (State.UNKNOWN, MOMENT + 2 * INTERVAL),
        (State.DOWN, MOMENT + 50 * INTERVAL),
    ]
    assert {flip.confirmed_at for flip in last.flips} == {last.outcome.started_at}


def test_the_first_check_of_a_run_has_no_gap_before_it() -> None:
    [conclusion] = concluded(an_outcome(at=MOMENT + timedelta(days=1)), first=UP)
    assert not conclusion.is_news


def test_a_clock_that_was_set_back_makes_no_gap() -> None:
    conclusion = conclude(TARGET, an_outcome(at=MOMENT - timedelta(days=1)), UP, MOMENT)
    assert not conclusion.is_news


def test_faults_of_the_monitor_become_unknown() -> None:
    fault = Fault(Reason.LOCAL, "no route to host")
    found = concluded(*(a_failure(at=MOMENT + step * INTERVAL, fault=fault) for step in range(4)), first=UP)
    assert [[flip.state for flip in conclusion.flips] for conclusion in found] == [[], [], [State.UNKNOWN], []]
    assert found[2].flips[0].cause == fault


def test_no_flip_is_confirmed_before_it_began() -> None:
    after = Standing(State.UNKNOWN, MOMENT + INTERVAL, State.UP)
    [flip] = flips_of_change("Checkout", "default", UP, after, MOMENT)
    assert flip.confirmed_at == flip.at == MOMENT + INTERVAL
    assert flips_of_change("Checkout", "default", UP, UP, MOMENT) == []


@given(st.lists(st.tuples(st.sampled_from("udl"), st.sampled_from([-50.0, 1.0, 1.0, 1.0, 2.5, 40.0])), max_size=40))
def test_flips_follow_one_another_without_a_break(steps: list[tuple[str, float]]) -> None:
    moment, outcomes = MOMENT, []
    local = Fault(Reason.LOCAL, "no memory")
    for kind, wait in steps:
        moment += wait * INTERVAL
        changes: dict[str, Any] = {"fault": local} if kind == "l" else {}
        outcomes.append(an_outcome(at=moment) if kind == "u" else a_failure(at=moment, **changes))
    found = concluded(*outcomes)
    flips = [flip for conclusion in found for flip in conclusion.flips]
    assert [flip.before for flip in flips] == [State.PENDING, *(flip.state for flip in flips)][: len(flips)]
    times: list[datetime] = [flip.at for flip in flips]
    assert all(before < after or after + CLOCK_WAS_AHEAD <= before for before, after in pairwise(times))
    assert len({flip.flip_id for flip in flips}) == len(flips)
    assert all(flip.confirmed_at >= flip.at for flip in flips)
    if found:
        last = found[-1].standing
        assert last.state is (flips[-1].state if flips else State.PENDING)
        assert last.since == (flips[-1].at if flips else None)
    # Whatever a restart must know is new, or was new before.
    for before, after in zip([NEVER_CHECKED, *(one.standing for one in found)], found, strict=False):
        assert after.is_news or (after.standing is before and not after.flips)


def test_a_check_ends_a_pause() -> None:
    """Its note may have met a full disk: the check repeats the end of the pause."""
    paused = UP.held(State.PAUSED, MOMENT)
    first, second = concluded(*(an_outcome(at=MOMENT + step * INTERVAL) for step in (1, 2)), first=paused)
    assert [(flip.before, flip.state, flip.at - MOMENT) for flip in first.flips] == [
        (State.PAUSED, State.UNKNOWN, INTERVAL),
        (State.UNKNOWN, State.UP, INTERVAL + timedelta(microseconds=1)),
    ]
    assert first.is_news
    assert second.flips == ()

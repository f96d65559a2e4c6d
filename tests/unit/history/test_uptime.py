"""Uptime is time: timelines from flips, compared with a model that looks at every second."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import MOMENT
from tests.unit.history.histories import MINUTE, a_flip, flips_of, timeline_of
from watcher.history.uptime import Timeline, Uptime
from watcher.model.state import Flip, State

SECOND = timedelta(seconds=1)
SECONDS = st.integers(-60, 120)
FLIPS = st.lists(
    st.builds(lambda at, state, n: a_flip(at / 60, state, confirmed=n), SECONDS, st.sampled_from(State), SECONDS)
)


def state_at(moment: datetime, flips: list[Flip], alive_at: datetime | None) -> State:
    """Return the target's state at a moment, by the rules alone."""
    if alive_at is None or moment >= alive_at:
        return State.UNKNOWN
    before = [flip for flip in flips if flip.at <= moment]
    return max(before, key=lambda flip: (flip.at, flip.confirmed_at)).state if before else State.PENDING


@given(FLIPS, st.integers(0, 60), st.none() | SECONDS)
def test_every_second_is_in_the_state_that_the_flips_say(flips: list[Flip], length: int, alive: int | None) -> None:
    moments = [MOMENT + number * SECOND for number in range(length)]
    alive_at = None if alive is None else MOMENT + alive * SECOND
    # Of two at one moment that were also confirmed at one moment, neither is later.
    flips = list({(flip.at, flip.confirmed_at): flip for flip in flips}.values())
    timeline = Timeline.of(flips, since=MOMENT, until=MOMENT + length * SECOND, alive_at=alive_at)
    seen = [interval.state for interval in timeline.intervals for _ in range((interval.end - interval.begin) // SECOND)]
    assert seen == [state_at(moment, flips, alive_at) for moment in moments]
    counted = Counter(seen)
    uptime = Uptime.of(timeline)
    assert uptime.seconds == {state: counted[state] for state in State}
    good, known = counted[State.UP] + counted[State.DEGRADED], uptime.known_seconds
    assert known == good + counted[State.DOWN]
    assert uptime.ratio == (good / known if known else None)


@given(FLIPS, st.integers(0, 60), st.none() | SECONDS)
def test_a_timeline_has_neither_gaps_nor_seams(flips: list[Flip], length: int, alive: int | None) -> None:
    until = MOMENT + length * SECOND
    alive_at = None if alive is None else MOMENT + alive * SECOND
    intervals = Timeline.of(flips, since=MOMENT, until=until, alive_at=alive_at).intervals
    assert bool(intervals) == bool(length)
    if intervals:
        assert (intervals[0].begin, intervals[-1].end) == (MOMENT, until)
    assert all(one.begin < one.end and one.began_at <= one.begin for one in intervals)
    assert all(one.end == other.begin and one.state is not other.state for one, other in pairwise(intervals))


def test_an_outage_cut_by_the_window_keeps_its_start_and_reason() -> None:
    [interval, *_] = timeline_of("UDDDDU", skip=3).intervals
    assert (interval.state, interval.began_at) == (State.DOWN, MOMENT + MINUTE)
    assert interval.begin == MOMENT + 3 * MINUTE
    assert interval.cause is not None
    assert interval.cause.detail == "minute 1"


def test_unknown_maintenance_and_paused_are_neither_up_nor_down() -> None:
    uptime = Uptime.of(timeline_of("..UUUg??mmmpD"))
    assert uptime.ratio == 4 / 5
    assert uptime.known_seconds == 5 * 60
    assert uptime.seconds[State.PENDING] == 2 * 60
    assert uptime.seconds[State.MAINTENANCE] == 3 * 60


def test_without_known_states_there_is_no_uptime() -> None:
    uptime = Uptime.of(Timeline.of(flips_of("U"), since=MOMENT, until=MOMENT + MINUTE))
    assert (uptime.ratio, uptime.percent(), uptime.known_seconds) == (None, None, 0)
    assert uptime.seconds[State.UNKNOWN] == 60


@pytest.mark.parametrize(
    ("down", "percent", "text"),
    [
        (timedelta(), 100.0, "100.000"),
        (timedelta(microseconds=1), 99.999, "99.999"),
        (timedelta(seconds=126), 99.999, "99.999"),  # 99.9996 %
        (timedelta(days=365) * 0.43, 57.0, "57.000"),  # as floats, 0.57 * 100 is less than 57
        (timedelta(days=365) - timedelta(microseconds=1), 0.0, "0.000"),
        (timedelta(days=365), 0.0, "0.000"),
    ],
)
def test_a_percentage_is_rounded_down(down: timedelta, percent: float, text: str) -> None:
    year = timedelta(days=365)
    uptime = Uptime({**dict.fromkeys(State, timedelta()), State.UP: year - down, State.DOWN: down})
    assert uptime.percent() == percent
    assert f"{uptime.percent():.3f}" == text


@given(st.integers(0, 10**14), st.integers(0, 10**14), st.integers(0, 6))
def test_a_percentage_is_never_rounded_up(good: int, down: int, digits: int) -> None:
    lengths = {State.UP: timedelta(microseconds=good), State.DOWN: timedelta(microseconds=down)}
    percent = Uptime({**dict.fromkeys(State, timedelta()), **lengths}).percent(digits)
    if percent is None:
        assert good == down == 0
        return
    steps = round(percent * 10**digits)
    assert steps * (good + down) <= good * 100 * 10**digits < (steps + 1) * (good + down)
    assert (percent == 100) == (down == 0)

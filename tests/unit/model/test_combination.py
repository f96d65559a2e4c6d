"""The views of several places of one target, and their combined state."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import MOMENT
from watcher.model.conclusion import flips_of_change
from watcher.model.outcome import Fault, Reason
from watcher.model.places import COMBINED, Combined, PlaceView, combine, decided
from watcher.model.state import NEVER_CHECKED, Flip, Standing, State

PLACES = ("fra", "nyc", "sgp")
LETTERS = {
    "u": State.UP,
    "g": State.DEGRADED,
    "d": State.DOWN,
    "?": State.UNKNOWN,
    "m": State.MAINTENANCE,
    "p": State.PAUSED,
    ".": State.PENDING,
}
DETAILS = {State.DOWN: "503", State.DEGRADED: "slow", State.MAINTENANCE: "in maintenance: tidying"}
DOWN_AT_FRA = "down at fra of 3 places: 503; "


def at(minute: float) -> datetime:
    return MOMENT + timedelta(minutes=minute)


def views(text: str) -> list[PlaceView]:
    """Return the views of a text such as `d3 u1 !d2`: a place's state and since which minute; `!` has no replica."""
    found = []
    for place, word in zip(PLACES, text.split(), strict=False):
        state, minute = LETTERS[word.lstrip("!")[0]], word.lstrip("!")[1:]
        reason = Reason.STATUS if state is State.DOWN else None
        since = at(int(minute)) if minute else None
        found.append(PlaceView(place, state, since, reason, DETAILS.get(state), not word.startswith("!")))
    return found


@pytest.mark.parametrize(
    ("text", "quorum", "state", "minute", "detail"),
    [
        ("u1 u3 u2", 2, State.UP, 3, None),
        ("d3 u1 u2", 2, State.DEGRADED, 3, "down at fra only, up at nyc and sgp: 503"),
        ("d3 d5 u2", 2, State.DOWN, 5, "down at fra and nyc of 3 places: 503"),
        ("d3 d5 d9", 2, State.DOWN, 5, "down at fra, nyc and sgp: 503"),
        ("d3 d5 u2", 3, State.DEGRADED, 5, "down at fra and nyc only, up at sgp: 503"),
        ("g3 u1 u2", 1, State.DEGRADED, 3, "degraded at fra only, up at nyc and sgp: slow"),
        ("g3 g1 g2", 1, State.DEGRADED, 3, "degraded at fra, nyc and sgp: slow"),
        ("g3 d4 u2", 2, State.DEGRADED, 4, "down at nyc only, degraded at fra, up at sgp: 503"),
        # Places that cannot tell do not count, and the others decide.
        ("u1 u3 !d2", 2, State.UP, None, "sgp has no replica"),
        ("d3 u4 !u2", 2, State.DEGRADED, 4, "down at fra only, up at nyc: 503; sgp has no replica"),
        ("d3 !u1 !d2", 2, State.DOWN, 3, DOWN_AT_FRA + "only fra can tell, nyc and sgp have no replica"),
        ("d3 ?4 !u2", 2, State.DOWN, None, DOWN_AT_FRA + "only fra can tell, sgp has no replica, nyc cannot tell"),
        ("d3 ?4 ?5", 2, State.DOWN, 3, DOWN_AT_FRA + "only fra can tell, nyc and sgp cannot tell"),
        ("!u1 ?4 !u2", 2, State.UNKNOWN, None, "no place can tell: fra and sgp have no replica, nyc cannot tell"),
        ("?1 ?4 ?2", 2, State.UNKNOWN, 4, "no place can tell: fra, nyc and sgp cannot tell"),
        # Bad news waits for places at their first checks, unless it is certain already.
        (". . .", 2, State.PENDING, None, None),
        ("? . !.", 2, State.PENDING, None, None),
        ("!u1 . .", 2, State.UNKNOWN, None, "no place can tell: fra has no replica, nyc and sgp have not told yet"),
        ("d3 . .", 2, State.PENDING, 3, DOWN_AT_FRA + "only fra can tell, nyc and sgp have not told yet"),
        ("u3 . .", 2, State.UP, 3, "only fra can tell, nyc and sgp have not told yet"),
        ("d3 u4 .", 2, State.DEGRADED, 4, "down at fra only, up at nyc: 503; sgp has not told yet"),
        ("d3 d4 .", 2, State.DOWN, 4, "down at fra and nyc of 3 places: 503; sgp has not told yet"),
        ("d3 . !u1", 1, State.DOWN, 3, DOWN_AT_FRA + "sgp has no replica, nyc has not told yet"),
        # The operator's orders.
        ("d3 m7 m5", 2, State.MAINTENANCE, 5, "in maintenance: tidying"),
        ("d3 u1 !m5", 1, State.DOWN, None, DOWN_AT_FRA + "sgp has no replica"),
        ("p3 p7 ?5", 2, State.PAUSED, 7, "paused"),
        ("p3 d7 u5", 2, State.DEGRADED, 7, "down at nyc only, up at sgp: 503; fra is paused"),
    ],
)  # fmt: skip
def test_the_combined_state_of_places(
    text: str, quorum: int, state: State, minute: float | None, detail: str | None
) -> None:
    reason = Reason.STATUS if detail and "503" in detail else Reason.INTERNAL
    cause = None if detail is None else Fault(reason, detail)
    assert combine(views(text), quorum) == Combined(state, None if minute is None else at(minute), cause)


def test_of_many_places_a_few_are_named() -> None:
    many = [PlaceView(f"place {number}", State.DOWN, at(number), "newer", "odd") for number in range(7)]
    text = "newer: down at place 0, place 1, place 2, place 3, place 4 and 2 more: odd"
    assert combine(many, 4) == Combined(State.DOWN, at(3), Fault(Reason.INTERNAL, text))


def brute_force(newest: list[PlaceView], quorum: int) -> State:
    """Find the same by trying all views that the missing places may still have."""
    living = [view for view in newest if view.is_alive]
    said = [view.state for view in living]
    if State.MAINTENANCE in said:
        return State.MAINTENANCE
    words = [state for state in said if state in {State.UP, State.DEGRADED, State.DOWN}]
    if not words:
        if State.PAUSED in said:
            return State.PAUSED
        return State.UNKNOWN if any(one.since and one.state is not State.PENDING for one in newest) else State.PENDING
    verdicts = set()
    for rest in product([State.UP, State.DOWN], repeat=said.count(State.PENDING)):
        every = [*words, *rest]
        verdicts.add(every.count(State.DOWN) >= quorum or set(every) == {State.DOWN})
    if verdicts == {True}:
        return State.DOWN
    if set(words) == {State.DOWN} and True in verdicts:
        return State.PENDING
    return State.UP if set(words) == {State.UP} else State.DEGRADED


MESSAGES = st.lists(
    st.tuples(st.sampled_from(PLACES), st.integers(0, 9), st.sampled_from("ugd?mp."), st.booleans()),
    unique_by=lambda message: message[:2],
    max_size=30,
)


@given(MESSAGES, st.integers(1, 3), st.data())
def test_only_the_newest_view_of_each_place_counts(
    sent: list[tuple[str, int, str, bool]], quorum: int, data: st.DataObject
) -> None:
    """Messages come late, twice and in any order; the last view of each place decides, and the flips are one chain."""
    arriving = data.draw(st.permutations([*sent, *data.draw(st.lists(st.sampled_from(sent)) if sent else st.just([]))]))
    newest = {place: (-1, PlaceView(place, State.UNKNOWN)) for place in PLACES}
    standing, flips = NEVER_CHECKED, list[Flip]()
    for step, (place, number, letter, is_alive) in enumerate(arriving):
        since = None if letter == "." else at(number)
        view = PlaceView(place, LETTERS[letter], since, detail=letter, is_alive=is_alive)
        newest[place] = max(newest[place], (number, view), key=lambda one: one[0])
        now = at(10 + step)
        after = decided(standing, combine([view for _, view in newest.values()], quorum), now)
        flips += flips_of_change("a", COMBINED, standing, after, now)
        standing = after

    last = {place: max((one for one in sent if one[0] == place), default=None) for place in PLACES}
    said = [next(view for _, view in [newest[place]]) for place in PLACES]
    assert [view.detail for view in said] == [None if one is None else one[2] for one in last.values()]
    found = combine(said, quorum)
    assert found.state is brute_force(said, quorum)
    assert found.state in {State.PENDING, standing.state}
    assert found.state is not State.PENDING or not found.cause or standing.state is not State.UP
    assert found.cause is not None or found.state in {State.PENDING, State.UP}
    assert [flip.number for flip in flips] == list(range(1, len(flips) + 1))
    assert all(one.state is next_one.before and one.at < next_one.at for one, next_one in pairwise(flips))
    assert all(flip.before is not flip.state and flip.at <= flip.confirmed_at for flip in flips)


@pytest.mark.parametrize(
    ("combined", "now", "minute"),
    [
        (Combined(State.DOWN, at(7)), 8, 7),
        (Combined(State.DOWN), 8, 8),  # a view did not cause it
        (Combined(State.DOWN, at(5)), 8, 8),  # a view that is not newer did not end it
        (Combined(State.DOWN, at(60)), 8, 8),  # that place's clock is ahead
        (Combined(State.UP, at(7)), 8, 5),
        (Combined(State.PENDING), 8, 5),
    ],
)
def test_when_a_decision_starts(combined: Combined, now: float, minute: float) -> None:
    standing = Standing(State.UP, at(5), State.UP, flips=4)
    after = decided(standing, combined, at(now))
    assert after.since == at(minute)
    assert (after is standing) is (combined.state is not State.DOWN)


@pytest.mark.parametrize("state", State)
def test_undecided_bad_news_degrades_a_target_that_was_up(state: State) -> None:
    standing = Standing(state, at(1), state)
    early = combine(views("d3 . ."), 2)
    stays = state in {State.PENDING, State.DEGRADED, State.DOWN}
    assert decided(standing, early, at(8)).state is (state if stays else State.DEGRADED)
    assert decided(standing, combine(views(". . ."), 2), at(8)) is standing

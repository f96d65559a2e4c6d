"""The state of a target: single checks, and the conclusion from many of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import MOMENT, a_failure, an_outcome
from watcher.model.outcome import Fault, Reason
from watcher.model.state import (
    NEVER_CHECKED,
    Flip,
    Sighting,
    Standing,
    State,
    Thresholds,
    sighting_of,
    state_named,
)

STEP = timedelta(seconds=10)
# The meaning of each letter of a history; `|` is a gap without checks.
LETTERS = {"u": State.UP, "g": State.DEGRADED, "d": State.DOWN, "l": State.UNKNOWN}
WORDS = st.text("ugdl|", max_size=60)
THRESHOLDS = st.builds(Thresholds, failure=st.integers(1, 5), success=st.integers(1, 5))


def at(number: int) -> datetime:
    """The time of the step with this number."""
    return MOMENT + number * STEP


def after(standing: Standing, letter: str, number: int, thresholds: Thresholds) -> Standing:
    if letter == "|":
        return standing.interrupted(at(number))
    return standing.after(Sighting(LETTERS[letter], at(number)), thresholds)


def history(letters: str, thresholds: Thresholds | None = None, first: Standing = NEVER_CHECKED) -> list[Standing]:
    """The standing after each step; step number k is at MOMENT + k * 10 s."""
    standings, standing = [], first
    for number, letter in enumerate(letters):
        standing = after(standing, letter, number, thresholds or Thresholds())
        standings.append(standing)
    return standings


@pytest.mark.parametrize(
    ("letters", "state", "since"),
    [
        pytest.param("u", State.UP, 0, id="one good check is enough at the start"),
        pytest.param("g", State.DEGRADED, 0, id="and one that is degraded as well"),
        pytest.param("dd", State.PENDING, None, id="two failures at the start say nothing yet"),
        pytest.param("ddd", State.DOWN, 0, id="the third says that it was down from the first on"),
        pytest.param("ddu", State.UP, 2, id="a good check ends the waiting"),
        pytest.param("uudd", State.UP, 0, id="two failures are none"),
        pytest.param("uuddu", State.UP, 0, id="and are forgotten after a good one"),
        pytest.param("uudduddd", State.DOWN, 5, id="so that it takes three in a row"),
        pytest.param("uddd", State.DOWN, 1, id="down from the first failure on, though confirmed by the third"),
        pytest.param("udddu", State.DOWN, 1, id="one good check does not make it up"),
        pytest.param("udddud", State.DOWN, 1, id="nor one between failures"),
        pytest.param("udddududu", State.DOWN, 1, id="however often"),
        pytest.param("udddudduu", State.UP, 7, id="two in a row do, from the first of them on"),
        pytest.param("ugg", State.UP, 0, id="two degraded checks are none"),
        pytest.param("uggg", State.DEGRADED, 1, id="three are"),
        pytest.param("uggguu", State.UP, 4, id="and two good ones end that"),
        pytest.param("uggguguguu", State.UP, 8, id="only in a row"),
        pytest.param("ugdg", State.DEGRADED, 1, id="something has been wrong thrice, but it was not always down"),
        pytest.param("udgd", State.DEGRADED, 1, id="whatever the order"),
        pytest.param("udgddd", State.DOWN, 3, id="the failures after it count for being down"),
        pytest.param("udgdd", State.DEGRADED, 1, id="but only those"),
        pytest.param("ugggddd", State.DOWN, 4, id="from degraded to down as from up"),
        pytest.param("udddgg", State.DEGRADED, 4, id="from down to degraded as to up"),
        pytest.param("udddgu", State.DEGRADED, 4, id="one degraded, one good: no more than degraded"),
        pytest.param("udddguu", State.UP, 5, id="and up after the second good one"),
        pytest.param("ull", State.UP, 0, id="the monitor's own faults say nothing"),
        pytest.param("ulll", State.UNKNOWN, 1, id="but three in a row say that nobody knows"),
        pytest.param("lll", State.UNKNOWN, 0, id="at the start as well"),
        pytest.param("ulllu", State.UP, 4, id="one good check ends that where it was up"),
        pytest.param("ullldd", State.UNKNOWN, 1, id="one that fails does not"),
        pytest.param("ulllddd", State.DOWN, 4, id="three do"),
        pytest.param("uddddlllld", State.DOWN, 9, id="where it was down, one that fails is enough"),
        pytest.param("uddddllllu", State.UNKNOWN, 5, id="and one good one is not"),
        pytest.param("uddddlllluu", State.UP, 9, id="two are"),
        pytest.param("udldld", State.DOWN, 1, id="own faults between failures neither count nor break the row"),
        pytest.param("udlldlld", State.DOWN, 1, id="not even many of them"),
        pytest.param("ulldll", State.UP, 0, id="own faults must be in a row to blind the monitor"),
        pytest.param("u|", State.UNKNOWN, 1, id="a gap is unknown"),
        pytest.param("u||", State.UNKNOWN, 1, id="and one gap, however often it is found"),
        pytest.param("u|u", State.UP, 2, id="up again with the first good check after it"),
        pytest.param("uddd|d", State.DOWN, 5, id="down again with the first that fails"),
        pytest.param("uddd|uu", State.UP, 5, id="or up, if two say so"),
        pytest.param("u|dd", State.UNKNOWN, 1, id="it was up, and two failures say nothing"),
        pytest.param("u|ddd", State.DOWN, 2, id="three do, and it is not down before they came"),
        pytest.param("udd|d", State.DOWN, 4, id="failures of before the gap count, but the gap stays one"),
        pytest.param("udd|u", State.UP, 4, id="and are forgotten as ever"),
        pytest.param("ud|d|d", State.DOWN, 5, id="of two gaps, the second stays one as well"),
        pytest.param("dd|d", State.DOWN, 3, id="the gap of a target that was never confirmed is no downtime either"),
        pytest.param("|", State.PENDING, None, id="what was never checked has no gap"),
        pytest.param("|u", State.UP, 1, id="and begins with its first check"),
    ],
)
def test_steps_lead_to_a_standing(letters: str, state: State, since: int | None) -> None:
    found = history(letters)[-1]
    assert (found.state, found.since) == (state, None if since is None else at(since))


@pytest.mark.parametrize(
    ("letters", "unconfirmed"),
    [("u", ""), ("ud", "d"), ("udd", "dd"), ("uddu", ""), ("uddd", ""), ("udddu", "u"), ("udl", "dl"), ("udll", "dll")],
)
def test_what_speaks_against_the_state_is_kept(letters: str, unconfirmed: str) -> None:
    standing = history(letters)[-1]
    assert [one.state for one in standing.unconfirmed] == [LETTERS[letter] for letter in unconfirmed]
    assert standing.is_confirmed == (not unconfirmed)


def test_where_nothing_changes_it_is_the_same_object() -> None:
    for letters in ("u", "ddd", "ggg", "ulll"):
        standing = history(letters)[-1]
        last = letters[-1]
        assert after(standing, last, 99, Thresholds()) is standing


def test_thresholds_of_one_take_each_check_at_its_word() -> None:
    states = [standing.state for standing in history("udugdgul", Thresholds(1, 1))]
    assert states == [LETTERS[letter] for letter in "udugdgul"]


def test_the_operator_has_the_last_word() -> None:
    state = State.PAUSED
    held = history("u")[-1].held(state, at(1))
    assert (held.state, held.since, held.before) == (state, at(1), State.UP)
    assert held.held(state, at(2)) is held
    assert held.interrupted(at(2)) is held
    assert history("dddd", first=held)[-1] is held
    released = held.released(at(2))
    assert (released.state, released.since, released.before) == (State.UNKNOWN, at(2), State.UP)
    assert released.released(at(3)) is released


@pytest.mark.parametrize(
    ("before", "meanwhile", "then"),
    [
        ("u", "", State.UP),
        ("u", "uu", State.UP),
        ("u", "ddd", State.DOWN),
        ("u", "dd", State.UP),
        ("ddd", "d", State.DOWN),
        ("ddd", "uu", State.UP),
        ("ddd", "ggg", State.DEGRADED),
        ("u", "lll", State.UNKNOWN),
        ("", "", State.UNKNOWN),
        ("", "d", State.UNKNOWN),
    ],
)
def test_the_state_found_during_maintenance_applies_at_its_end(before: str, meanwhile: str, then: State) -> None:
    first = history(before)[-1] if before else Standing()
    held = first.held(State.MAINTENANCE, at(10))
    assert held.held(State.MAINTENANCE, at(11)) is held
    last = history(meanwhile, first=held)[-1] if meanwhile else held
    assert (last.state, last.since, last.flips) == (State.MAINTENANCE, at(10), first.flips + 1)
    released = last.released(at(20))
    assert (released.state, released.since, released.shadow) == (then, at(20), None)
    assert released.flips == first.flips + 2
    gone = last.interrupted(at(15))
    assert gone.state is State.MAINTENANCE
    assert gone.released(at(20)).state is State.UNKNOWN
    if then is not State.UNKNOWN:  # it continues as before: one check says so
        assert (
            after(gone.released(at(20)), {"up": "u", "down": "d", "degraded": "g"}[then], 30, Thresholds()).state
            is then
        )


@pytest.mark.parametrize(
    ("since", "down_since"),
    [
        pytest.param(at(4), at(4) + timedelta(microseconds=1), id="set back by little: history does not go back"),
        pytest.param(at(100), at(2), id="it was ahead: what comes is not dated into the future as well"),
    ],
)
def test_a_clock_that_was_set_back(since: datetime, down_since: datetime) -> None:
    standing = Standing(State.UP, since, State.UP)
    for number in range(3):
        standing = standing.after(Sighting(State.DOWN, at(number)), Thresholds())
    assert (standing.state, standing.since) == (State.DOWN, down_since)


def test_flips_of_one_moment_have_names_of_their_own() -> None:
    flip = Flip("Checkout", "default", MOMENT, MOMENT, State.DOWN, State.UP)
    others = [
        replace(flip, target="Shop"),
        replace(flip, location="vienna"),
        replace(flip, state=State.DEGRADED),
        replace(flip, at=MOMENT + timedelta(microseconds=2)),
        replace(flip, number=1),
        replace(flip, number=2),
    ]
    assert len({other.flip_id for other in (flip, *others)}) == 7
    # If it has a number, the exact moment is not a part of the name.
    assert replace(others[-1], at=MOMENT + timedelta(microseconds=2)).flip_id == others[-1].flip_id
    # The rest does not identify the event, and a second finding of it could differ.
    assert replace(flip, confirmed_at=MOMENT + STEP, before=State.UNKNOWN).flip_id == flip.flip_id
    assert replace(flip, at=MOMENT + STEP).flip_id > flip.flip_id


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, State.UP),
        ({"degraded": "took 3 s"}, State.DEGRADED),
        *(({"fault": Fault(reason, "")}, State.DOWN) for reason in Reason if reason not in ("local", "internal")),
        ({"fault": Fault(Reason.LOCAL, "")}, State.UNKNOWN),
        ({"fault": Fault(Reason.INTERNAL, "")}, State.UNKNOWN),
    ],
)
def test_the_verdict_of_one_check(changes: dict[str, Any], state: State) -> None:
    outcome = an_outcome(**changes)
    assert sighting_of(outcome) == Sighting(state, outcome.started_at)


def test_a_sighting_is_of_when_the_check_began() -> None:
    assert sighting_of(a_failure(started_at=MOMENT + STEP)).at == MOMENT + STEP


@given(WORDS, THRESHOLDS)
def test_down_takes_failures_in_a_row(letters: str, thresholds: Thresholds) -> None:
    before = State.PENDING
    for number, standing in enumerate(history(letters, thresholds)):
        if standing.state is State.DOWN and before is not State.DOWN:
            said = letters[: number + 1].replace("l", "").replace("|", "")
            in_a_row = len(said) - len(said.rstrip("d"))
            assert in_a_row >= thresholds.failure or _was_down(letters[:number], thresholds)
        before = standing.state


def _was_down(letters: str, thresholds: Thresholds) -> bool:
    """Whether the last known state was down: after a gap, everything is as it was before."""
    known = [one.state for one in history(letters, thresholds) if one.state is not State.UNKNOWN]
    return bool(known) and known[-1] is State.DOWN


@given(WORDS, THRESHOLDS)
def test_history_goes_one_way(letters: str, thresholds: Thresholds) -> None:
    changes = [NEVER_CHECKED]
    for standing in history(letters, thresholds):
        if standing.state is not changes[-1].state:
            changes.append(standing)
        assert standing.since == changes[-1].since
    times = [standing.since for standing in changes[1:]]
    assert times == sorted({moment for moment in times if moment is not None})


@given(st.text("l|", max_size=60), THRESHOLDS, st.sampled_from(["", "u", "uggg"]))
def test_the_monitors_own_faults_alone_never_make_it_down(letters: str, thresholds: Thresholds, first: str) -> None:
    assert all(standing.state is not State.DOWN for standing in history(first + letters, thresholds))


@given(st.text("ugdl|", max_size=300), THRESHOLDS)
def test_little_is_kept(letters: str, thresholds: Thresholds) -> None:
    most = max(thresholds.failure, thresholds.success) + thresholds.failure - 1
    assert all(len(standing.unconfirmed) <= most for standing in history(letters, thresholds))


@given(WORDS, THRESHOLDS)
def test_no_gap_is_up_or_down(letters: str, thresholds: Thresholds) -> None:
    """Whatever is confirmed later, from the start of a gap to the next check the state is unknown, or there is none."""
    standings = history(letters, thresholds)
    changes = {standing.since: standing.state for standing in standings if standing.since is not None}
    for number, letter in enumerate(letters):
        if letter == "|":
            begun = [since for since in changes if since <= at(number)]
            assert not begun or changes[max(begun)] is State.UNKNOWN


@dataclass
class Reference:
    """The same, found by reading the whole past each time; without gaps and faults of the monitor.

    Attributes:
        said: everything that the checks said.
    """

    thresholds: Thresholds
    state: State = State.PENDING
    said: list[State] = field(default_factory=list)

    def see(self, state: State) -> State:
        self.said.append(state)
        failing, good = self._last_in_a_row({State.DOWN}), self._last_in_a_row({State.UP})
        answering = self._last_in_a_row({State.UP, State.DEGRADED})
        not_good = self._last_in_a_row({State.DOWN, State.DEGRADED})
        failure, success = self.thresholds.failure, self.thresholds.success
        if state is self.state:
            pass
        elif failing >= failure:
            self.state = State.DOWN
        elif self.state is State.PENDING and state is not State.DOWN:
            self.state = state
        elif self.state in (State.DEGRADED, State.DOWN) and good >= success:
            self.state = State.UP
        elif (self.state is State.DOWN and answering >= success) or (self.state is State.UP and not_good >= failure):
            self.state = State.DEGRADED
        return self.state

    def _last_in_a_row(self, states: set[State]) -> int:
        count = 0
        while count < len(self.said) and self.said[-1 - count] in states:
            count += 1
        return count


@given(st.text("ugd", max_size=60), THRESHOLDS)
def test_the_state_follows_from_the_whole_past(letters: str, thresholds: Thresholds) -> None:
    reference = Reference(thresholds)
    expected = [reference.see(LETTERS[letter]) for letter in letters]
    assert [standing.state for standing in history(letters, thresholds)] == expected


@given(st.text("ugd", max_size=40), st.data(), THRESHOLDS)
def test_fewer_own_faults_than_it_takes_change_nothing(
    letters: str, data: st.DataObject, thresholds: Thresholds
) -> None:
    counts = data.draw(
        st.lists(st.integers(0, thresholds.failure - 1), min_size=len(letters), max_size=len(letters)),
        label="own faults",
    )
    mixed = "".join(letter + "l" * count for letter, count in zip(letters, counts, strict=True))
    ends = [index for index, letter in enumerate(mixed) if letter != "l"]
    states = [standing.state for standing in history(mixed, thresholds)]
    assert [states[index] for index in ends] == [standing.state for standing in history(letters, thresholds)]


def test_an_invalid_state_is_unknown() -> None:
    assert [state_named(word) for word in ("down", "blocked", "")] == [State.DOWN, State.UNKNOWN, State.UNKNOWN]

"""How a start resumes from when the daemon last ran."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.doubles import MOMENT, a_failure, a_target, an_outcome
from watcher.model.conclusion import conclude
from watcher.model.resumption import NOT_ENABLED, NOT_WATCHED, TAKEN_OUT, Resumption, Taken, reassign, resume, take_over
from watcher.model.state import NEVER_CHECKED, OF_THE_OPERATOR, Flip, Sighting, Standing, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.model.outcome import Outcome
    from watcher.model.target import Target

HOUR, STEP = timedelta(hours=1), timedelta(seconds=10)
STOPPED, NOW = MOMENT, MOMENT + HOUR
TARGET = a_target()


def resumed(
    past: dict[str, Standing],
    targets: Iterable[Target] = (TARGET,),
    *,
    alive_at: datetime | None = STOPPED,
    now: datetime = NOW,
) -> Resumption:
    return resume(targets, past, "default", alive_at=alive_at, now=now)


def standing(state: State, before: State | None = None) -> Standing:
    return Standing(state, MOMENT - HOUR, before or state)


def seen(first: Standing, *outcomes: Outcome) -> list[Flip]:
    """The flips that the checks after a start bring."""
    now, last_at, flips = first, None, list[Flip]()
    for outcome in outcomes:
        conclusion = conclude(TARGET, outcome, now, last_at)
        now, last_at = conclusion.standing, outcome.started_at
        flips += conclusion.flips
    return flips


@pytest.mark.parametrize("state", [State.UP, State.DEGRADED, State.DOWN])
def test_the_time_in_which_the_daemon_was_not_there_is_unknown(state: State) -> None:
    found = resumed({"Checkout": standing(state)})
    assert found.standings == {"Checkout": Standing(State.UNKNOWN, STOPPED, state, flips=1)}
    assert found.news == {"Checkout"}
    assert found.flips == (Flip("Checkout", "default", STOPPED, NOW, State.UNKNOWN, state, NOT_WATCHED, number=1),)
    assert found.taken_out == frozenset()


@pytest.mark.parametrize("state", [State.UNKNOWN, State.PENDING])
def test_an_unknown_state_stays_unknown(state: State) -> None:
    past = standing(state)
    found = resumed({"Checkout": past})
    assert found == Resumption({"Checkout": past}, frozenset(), (), frozenset())


def test_a_target_without_checks_has_no_past() -> None:
    assert resumed({}) == Resumption({}, frozenset(), (), frozenset())
    assert resumed({}, alive_at=None) == Resumption({}, frozenset(), (), frozenset())


def test_down_before_and_failing_after_is_down_at_once() -> None:
    found = resumed({"Checkout": standing(State.DOWN)})
    [flip] = seen(found.standings["Checkout"], a_failure(at=NOW))
    assert (flip.state, flip.before, flip.at) == (State.DOWN, State.UNKNOWN, NOW)


def test_up_before_and_good_after_is_up_at_once() -> None:
    found = resumed({"Checkout": standing(State.UP)})
    [flip] = seen(found.standings["Checkout"], an_outcome(at=NOW))
    assert (flip.state, flip.before, flip.at) == (State.UP, State.UNKNOWN, NOW)


def test_up_before_and_failing_after_must_be_confirmed() -> None:
    found = resumed({"Checkout": standing(State.UP)})
    outcomes = [a_failure(at=NOW + step * STEP) for step in range(3)]
    assert seen(found.standings["Checkout"], *outcomes[:2]) == []
    [flip] = seen(found.standings["Checkout"], *outcomes)
    assert (flip.state, flip.at, flip.confirmed_at) == (State.DOWN, NOW, NOW + 2 * STEP)


@pytest.mark.parametrize("first", [standing(State.UP), NEVER_CHECKED], ids=["up", "pending"])
def test_two_failures_before_and_one_after_are_down_but_only_from_after_the_gap(first: Standing) -> None:
    past = first
    for number in range(2):
        past = conclude(TARGET, a_failure(at=STOPPED - (2 - number) * STEP), past, None).standing
    found = resumed({"Checkout": past})
    flips = [*found.flips, *seen(found.standings["Checkout"], a_failure(at=NOW))]
    assert [(flip.before, flip.state, flip.at) for flip in flips] == [
        (first.state, State.UNKNOWN, STOPPED),
        (State.UNKNOWN, State.DOWN, NOW),
    ]


def test_a_daemon_that_is_restarted_after_each_check_still_finds_out() -> None:
    past, flips = standing(State.UP), list[Flip]()
    for number in range(3):
        checked_at = STOPPED + number * HOUR
        found = resumed({"Checkout": past}, alive_at=checked_at - HOUR + STEP, now=checked_at)
        conclusion = conclude(TARGET, a_failure(at=checked_at), found.standings["Checkout"], None)
        past = conclusion.standing
        flips += [*found.flips, *conclusion.flips]
    assert [(flip.state, flip.at) for flip in flips] == [
        (State.UNKNOWN, STOPPED - HOUR + STEP),
        (State.DOWN, STOPPED + 2 * HOUR),
    ]


def test_a_target_that_was_taken_out_is_paused_since_the_daemon_stopped() -> None:
    found = resumed({"Checkout": standing(State.UP), "Old": standing(State.DOWN)})
    assert found.taken_out == {"Old"}
    assert found.flips[1:] == (Flip("Old", "default", STOPPED, NOW, State.PAUSED, State.DOWN, TAKEN_OUT, number=1),)
    # As long as the past still has it, it is not created again.
    again = resumed({"Old": found.standings["Old"]}, [])
    assert again.flips == ()
    assert again.taken_out == {"Old"}


def test_a_target_that_is_not_enabled_is_paused() -> None:
    targets = [a_target("Checkout", enabled=False), a_target("New", enabled=False)]
    found = resumed({"Checkout": standing(State.UP)}, targets)
    assert found.standings["Checkout"] == Standing(State.PAUSED, STOPPED, State.UP, flips=1)
    assert found.news == {"Checkout", "New"}
    assert found.flips == (
        Flip("Checkout", "default", STOPPED, NOW, State.PAUSED, State.UP, NOT_ENABLED, number=1),
        Flip("New", "default", STOPPED, NOW, State.PAUSED, State.PENDING, NOT_ENABLED, number=1),
    )
    again = resumed(dict(found.standings), targets)
    assert (again.news, again.flips) == (frozenset(), ())


def test_a_target_that_is_enabled_again_is_unknown_and_then_what_it_is() -> None:
    found = resumed({"Checkout": standing(State.PAUSED, before=State.DOWN)})
    assert [(flip.state, flip.before, flip.at) for flip in found.flips] == [(State.UNKNOWN, State.PAUSED, NOW)]
    [flip] = seen(found.standings["Checkout"], a_failure(at=NOW + STEP))
    assert (flip.state, flip.before, flip.at) == (State.DOWN, State.UNKNOWN, NOW + STEP)


def test_a_target_paused_before_its_first_check_starts_with_it() -> None:
    found = resumed({"Checkout": standing(State.PAUSED, before=State.PENDING)})
    [flip] = seen(found.standings["Checkout"], an_outcome(at=NOW + STEP))
    assert (flip.state, flip.before) == (State.UP, State.UNKNOWN)


def test_a_maintenance_outlives_a_restart() -> None:
    assert State.MAINTENANCE in OF_THE_OPERATOR
    past = standing(State.MAINTENANCE, before=State.UP)
    assert resumed({"Checkout": past}).standings == {"Checkout": past}


@pytest.mark.parametrize("alive_at", [None, NOW + HOUR])
def test_without_a_known_end_of_the_watch_targets_are_unknown_from_now_on(alive_at: datetime | None) -> None:
    found = resumed({"Checkout": standing(State.UP)}, alive_at=alive_at)
    assert [flip.at for flip in found.flips] == [NOW]


def test_a_clock_that_was_set_back_leaves_the_history_in_order() -> None:
    since = NOW + STEP
    found = resumed({"Checkout": Standing(State.UP, since, State.UP)}, alive_at=since + STEP)
    [flip] = found.flips
    assert flip.at > since
    assert flip.confirmed_at >= flip.at


def test_another_configuration_of_a_target_that_runs_leaves_it_where_it_stands() -> None:
    past = {"Checkout": Standing(State.DOWN, MOMENT - HOUR, State.DOWN, (Sighting(State.UP, MOMENT),))}
    found = reassign([TARGET, a_target("New")], [], past, "default", NOW)
    assert found == Resumption(past, frozenset(), (), frozenset())


def test_what_another_configuration_takes_out_is_paused_from_now_on() -> None:
    found = reassign([], ["Old"], {"Old": standing(State.DOWN)}, "default", NOW)
    assert found.flips == (Flip("Old", "default", NOW, NOW, State.PAUSED, State.DOWN, TAKEN_OUT, number=1),)
    left = reassign([], ["Old"], {"Old": standing(State.DOWN)}, "fra", NOW, elsewhere={"Old"}).flips
    left += resume([], {"Old": standing(State.DOWN)}, "fra", alive_at=STOPPED, now=NOW, elsewhere={"Old"}).flips
    assert [flip.cause and flip.cause.detail for flip in left] == 2 * ["no longer watched from fra"]
    assert found.taken_out == {"Old"}
    assert found.news == {"Old"}


def test_another_configuration_pauses_and_takes_up_again() -> None:
    paused = reassign([a_target(enabled=False)], [], {"Checkout": standing(State.UP)}, "default", NOW)
    assert paused.flips == (Flip("Checkout", "default", NOW, NOW, State.PAUSED, State.UP, NOT_ENABLED, number=1),)
    again = reassign([TARGET], [], paused.standings, "default", NOW + HOUR)
    assert [(flip.before, flip.state, flip.at) for flip in again.flips] == [(State.PAUSED, State.UNKNOWN, NOW + HOUR)]
    assert again.standings["Checkout"].before is State.UP
    [back] = seen(again.standings["Checkout"], an_outcome(at=NOW + HOUR + STEP))
    assert (back.before, back.state) == (State.UNKNOWN, State.UP)


UP, DOWN = standing(State.UP), standing(State.DOWN)
SEEN = replace(UP, unconfirmed=(Sighting(State.DOWN, NOW - STEP),), flips=3)


@pytest.mark.parametrize(
    ("own", "found", "expected", "flips"),
    [
        # A daemon watched until just now: the target continues in its state, with unconfirmed results.
        (None, Taken(SEEN, NOW - STEP), SEEN, ""),
        (DOWN, Taken(SEEN, NOW - STEP), SEEN, ""),
        # The gap is too long.
        (None, Taken(DOWN, STOPPED), Standing(State.UNKNOWN, STOPPED, State.DOWN, flips=1), "?"),
        (None, Taken(SEEN, STOPPED), replace(SEEN.interrupted(STOPPED), flips=4), "?"),
        # No other replica watched since this one did, or ever.
        (SEEN, Taken(DOWN), SEEN, ""),
        (SEEN, Taken(), SEEN, ""),
        (None, Taken(), None, ""),
        # It watched while the database was unreachable and the owner was gone; the end of that is reported.
        (Standing(State.UP, NOW - STEP, flips=1), Taken(SEEN, STOPPED), Standing(State.UP, NOW - STEP, flips=3), "E"),
        # The operator's orders.
        (
            None,
            Taken(standing(State.PAUSED, State.UP), NOW - STEP),
            Standing(State.UNKNOWN, NOW, State.UP, flips=1),
            "?",
        ),
    ],
)
def test_a_target_that_is_taken_over(own: Standing | None, found: Taken, expected: Standing | None, flips: str) -> None:
    known = {} if own is None else {"Checkout": own}
    made = take_over([TARGET], {"Checkout": found}, "default", NOW, own=known)
    assert made.standings == ({} if expected is None else {"Checkout": expected})
    assert ["E" if flip.number is None else "?" for flip in (*made.ended, *made.flips)] == list(flips)
    assert all(flip.state is State.UNKNOWN for flip in (*made.ended, *made.flips))
    assert made.news == ({"Checkout"} if expected not in {None, own} else set())
    assert made.shared == ({"Checkout"} if expected is not None and expected == found.standing else set())


def test_a_gap_of_this_replica_itself_is_one_in_what_it_takes_back() -> None:
    made = take_over([TARGET], {"Checkout": Taken(UP)}, "default", NOW, own={"Checkout": UP}, alive_at=STOPPED)
    assert made.standings["Checkout"] == Standing(State.UNKNOWN, STOPPED, State.UP, flips=1)
    assert [(flip.at, flip.cause) for flip in made.flips] == [(STOPPED, NOT_WATCHED)]
    soon = take_over([TARGET], {"Checkout": Taken(UP)}, "default", NOW, own={"Checkout": UP}, alive_at=NOW - STEP)
    assert soon.standings["Checkout"] == UP
    off = take_over([replace(TARGET, enabled=False)], {"Checkout": Taken(UP, STOPPED)}, "default", NOW)
    assert [(flip.state, flip.at) for flip in off.flips] == [(State.PAUSED, STOPPED)]

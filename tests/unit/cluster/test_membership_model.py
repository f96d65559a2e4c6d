"""Invariants of three replicas and their database, checked by exploring all that a few faults can cause.

The bounds are in beats (of 2 s; a lease is 3) since the last event from outside: a fault, or its end, a start,
or a late message. In CI all single faults are tried, some pairs, and all ways to start; `THOROUGH=1` in the
environment tries all pairs, and all single faults while replicas start.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import pytest

from tests.rounds import rounds
from tests.unit.cluster.membership_model import FAULTS, Adversary, explore, steps_of, tick
from tests.unit.cluster.membership_world import (
    CALM_BEATS,
    REPLICAS,
    TTL,
    UP,
    Replica,
    World,
    checks,
    holds_lease,
    me,
    put,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# The most beats that each of these may last.
BOUNDS = {
    "nobody who reaches the database checks the target": 3,
    "two with one configuration check the target by leases that last": 2,
    "others are agreed on than those who are there": 2,
    "somebody goes by an old agreement": 3,
    "an epoch has two lists": -1,
    "somebody checks who has not asked for as long as a lease": -1,
}
EVENTS = ("crash", "leave", "freeze", "delay", "cut", "file")


def together(away: bool = False) -> World:
    """Return three replicas that agreed long ago."""
    world = World(is_away=away)
    for number in range(len(REPLICAS)):
        world = put(world, number, Replica(UP, start=1, is_due=True))
    return calm_down(world)


def calm_down(world: World) -> World:
    """Let all replicas take their due steps one after the other, until nothing changes."""
    for _ in range(2 * CALM_BEATS):
        for number in range(len(REPLICAS)):
            while steps := list(steps_of(world, number)):
                world = steps[0]
        world = tick(world)
    return world


def troubles_at_once(world: World) -> Iterator[str]:
    """Return the states that must not exist, even for a moment."""
    for number, replica in enumerate(world.replicas):
        if replica.is_newest and replica.known != world.places:
            yield "an epoch has two lists"
        if replica.silent >= TTL and checks(world, number):
            yield "somebody checks who has not asked for as long as a lease"


def troubles(world: World) -> Iterator[str]:
    """Return the states that must not last, at the end of a beat."""
    up = [number for number, replica in enumerate(world.replicas) if replica.mode == UP]
    sure = [number for number in up if checks(world, number) and holds_lease(world, number)]
    if len({world.replicas[number].file for number in sure}) < len(sure):
        yield "two with one configuration check the target by leases that last"
    well = [number for number in up if not world.is_away and not world.replicas[number].is_cut]
    if not well:
        return
    if not any(checks(world, number) for number in well):
        yield "nobody who reaches the database checks the target"
    if set(world.places) != {me(world, number) for number in well}:
        yield "others are agreed on than those who are there"
    if any(world.replicas[number].known != world.places for number in well):
        yield "somebody goes by an old agreement"


def longest_troubles(adversary: Adversary, beginning: World) -> dict[str, int]:
    """Explore, and return how many beats each trouble lasted."""
    longest: dict[str, int] = {}
    for world, then in explore(adversary, beginning):
        for trouble in troubles_at_once(then):
            longest[trouble] = 0
        if then.calm > world.calm or world.calm == CALM_BEATS:
            for trouble in troubles(world):
                longest[trouble] = max(longest.get(trouble, 0), world.calm)
    return longest


CASES = [
    pytest.param(Adversary(0), World(), id="starts"),
    pytest.param(Adversary(1, ("crash",)), World(), id="starts and crash"),
    *(
        pytest.param(Adversary(2, kinds), together(), id=" and ".join(kinds))
        for kinds in (("crash", "leave"), ("freeze", "freeze"), ("delay", "file"), ("cut", "cut"))
    ),
]
MANY_CASES = [
    *CASES,
    *(pytest.param(Adversary(1, (kind,)), World(), id=f"starts and {kind}") for kind in FAULTS),
    *(
        pytest.param(Adversary(2, kinds), together(), id=" and ".join(kinds))
        for kinds in combinations_with_replacement(FAULTS, 2)
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("adversary", "beginning"), MANY_CASES[: rounds(len(CASES), len(MANY_CASES))])
def test_no_trouble_lasts(adversary: Adversary, beginning: World) -> None:
    longest = longest_troubles(adversary, beginning)
    assert {trouble: beats for trouble, beats in longest.items() if beats > BOUNDS[trouble]} == {}


def test_the_bounds_are_as_tight_as_they_can_be() -> None:
    """By any single fault of replicas that have been together for long."""
    longest = longest_troubles(Adversary(1), together())
    assert longest == {trouble: beats for trouble, beats in BOUNDS.items() if beats >= 0}


def test_who_is_well_keeps_its_targets_whatever_happens_to_others() -> None:
    """Also replicas that start, leave, freeze, return or have another configuration move only what must move."""
    beginning = together()
    assert checks(beginning, 0)
    for _, world in explore(Adversary(1, EVENTS, victims=(1, 2)), beginning):
        assert checks(world, 0)


def test_an_outage_of_the_database_moves_nothing() -> None:
    """However long it is, and whichever replica returns first."""
    beginning = together()
    away = calm_down(beginning._replace(is_away=True, calm=0))
    assert [checks(away, number) for number in range(len(REPLICAS))] == [True, False, False]
    for _, world in explore(Adversary(0), away):
        assert world.places == beginning.places
        assert checks(world, 0)


def test_a_replica_that_never_reached_the_database_checks_everything() -> None:
    world = together(away=True)
    assert all(checks(world, number) for number in range(len(REPLICAS)))

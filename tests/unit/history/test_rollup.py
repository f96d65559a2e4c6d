"""Sums up many checks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import MOMENT, a_failure, an_outcome
from watcher.history.rollup import SERIES, Measurement, Rollup, measurement_of, roll_up, rollup_rows
from watcher.model.outcome import Fault, Phases, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = ("Checkout", "default")


def a_measurement(microseconds: Sequence[int | None], result: str = "up") -> Measurement:
    return Measurement(*KEY, result, [*microseconds, *[None] * (6 - len(microseconds))])


def rolled_up(*measurements: Measurement) -> Rollup:
    return roll_up(measurements)[KEY]


def test_a_measurement_keeps_the_duration_of_a_check() -> None:
    assert measurement_of(an_outcome()) == (*KEY, "up", (143_200, 3100, 12_000, 40_200, 80_100, 7800))
    assert measurement_of(an_outcome(phases=Phases())).microseconds == (143_200, *[None] * 5)


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({}, "up"),
        ({"degraded": "it took 143 ms"}, "degraded"),
        ({"fault": Fault(Reason.TIMEOUT, "")}, "timeout"),
        ({"fault": Fault(Reason.LOCAL, ""), "degraded": "it took 143 ms"}, "local"),
    ],
)
def test_a_result_is_one_word(changes: dict[str, Any], result: str) -> None:
    assert measurement_of(an_outcome(**changes)).result == result


def test_measurements_can_be_json_on_their_way() -> None:
    measurements = [measurement_of(an_outcome()), measurement_of(a_failure("other"))]
    assert roll_up(json.loads(json.dumps(measurements))) == roll_up(measurements)


def test_each_target_and_location_has_a_rollup() -> None:
    rollups = roll_up([Measurement(name, place, "up", [1] * 6) for name in "ab" for place in "cd" for _ in range(3)])
    assert {key: rollup.checks for key, rollup in rollups.items()} == dict.fromkeys(
        [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")], 3
    )
    assert roll_up([]) == {}


def test_times_are_added_up_phase_by_phase() -> None:
    rollup = rolled_up(a_measurement([2000, None, 500]), a_measurement([4000, None, None]))
    assert rollup.sums_ms == (6.0, None, 0.5, None, None, None)
    assert rollup.mins_ms == (2.0, None, 0.5, None, None, None)
    assert rollup.maxs_ms == (4.0, None, 0.5, None, None, None)
    assert (rollup.mean_ms(), rollup.mean_ms(1), rollup.mean_ms(2)) == (3.0, None, 0.5)
    assert rollup.percentiles_ms([0.5, 1.0]) == [2.0, 4.0]
    assert rollup.percentiles_ms([0.5], 1) == [None]
    assert rollup.percentiles_ms([0.5], SERIES.index("connect")) == [0.5]


def test_failing_checks_are_durations_that_people_wait() -> None:
    rollup = rolled_up(a_measurement([1000]), a_measurement([10_000_000], "timeout"))
    assert rollup.results == {"up": 1, "timeout": 1}
    assert rollup.maxs_ms[0] == 10_000


@pytest.mark.parametrize("reason", ["local", "internal"])
def test_faults_of_the_monitor_are_counted_but_not_timed(reason: str) -> None:
    rollup = rolled_up(a_measurement([1000]), a_measurement([9_000_000], reason))
    assert rollup.results == {"up": 1, reason: 1}
    assert (rollup.checks, rollup.timed(), rollup.mean_ms()) == (2, 1, 1)
    alone = rolled_up(a_measurement([9_000_000], reason))
    assert (alone.checks, alone.mean_ms(), alone.percentiles_ms([0.5]), alone.histogram) == (1, None, [None], {})


def test_rows_can_be_json() -> None:
    [row] = json.loads(json.dumps(rollup_rows(roll_up([a_measurement([2000, 500])]), MOMENT, part=7)))
    assert row.pop("keys") == [84, 256 + 69]
    assert row == {
        "target": "Checkout",
        "location": "default",
        "began_at": "2026-11-23T15:20:55.857000+00:00",
        "part": 7,
        "results": {"up": 1},
        "sums_ms": [2, 0.5, None, None, None, None],
        "mins_ms": [2, 0.5, None, None, None, None],
        "maxs_ms": [2, 0.5, None, None, None, None],
        "counts": [1, 1],
    }


measurements = st.builds(
    a_measurement,
    st.lists(st.none() | st.integers(0, 10**10), min_size=6, max_size=6),
    st.sampled_from(["up", "degraded", "timeout", "local"]),
)
groups = st.lists(measurements, min_size=1, max_size=20)


@given(groups, groups, groups)
def test_merging_is_the_same_in_every_order(
    first: list[Measurement], second: list[Measurement], third: list[Measurement]
) -> None:
    one, two, three = (rolled_up(*group) for group in (first, second, third))
    same(one.merge(two).merge(three), one.merge(two.merge(three)))
    same(one.merge(two), two.merge(one))


@given(groups, groups)
def test_a_merged_rollup_is_that_of_all_checks(first: list[Measurement], second: list[Measurement]) -> None:
    same(rolled_up(*first).merge(rolled_up(*second)), rolled_up(*first, *second))


def same(one: Rollup, other: Rollup) -> None:
    """Compare two rollups; sums of floats depend a little on the order."""
    assert one.sums_ms == pytest.approx(other.sums_ms)
    assert (one.results, one.mins_ms, one.maxs_ms) == (other.results, other.mins_ms, other.maxs_ms)
    assert one.histogram == other.histogram

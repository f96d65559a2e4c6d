"""Durations in buckets."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.history.histogram import BUCKETS, GAMMA, bucket_of, percentiles

HOUR = 3_600_000_000
durations = st.integers(0, 10 * HOUR // 4) | st.integers(0, 2_000_000)


def exact(values: list[int], quantile: float) -> int:
    """Return the value of the nearest rank."""
    return sorted(values)[max(1, math.ceil(quantile * len(values) - 1e-9)) - 1]


def estimate(values: list[int], quantile: float) -> float:
    return percentiles(Counter(map(bucket_of, values)), [quantile], min(values), max(values))[0]


@pytest.mark.parametrize(
    ("microseconds", "bucket"),
    [(-5, 0), (0, 0), (1, 1), (2, 8), (2 * HOUR, 251), (9 * HOUR, BUCKETS - 1), (10**15, BUCKETS - 1)],
)
def test_buckets_start_at_a_microsecond_and_have_no_end(microseconds: int, bucket: int) -> None:
    assert bucket_of(microseconds) == bucket


@given(durations, durations)
def test_a_longer_duration_is_in_no_lower_bucket(one: int, other: int) -> None:
    assert (bucket_of(one) <= bucket_of(other)) or one > other


@given(st.integers(1, 10 * HOUR // 4))
def test_values_in_one_bucket_are_within_the_ratio(microseconds: int) -> None:
    above = math.ceil(microseconds * GAMMA) + 1
    assert bucket_of(above) > bucket_of(microseconds)


@given(st.lists(durations, min_size=1, max_size=200), st.sampled_from([0, 0.07, 0.5, 0.9, 0.95, 0.99, 1]))
def test_a_percentile_is_within_five_percent(values: list[int], quantile: float) -> None:
    assert estimate(values, quantile) == pytest.approx(exact(values, quantile), rel=0.05)


def test_a_percentile_is_within_the_least_and_the_greatest() -> None:
    assert estimate([1000], 0.5) == 1000
    assert estimate([1000, 1001], 0.99) <= 1001


def test_a_duration_beyond_the_last_edge_is_known_by_the_greatest() -> None:
    assert percentiles({BUCKETS - 1: 1}, [0.5], 5 * HOUR, 5 * HOUR) == [5 * HOUR]


def test_the_rank_does_not_suffer_from_rounding() -> None:
    values = [1000 * 2**n for n in range(20)] * 5
    assert estimate(values, 0.07) == pytest.approx(exact(values, 0.07), rel=0.05)

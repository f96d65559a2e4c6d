"""Slots: stable, spread, never made up."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.checking.schedule import (
    MIN_START_SPREAD_SECONDS,
    Schedule,
    Slot,
    SlotClock,
    fraction_of,
    start_spread_seconds,
)

NOW = 1_795_447_255.857

intervals = st.floats(min_value=0.5, max_value=86_400)
moments = st.floats(min_value=1e9, max_value=4e9)


def test_a_target_has_the_same_slots_after_a_restart_and_on_every_replica() -> None:
    before = Schedule.of("Checkout", 60).next(Slot(NOW), NOW)
    after_restart = Schedule.of("Checkout", 60).next(Slot(NOW + 7), NOW + 7)
    assert (after_restart.due - before.due) % 60 == pytest.approx(0)
    assert fraction_of("Checkout") == 0.9984704658613677  # a number that no process may change


@given(st.text(), intervals, moments)
def test_slots_are_one_interval_apart(name: str, interval: float, now: float) -> None:
    schedule = Schedule.of(name, interval)
    slot = schedule.next(Slot(now), now)
    following = schedule.next(slot, slot.due + interval / 100)
    assert following.due - slot.due == pytest.approx(interval, rel=1e-6)
    assert following.skipped == 0
    assert slot.due > now


@given(st.text(), intervals, moments, st.integers(min_value=0, max_value=1000))
def test_missed_slots_are_skipped_and_counted(name: str, interval: float, now: float, missed: int) -> None:
    schedule = Schedule.of(name, interval)
    slot = schedule.next(Slot(now), now)
    late = schedule.next(slot, slot.due + (missed + 0.5) * interval)
    assert late.skipped == missed
    assert late.due == pytest.approx(slot.due + (missed + 1) * interval)


@given(st.text(), intervals, moments)
def test_the_first_check_comes_at_once_and_no_second_one_right_after_it(name: str, interval: float, now: float) -> None:
    schedule = Schedule.of(name, interval)
    first = schedule.first(now)
    assert now <= first.due <= now + min(MIN_START_SPREAD_SECONDS, interval)
    second = schedule.next(first, first.due)
    assert interval / 2 - 1e-3 <= second.due - first.due <= interval * 1.5 + 1e-3
    assert second.skipped == 0


def test_a_thousand_targets_are_spread_over_the_interval() -> None:
    bins = Counter(int(fraction_of(f"https://site-{number}.example/") * 100) for number in range(1000))
    assert len(bins) == 100
    assert max(bins.values()) < 3 * 10


class Clocks:
    """A wall clock and a monotonic one, set by hand."""

    def __init__(self) -> None:
        self.wall_seconds = NOW
        self.monotonic_seconds = 100.0

    def pass_by(self, seconds: float) -> None:
        self.wall_seconds += seconds
        self.monotonic_seconds += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def clock(clocks: Clocks) -> SlotClock:
    return SlotClock(lambda: clocks.wall_seconds, lambda: clocks.monotonic_seconds)


def test_the_clock_goes_with_the_wall_clock(clocks: Clocks, clock: SlotClock) -> None:
    clocks.pass_by(10)
    assert clock.now() == pytest.approx(NOW + 10)


def test_the_clock_catches_up_after_a_suspend(clocks: Clocks, clock: SlotClock) -> None:
    clocks.wall_seconds += 3600  # the monotonic clock sleeps too
    assert clock.now() == pytest.approx(NOW + 3600)
    clocks.pass_by(1)
    assert clock.now() == pytest.approx(NOW + 3601)


def test_the_clock_never_goes_back(clocks: Clocks, clock: SlotClock) -> None:
    clocks.wall_seconds -= 3600
    clocks.pass_by(5)
    assert clock.now() == pytest.approx(NOW + 5)


@pytest.mark.parametrize(("targets", "seconds"), [(1, 2), (1000, 2), (10_000, 20), (100_000, 200)])
def test_very_many_targets_begin_at_a_rate_that_a_core_can_take(targets: int, seconds: float) -> None:
    assert start_spread_seconds(targets) == seconds
    first = Schedule.of("a", 3600.0).first(1000.0, seconds)
    assert first.due == pytest.approx(1000 + fraction_of("a") * seconds)


@pytest.mark.parametrize("now", [1_000_000.0, 1_000_040.0, 1_000_099.0])
def test_where_the_start_takes_an_interval_there_is_neither_a_burst_nor_a_gap(now: float) -> None:
    tenths: Counter[int] = Counter()
    for number in range(1000):
        schedule = Schedule.of(f"https://site-{number}.example/", 100.0)
        slot = schedule.first(now, 200.0)
        while slot.due < now + 300:
            tenths[int((slot.due - now) / 10)] += 1
            slot = schedule.next(slot, slot.due)
    assert len(tenths) == 30
    assert all(50 < count < 150 for count in tenths.values()), tenths

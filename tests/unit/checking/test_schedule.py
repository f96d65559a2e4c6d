"""Slots: stable, spread, and never invented."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.checking.scheduling.schedule import (
    MIN_START_SPREAD_SECONDS,
    Schedule,
    Slot,
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
    assert fraction_of("Checkout") == 0.9984704658613677  # a number that must be the same in every process


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


def test_rechecks_come_besides_the_regular_slots() -> None:
    schedule = Schedule(interval_seconds=60, offset_seconds=0)
    slot, dues = Slot(600.0), []
    for _ in range(7):
        slot = schedule.next(slot, slot.due + 0.1, recheck_seconds=25)
        dues.append((slot.due, slot.skipped, slot.regular))
    assert dues == [
        (625, 0, 600),
        (650, 0, 600),
        (660, 0, None),
        (685, 0, 660),
        (710, 0, 660),
        (720, 0, None),
        (745, 0, 720),
    ]
    assert schedule.next(slot, slot.due + 0.1) == Slot(780)


def test_the_slot_right_after_a_recheck_is_neither_skipped_nor_swallowed() -> None:
    schedule = Schedule(interval_seconds=60, offset_seconds=0)
    recheck = schedule.next(Slot(600.0), 600.1, recheck_seconds=59)
    assert recheck == Slot(659, regular=600)
    assert schedule.next(recheck, 659.1) == Slot(660)


@pytest.mark.parametrize(("now", "due"), [(600.1, 610), (610, 610), (610.1, 620), (634, 640), (640.5, 650)])
def test_a_recheck_that_is_past_is_not_made_up(now: float, due: float) -> None:
    schedule = Schedule(interval_seconds=60, offset_seconds=0)
    assert schedule.next(Slot(600.0), now, recheck_seconds=10) == Slot(due, regular=600)


def test_a_recheck_that_falls_on_a_regular_slot_is_that_slot() -> None:
    schedule = Schedule.of("Checkout", 60)
    slot = schedule.next(Slot(NOW), NOW)
    for _ in range(1000):
        slots = [slot]
        for _ in range(3):
            slots.append(schedule.next(slots[-1], slots[-1].due, recheck_seconds=20))
        assert [recheck.regular for recheck in slots] == [None, slot.due, slot.due, None]
        slot = slots[-1]


def test_slots_that_are_missed_between_rechecks_are_counted_once() -> None:
    schedule = Schedule(interval_seconds=60, offset_seconds=0)
    late = schedule.next(Slot(600.0), 725, recheck_seconds=10)
    assert late == Slot(730, skipped=2, regular=720)
    assert schedule.next(late, 731, recheck_seconds=10) == Slot(740, regular=720)
    assert schedule.next(late, 731) == Slot(780)


def test_the_slot_that_a_recheck_runs_into_is_not_missed() -> None:
    schedule = Schedule(interval_seconds=60, offset_seconds=0)
    recheck = Slot(659, regular=600)
    assert schedule.next(recheck, 664) == Slot(720)
    assert schedule.next(recheck, 724) == Slot(780, skipped=1)
    assert schedule.next(recheck, 664, recheck_seconds=20) == Slot(679, regular=660)


def test_rechecks_after_the_first_check_leave_the_first_slot_where_it_is() -> None:
    schedule = Schedule(interval_seconds=60, offset_seconds=0)
    first = Slot(639.0)  # too late for the slot at 660, before which it ends
    slot, dues = first, []
    while slot.due < 720:
        slot = schedule.next(slot, slot.due, recheck_seconds=30)
        dues.append(slot.due)
    assert dues == [669, 699, 720]
    assert schedule.next(first, first.due) == Slot(720)


# The duration of a check as a part of the interval, and how often it is rechecked then.
steps = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0, 0.1), st.floats(0, 5)), st.sampled_from([None, 1e-4, 0.01, 0.3, 0.5, 1])
    ),
    max_size=50,
)


@given(st.text(), intervals, moments, steps)
def test_whatever_is_rechecked_slots_go_on_and_none_has_two_checks(
    name: str, interval: float, now: float, steps: list[tuple[float, float | None]]
) -> None:
    schedule = Schedule.of(name, interval)
    slot = schedule.first(now)
    for taken, part in steps:
        now = max(now, slot.due) + taken * interval
        recheck_seconds = None if part is None else max(part * interval, 0.01)
        upcoming = schedule.next(slot, now, recheck_seconds)
        assert slot.due + 0.0009 < upcoming.due  # `scheduled_at` identifies a check, so it resolves microseconds
        assert now - 1e-6 <= upcoming.due <= now + interval * 1.5 + 1e-3
        if upcoming.regular is None:
            assert schedule.next(Slot(upcoming.due - interval), upcoming.due - interval).due == pytest.approx(
                upcoming.due, abs=1e-3
            )
        else:
            assert recheck_seconds is not None
            # A check may end exactly at a slot, and two sums of floats differ in their last place.
            assert slot.anchor <= upcoming.regular <= upcoming.due + 1e-6
            assert upcoming.due <= max(now, slot.due) + recheck_seconds + 1e-3
        slot = upcoming


@given(st.text(), intervals, moments, st.sampled_from([0.01, 0.1, 0.3, 0.9, 1]))
def test_rechecks_are_spread_and_replace_no_regular_slot(name: str, interval: float, now: float, part: float) -> None:
    schedule = Schedule.of(name, interval)
    begin = slot = schedule.next(Slot(now), now)
    regular, rechecks = 0, 0
    while regular < 3:
        slot = schedule.next(slot, slot.due, part * interval)
        assert slot.skipped == 0
        regular += slot.regular is None
        rechecks += slot.regular is not None
    assert slot.due - begin.due == pytest.approx(3 * interval, rel=1e-6)
    assert rechecks <= 3 / part


@given(st.text(), intervals, moments, st.floats(0, 5), st.sampled_from([0.01, 0.3, 0.9]), st.integers(1, 5))
def test_after_rechecks_the_regular_slots_are_those_without_them(
    name: str, interval: float, now: float, late: float, part: float, rechecks: int
) -> None:
    schedule = Schedule.of(name, interval)
    slot = schedule.first(now)
    for _ in range(rechecks):
        slot = schedule.next(slot, slot.due + 0.001, part * interval)
    after = schedule.next(slot, slot.due + 0.001)
    assert after.skipped == 0
    assert after.regular is None
    assert (after.due - schedule.offset_seconds) / interval == pytest.approx(
        round((after.due - schedule.offset_seconds) / interval), abs=1e-5
    )


def test_a_thousand_targets_are_spread_over_the_interval() -> None:
    bins = Counter(int(fraction_of(f"https://site-{number}.example/") * 100) for number in range(1000))
    assert len(bins) == 100
    assert max(bins.values()) < 3 * 10


@pytest.mark.parametrize(("targets", "seconds"), [(1, 2), (1000, 2), (10_000, 20), (100_000, 200)])
def test_very_many_targets_start_at_a_rate_that_a_core_can_take(targets: int, seconds: float) -> None:
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


@given(st.text(), intervals, moments, st.floats(0, 5), st.one_of(st.none(), st.floats(0.01, 1)))
def test_a_new_owner_continues_with_the_slots_of_a_target(
    name: str, interval: float, last: float, later: float, part: float | None
) -> None:
    schedule = Schedule.of(name, interval)
    last = schedule.next(Slot(last), last).due
    now = last + later * interval
    slot = schedule.resumed(last, now, None if part is None else part * interval)
    regular = slot.due if slot.regular is None else slot.regular
    assert (regular - last) / interval == pytest.approx(round((regular - last) / interval), abs=1e-3)
    passed = math.floor(later + 1e-4)
    if passed:  # after missed slots the newest is checked late, and none is invented
        assert slot.due == pytest.approx(last + passed * interval, abs=0.01)
        assert slot.skipped in {passed - 1, passed - 2}
    else:
        assert now - 1e-3 <= slot.due <= last + interval + 1e-3
        assert slot.skipped == 0
    assert schedule.next(slot, slot.due).due <= slot.due + interval * 1.001

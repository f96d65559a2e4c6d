"""Lateness, from the lines of a log and the slots of a schedule."""

from datetime import UTC, datetime

import pytest

from benchmarks.lateness import Lateness, lateness_of, seconds_after_slot, slots_between
from watcher.checking.scheduling.schedule import Schedule
from watcher.text.timestamps import timestamp

NAME = "http://127.0.0.1:8080/t/7"
INTERVAL_SECONDS = 2.0
SLOT = 900_000_000 * INTERVAL_SECONDS + Schedule.of(NAME, INTERVAL_SECONDS).offset_seconds


def a_line(started: float) -> str:
    return f'{timestamp(datetime.fromtimestamp(started, UTC))} success target="{NAME}" url={NAME} status=200\n'


@pytest.mark.parametrize("late_seconds", [0.0, 0.012, 1.5])
def test_lateness_is_the_time_since_the_slot(late_seconds: float) -> None:
    assert seconds_after_slot(SLOT + late_seconds, NAME, INTERVAL_SECONDS) == pytest.approx(late_seconds, abs=1e-6)


def test_a_time_that_was_cut_to_milliseconds_is_not_taken_for_almost_an_interval_late() -> None:
    assert seconds_after_slot(SLOT - 0.0009, NAME, INTERVAL_SECONDS) == pytest.approx(-0.0009, abs=1e-6)


def test_the_checks_of_a_window_are_found_by_their_slots() -> None:
    slots = [SLOT + index * INTERVAL_SECONDS for index in range(5)]
    lines = [a_line(slot + 0.010) for slot in slots]
    # The last starts after the window, but its slot is in it; the first starts within, but its slot is before it.
    found = lateness_of(lines, [NAME], INTERVAL_SECONDS, slots[0] + 0.005, slots[3] + 0.005)
    assert (found.checks, found.slots) == (3, 3)
    assert found.seconds == pytest.approx([0.010] * 3, abs=0.0011)


def test_a_slot_without_a_line_is_missed() -> None:
    lines = [a_line(SLOT), a_line(SLOT + 2 * INTERVAL_SECONDS)]
    found = lateness_of(lines, [NAME], INTERVAL_SECONDS, SLOT - 0.1, SLOT + 3 * INTERVAL_SECONDS - 0.1)
    assert (found.checks, found.slots) == (2, 3)


def test_slots_are_counted_from_the_start_to_the_end() -> None:
    assert slots_between(NAME, INTERVAL_SECONDS, SLOT - 0.001, SLOT + 0.001) == 1
    assert slots_between(NAME, INTERVAL_SECONDS, SLOT + 0.001, SLOT + 1.9) == 0


def test_quantiles_are_by_the_nearest_rank() -> None:
    found = Lateness(100, 100, tuple(float(number) for number in range(1, 101)))
    assert [found.quantile(part) for part in (0.5, 0.99, 1.0)] == [50, 99, 100]


def test_two_checks_of_one_slot_do_not_hide_one_that_is_missed() -> None:
    lines = [a_line(SLOT), a_line(SLOT + 0.5), a_line(SLOT + 2 * INTERVAL_SECONDS)]
    found = lateness_of(lines, [NAME], INTERVAL_SECONDS, SLOT - 0.1, SLOT + 3 * INTERVAL_SECONDS - 0.1)
    assert (found.checks, found.twice, found.missed) == (3, 1, 1)

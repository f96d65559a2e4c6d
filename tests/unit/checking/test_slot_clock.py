"""The clock of the slots follows the wall clock, wherever that goes."""

import pytest

from watcher.checking.scheduling.slot_clock import SlotClock

NOW = 1_795_447_255.857


class Clocks:
    """A wall clock and a monotonic one, set by hand."""

    def __init__(self) -> None:
        self.wall_seconds = NOW
        self.monotonic_seconds = 100.0

    def pass_by(self, seconds: float) -> None:
        self.wall_seconds += seconds
        self.monotonic_seconds += seconds


def a_clock(clocks: Clocks, lived_until: float = 0.0) -> SlotClock:
    return SlotClock(lambda: clocks.wall_seconds, lambda: clocks.monotonic_seconds, lived_until)


# A suspend is a step forward: the monotonic clock sleeps too.
@pytest.mark.parametrize(
    ("step", "followed"), [(0.0, 0.0), (0.3, 0.0), (-0.3, 0.0), (3600.0, 3600.0), (-3600.0, -3600.0)]
)
def test_the_clock_follows_the_wall_clock_where_that_steps(step: float, followed: float) -> None:
    clocks = Clocks()
    clock = a_clock(clocks)
    clocks.pass_by(10)
    clocks.wall_seconds += step
    assert clock.now() == pytest.approx(NOW + 10 + followed)
    clocks.pass_by(1)
    assert clock.now() == pytest.approx(NOW + 11 + followed)
    assert clock.set_back_seconds == pytest.approx(max(-followed, 0.0))


def test_slots_that_were_lived_have_another_part_each_time_they_come() -> None:
    clocks = Clocks()
    clock = a_clock(clocks, lived_until=NOW - 10)
    parts = [clock.part_of(NOW - 20)]
    assert clock.part_of(NOW) == 0
    for _ in range(2):
        clocks.pass_by(5)
        clocks.wall_seconds -= 3600
        clock.now()
        parts.append(clock.part_of(NOW - 20))
    assert len({0, *parts}) == 4
    assert clock.part_of(NOW + 4.9) != 0
    assert clock.part_of(NOW + 5.1) == 0  # the clock never showed it
    assert a_clock(clocks, lived_until=NOW).part_of(NOW - 20) not in parts

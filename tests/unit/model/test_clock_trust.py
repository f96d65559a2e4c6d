"""Which clock is followed, and when it is trusted: tables of leaps, on clocks that the test sets."""

from __future__ import annotations

import pytest

from watcher.model.clock_trust import DOUBT_SECONDS, ClockTrust, WallClock

NOW = 1_795_447_255.0
HOUR, DAY = 3600.0, 86_400.0


def begun(alive_at: object, doubted_until: object = None) -> tuple[ClockTrust, list[float]]:
    leaps: list[float] = []
    trust = ClockTrust(leaps.append, lambda: 0.0)
    trust.begin(NOW, alive_at, doubted_until)
    return trust, leaps


@pytest.mark.parametrize(
    ("alive_at", "doubted_until", "believed_after", "leaps"),
    [
        (NOW - 60, None, 0, []),
        (NOW + 60, None, 0, []),
        (NOW - 500 * DAY, None, DAY, [500 * DAY]),
        (NOW + 500 * DAY, NOW + 501 * DAY, DAY, [-500 * DAY]),
        (NOW - 60, NOW + HOUR, HOUR, []),  # a restart does not end a doubt
        (NOW - 60, NOW + 500 * DAY, DAY, []),
        (None, None, DAY, []),  # a new outbox knows nothing
        ("damaged", "damaged", DAY, []),
    ],
)
def test_a_start_long_after_the_outbox_was_alive_is_in_doubt_for_a_day(
    alive_at: object, doubted_until: object, believed_after: float, leaps: list[float]
) -> None:
    trust, told = begun(alive_at, doubted_until)
    assert trust.doubted_until - NOW <= believed_after
    assert trust.doubted_until - NOW >= believed_after or not believed_after
    assert told == leaps


def test_a_leap_of_the_clock_is_distrusted_for_a_day_and_reported_once() -> None:
    steady, leaps = 0.0, list[float]()
    trust = ClockTrust(leaps.append, lambda: steady)
    assert not trust.trusts(NOW), "before anything is known"
    trust.begin(NOW, NOW, None)
    assert trust.trusts(NOW)
    steady += 500 * DAY
    assert trust.trusts(NOW + steady + HOUR / 2), "a suspend, or a correction"
    assert [trust.trusts(NOW + steady + 8 * DAY), trust.trusts(NOW + steady + 8 * DAY)] == [False, False]
    assert [trust.trusts(NOW + steady), trust.trusts(NOW + steady)] == [False, False]
    assert len(leaps) == 2
    steady += DOUBT_SECONDS
    assert trust.trusts(NOW + steady)


# How far the machine's clock is ahead of the reference's, and what it is found to be at each look: a look takes a
# hundredth of a second, or so many seconds as are named.
@pytest.mark.parametrize(
    ("looks", "ahead"),
    [
        ([(0.0, 0.01)], None),
        ([(1.9, 0.01)], None),
        ([(2.1, 0.01)], 2.1),
        ([(-HOUR, 0.01)], -HOUR),
        ([(HOUR, 0.01)], HOUR),
        ([(3.0, 4.0)], None),  # it may be about to
        ([(3.0, 4.0), (3.0, 0.01)], 3.0),
        ([(3.0, 0.01), (3.0, 4.0)], 3.0),  # and better knowledge stays
        ([(HOUR, 0.01), (1.5, 0.01)], 1.5),  # until it is right, and no longer
        ([(HOUR, 0.01), (0.9, 0.01)], None),
        ([(0.0, 0.01), (HOUR, 0.01), (0.0, 0.01)], None),
    ],
)
def test_a_reference_is_followed_while_the_clock_of_the_machine_is_far_from_it(
    looks: list[tuple[float, float]], ahead: float | None
) -> None:
    steady, off = 0.0, 0.0
    clock = WallClock(lambda: NOW + steady + off, lambda: steady)
    for off, seconds in looks:  # noqa: B007  # the clock of the machine has it
        asked_at, steady = steady, steady + seconds
        clock.refer(asked_at, steady, NOW + asked_at + seconds / 2)
    steady += DAY  # the reference is no longer asked
    assert clock.ahead_seconds == (None if ahead is None else pytest.approx(ahead, abs=0.01))
    assert clock.now() == pytest.approx(NOW + steady + (off if ahead is None else 0.0), abs=0.01)


@pytest.mark.parametrize("step", [-HOUR, -3.0, 3.0, HOUR])
def test_a_machine_whose_clock_is_set_takes_nothing_along_before_the_reference_is_asked(step: float) -> None:
    off = 0.0
    clock = WallClock(lambda: NOW + off, lambda: 0.0)
    off = 5.0
    assert clock.now() == NOW + 5.0, "nobody has been asked yet"
    clock.refer(0.0, 0.0, NOW + 5.0)
    off += step
    assert clock.now() == NOW + 5.0
    clock.refer(0.0, 0.0, NOW + 5.0 + step)
    assert clock.now() == NOW + 5.0 + step, "the reference was set as well"
    assert clock.ahead_seconds is None

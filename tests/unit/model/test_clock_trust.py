"""When the wall clock is believed: by a table of leaps, on clocks that the test sets."""

from __future__ import annotations

import pytest

from watcher.model.clock_trust import DOUBT_SECONDS, ClockTrust

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
        (NOW - 60, NOW + HOUR, HOUR, []),  # a restart ends no doubt
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


def test_a_leap_against_the_steady_clock_is_in_doubt_for_a_day_and_told_once() -> None:
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

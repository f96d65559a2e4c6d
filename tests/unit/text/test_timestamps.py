"""Timestamps: ISO 8601, UTC, milliseconds, whatever the time zone of the value."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.text.timestamps import timestamp, timestamp_of


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2026, 11, 23, 15, 20, 55, 857_000, tzinfo=UTC), "2026-11-23T15:20:55.857Z"),
        (datetime(2026, 11, 23, 15, 20, 55, tzinfo=UTC), "2026-11-23T15:20:55.000Z"),
        # Cut, not rounded: it must not run ahead of the clock.
        (datetime(2026, 11, 23, 15, 20, 55, 999_999, tzinfo=UTC), "2026-11-23T15:20:55.999Z"),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T23:00:00.000Z"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-5, minutes=-30))), "2026-01-01T05:30:00.000Z"),
    ],
)
def test_a_moment_is_written_in_utc(moment: datetime, written: str) -> None:
    assert timestamp(moment) == written


time_zones = st.integers(min_value=-23, max_value=23).map(lambda hours: timezone(timedelta(hours=hours)))


@given(st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30), timezones=time_zones))
def test_a_timestamp_can_be_read_back(moment: datetime) -> None:
    read = datetime.fromisoformat(timestamp(moment))
    assert timedelta(0) <= moment - read < timedelta(milliseconds=1)


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_milliseconds_are_written_like_the_moment_that_they_are(milliseconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert timestamp_of(milliseconds) == timestamp(moment)

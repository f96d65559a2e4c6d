"""When windows are open: across clock changes, and against a model that tries each minute."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.alerting.policy.windows import is_open, is_quiet, never_comes, next_change, quiet_until
from watcher.model.alerts.windows import CronWindow, OnceWindow, QuietHours, WeeklyWindow, Window

BERLIN, LORD_HOWE, SANTIAGO = "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago"
EVERY_DAY = frozenset(range(7))
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def weekly(start: str, hours: float, zone: str, days: frozenset[int] = EVERY_DAY) -> WeeklyWindow:
    return WeeklyWindow(days, time.fromisoformat(start), hours * 3600, zone)


@pytest.mark.parametrize(
    ("window", "after", "opens", "closes"),
    [
        (weekly("22:00", 6, BERLIN), "2026-03-28T12:00", "2026-03-28T21:00", "2026-03-29T03:00"),  # over spring
        (weekly("22:00", 6, BERLIN), "2026-10-24T12:00", "2026-10-24T20:00", "2026-10-25T02:00"),  # over autumn
        (weekly("02:30", 1, BERLIN), "2026-03-28T12:00", "2026-03-29T01:00", "2026-03-29T02:00"),  # in the skipped hour
        (weekly("02:30", 1, BERLIN), "2026-10-24T12:00", "2026-10-25T00:30", "2026-10-25T01:30"),  # the first of two
        (weekly("02:30", 1, BERLIN), "2026-10-25T01:30", "2026-10-26T01:30", "2026-10-26T02:30"),  # and not the second
        (weekly("02:15", 1, LORD_HOWE), "2026-10-03T12:00", "2026-10-03T15:30", "2026-10-03T16:30"),  # half an hour
        (weekly("00:00", 1, SANTIAGO), "2026-09-05T12:00", "2026-09-06T04:00", "2026-09-06T05:00"),  # from 1 o'clock
        (weekly("23:00", 2, BERLIN, frozenset({6})), "2026-11-23T00:00", "2026-11-29T22:00", "2026-11-30T00:00"),
        (CronWindow("0 3 1 * *", 3600, BERLIN), "2026-03-20T00:00", "2026-04-01T01:00", "2026-04-01T02:00"),
        (CronWindow("30 2 * * *", 3600, BERLIN), "2026-03-28T12:00", "2026-03-29T01:00", "2026-03-29T02:00"),
        (CronWindow("0 0 29 2 *", 86400, "UTC"), "2026-01-01T00:00", "2028-02-29T00:00", "2028-03-01T00:00"),
        (OnceWindow(utc("2026-12-01T21:00"), 7200), "2026-01-01T00:00", "2026-12-01T21:00", "2026-12-01T23:00"),
    ],
)
def test_a_window_opens_and_closes_at_these_moments(window: Window, after: str, opens: str, closes: str) -> None:
    moment = utc(after)
    assert next_change(window, moment) == utc(opens)
    assert is_open(window, utc(opens))
    assert not is_open(window, utc(opens) - timedelta(microseconds=1))
    assert next_change(window, utc(opens)) == utc(closes)
    assert is_open(window, utc(closes) - timedelta(microseconds=1))
    assert not is_open(window, utc(closes))


def test_windows_that_never_end_and_those_that_are_over_cost_little() -> None:
    now = utc("2026-11-26T08:00")
    for window in (CronWindow("* * * * *", 3600, BERLIN), weekly("00:00", 25, BERLIN), weekly("00:00", 1e12, BERLIN)):
        assert is_open(window, now)
        change = next_change(window, now)
        assert change is None or (change > now + HOUR and is_open(window, change))
        assert not never_comes(window, now)
    over = OnceWindow(utc("2026-11-26T07:00"), 3600)
    assert never_comes(over, now)
    assert next_change(over, now) is None
    assert not never_comes(over, now - MINUTE)
    assert not never_comes(OnceWindow(utc("9999-11-30T00:00"), 1e9), now)
    assert never_comes(CronWindow("0 0 31 2,4 1", 60, "UTC"), now) is False  # day or weekday, as in cron


@pytest.mark.parametrize(
    ("hours", "moment", "until"),
    [
        ("22:00-07:00", "2026-11-26T20:59", None),
        ("22:00-07:00", "2026-11-26T21:00", "2026-11-27T06:00"),
        ("22:00-07:00", "2026-11-27T05:59", "2026-11-27T06:00"),
        ("22:00-07:00", "2026-11-27T06:00", None),
        ("22:00-07:00", "2026-03-28T23:00", "2026-03-29T05:00"),  # an hour shorter
        ("22:00-07:00", "2026-10-24T23:00", "2026-10-25T06:00"),  # an hour longer
        ("22:00-00:00,00:00-07:00", "2026-11-26T21:30", "2026-11-27T06:00"),  # two become one
        ("02:10-02:20", "2026-03-29T01:00", None),  # all of them skipped
    ],
)
def test_quiet_hours_are_wall_clock_times(hours: str, moment: str, until: str | None) -> None:
    all_hours = [
        QuietHours(*map(time.fromisoformat, text.split("-")), timezone=BERLIN)  # type: ignore[arg-type, misc]
        for text in hours.split(",")
    ]
    assert quiet_until(all_hours, utc(moment)) == (None if until is None else utc(until))
    assert any(is_quiet(one, utc(moment)) for one in all_hours) is (until is not None)


def test_quiet_hours_without_an_end_are_asked_for_again_and_those_of_some_days_are_not_all_week() -> None:
    always = QuietHours(time(0), time(0), BERLIN)
    now = utc("2026-11-26T08:00")  # a Thursday
    until = quiet_until([always], now)
    assert until is not None
    assert is_quiet(always, until)
    fridays = QuietHours(time(22), time(7), BERLIN, frozenset({4}))
    assert [is_quiet(fridays, now + timedelta(hours=hours)) for hours in (0, 14, 38, 45, 46, 62)] == [
        *(False, False, True, True, False, False)
    ]


def starts_in_year(at: set[time], days: frozenset[int], zone: ZoneInfo) -> list[datetime]:
    """Return the starts in a year, found by reading a wall clock in each minute around them."""
    found = []
    for offset in range(-2, 368):
        day = NEW_YEAR.date() + timedelta(days=offset)
        if day.weekday() not in days:
            continue
        for start in at:
            wall = datetime.combine(day, start)
            near = wall.replace(tzinfo=zone).astimezone(UTC)
            minutes = (near + MINUTE * minute for minute in range(-70, 70))
            found.append(next(moment for moment in minutes if moment.astimezone(zone).replace(tzinfo=None) >= wall))
    return sorted(found)


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([BERLIN, LORD_HOWE, SANTIAGO, "UTC"]),
    st.integers(0, 23),
    st.sampled_from([0, 15, 30]),
    st.sampled_from([20, 60, 150, 1440, 1500, 4000]),
    st.sets(st.integers(0, 6), min_size=1),
    st.booleans(),
)
def test_a_year_of_a_window_is_as_a_clock_on_the_wall_shows_it(
    name: str, hour: int, minute: int, minutes: int, days: set[int], as_cron: bool
) -> None:
    at, duration = time(hour, minute), MINUTE * minutes
    window: Window = WeeklyWindow(frozenset(days), at, minutes * 60, name)
    if as_cron:
        cron_days = ",".join(str((day + 1) % 7) for day in sorted(days))
        window = CronWindow(f"{minute} {hour} * * {cron_days}", minutes * 60, name)
    starts = starts_in_year({at}, frozenset(days), ZoneInfo(name))
    spans: list[list[datetime]] = []
    for start in starts:
        if spans and start <= spans[-1][1]:
            spans[-1][1] = start + duration
        else:
            spans.append([start, start + duration])
    changes = [moment for span in spans for moment in span if NEW_YEAR < moment < NEW_YEAR + timedelta(days=365)]
    moment: datetime | None = NEW_YEAR
    for expected in changes:
        assert moment is not None
        moment = next_change(window, moment)
        assert moment == expected
    for (_, closes), (opens, _) in pairwise(spans):
        assert is_open(window, closes - MINUTE)
        assert not is_open(window, closes)
        assert not is_open(window, opens - MINUTE)
        assert is_open(window, opens)

"""Computes when windows of time are open: maintenance, and quiet hours of channels. Pure.

A window starts at a wall-clock time of its zone and lasts for elapsed time, so everything is added in UTC. A start that
the clocks skip in spring is the first moment after the skipped hour. One that comes twice in autumn is the first of the
two, except for a cron expression with a star for its minute or hour, which starts each time (as Debian's cron has it).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cronsim import CronSim

from watcher.model.alerts.windows import CronWindow, OnceWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, time

    from watcher.model.alerts.windows import QuietHours, WeeklyWindow, Window

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
# The search for starts begins here; the first days of the calendar have no time in some zones.
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 1, tzinfo=UTC)
# A window that starts again before its end stays open. After so many starts, or days, in a row the search for its end
# stops: it may have none.
_MAX_STARTS_IN_A_ROW = 2000
_MAX_QUIET = timedelta(days=8)


def is_open(window: Window, moment: datetime) -> bool:
    """Return whether a window is open: from its start up to, but not including, its end.

    Args:
        window: of any kind.
        moment: with a time zone.
    """
    start = next(_starts(window, _moved(moment, -window.duration_seconds)), None)
    return start is not None and start <= moment


def next_change(window: Window, moment: datetime) -> datetime | None:
    """Return the next moment at which a window opens or closes, in UTC.

    Args:
        window: of any kind.
        moment: with a time zone; the change comes after it.

    Returns:
        None if there is none. For a window that stays open for very long, a moment at which to call again.
    """
    starts = _starts(window, _moved(moment, -window.duration_seconds))
    start = next(starts, None)
    if start is None or start > moment:
        return start
    end = _moved(start, window.duration_seconds)
    for _, start in zip(range(_MAX_STARTS_IN_A_ROW), starts, strict=False):
        if start > end:
            break
        end = _moved(start, window.duration_seconds)
    return None if end >= _LATEST else end


def never_comes(window: Window, now: datetime) -> bool:
    """Return whether a window is neither open nor will ever be.

    Args:
        window: of any kind; the starts of a cron expression are searched for 50 years.
        now: with a time zone.
    """
    return next(_starts(window, _moved(now, -window.duration_seconds)), None) is None


def is_quiet(hours: QuietHours, moment: datetime) -> bool:
    """Return whether quiet hours cover a moment, which has a time zone."""
    return _quiet_end(hours, moment) is not None


def quiet_until(hours: Sequence[QuietHours], moment: datetime) -> datetime | None:
    """Return when quiet hours end, in UTC.

    Args:
        hours: all of a channel; overlapping ones count as one.
        moment: with a time zone.

    Returns:
        None if none covers the moment. For hours without an end, a moment at which to call again.
    """
    until, limit = moment, moment + _MAX_QUIET
    while until < limit:
        ends = [end for one in hours if (end := _quiet_end(one, until)) is not None]
        if not ends:
            break
        until = max(ends)
    return None if until == moment else until.astimezone(UTC)


def _quiet_end(hours: QuietHours, moment: datetime) -> datetime | None:
    zone = ZoneInfo(hours.timezone)
    today = moment.astimezone(zone).date()
    found = None
    for day in (today - _DAY, today):
        if day.weekday() in hours.weekdays:
            end_day = day if hours.end > hours.start else day + _DAY
            end = _first_moment(end_day, hours.end, zone)
            if _first_moment(day, hours.start, zone) <= moment < end:
                found = end
    return found


def _starts(window: Window, after: datetime) -> Iterator[datetime]:
    """Yield the starts of a window after a moment, in order, in UTC."""
    if isinstance(window, OnceWindow):
        start = window.start.astimezone(UTC)
        return iter((start,) if start > after else ())
    starts = _cron_starts(window, after) if isinstance(window, CronWindow) else _weekly_starts(window, after)
    # A search by wall-clock time may also find earlier ones, in an hour that comes twice.
    return (start for start in starts if start > after)


def _weekly_starts(window: WeeklyWindow, after: datetime) -> Iterator[datetime]:
    if not window.weekdays:
        return
    zone = ZoneInfo(window.timezone)
    first = after.astimezone(zone).date() - _DAY
    for days in count():
        if _LATEST.date() - first <= timedelta(days=days):
            return
        day = first + timedelta(days=days)
        if day.weekday() in window.weekdays:
            yield _first_moment(day, window.start, zone)


def _cron_starts(window: CronWindow, after: datetime) -> Iterator[datetime]:
    for start in CronSim(window.cron, after.astimezone(ZoneInfo(window.timezone))):
        yield start.astimezone(UTC)
        if start.year >= _LATEST.year:
            return


def _first_moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the first moment, in UTC, at which a clock shows a time, or a later one if the clock skips it."""
    wall = datetime.combine(day, at)
    while (moment := wall.replace(tzinfo=zone).astimezone(UTC)).astimezone(zone).replace(tzinfo=None) != wall:
        wall += _MINUTE
    return moment


def _moved(moment: datetime, seconds: float) -> datetime:
    """Return the moment so many elapsed seconds later, within the calendar."""
    try:
        moved = moment.astimezone(UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return _LATEST if seconds > 0 else _EARLIEST
    return min(max(moved, _EARLIEST), _LATEST)

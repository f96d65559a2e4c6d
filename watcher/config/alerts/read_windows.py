"""Reads maintenance windows and quiet hours."""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, get_args

from cronsim import CronSim, CronSimError

from watcher.alerting.policy.windows import never_comes
from watcher.config.alerts.common import complaint_about_name, is_name, seconds_of, without_empty
from watcher.config.mistakes import did_you_mean, shown
from watcher.config.schema.window_keys import Weekday
from watcher.model.alerts.windows import (
    EVERY_DAY,
    CronWindow,
    Maintenance,
    OnceWindow,
    QuietHours,
    WeeklyWindow,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from watcher.config.mistakes import Complain
    from watcher.config.schema.window_keys import MaintenanceKeys, QuietHoursKeys

    Steps = tuple[str | int, ...]

DEFAULT_ZONE = "UTC"

_DAYS: tuple[str, ...] = get_args(Weekday)
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_MOMENT = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(Z|[+-][0-9]{2}:?[0-9]{2})?")
# Stands in for an invalid window; it is never used.
_NEVER = OnceWindow(datetime(2000, 1, 1, tzinfo=UTC), 0.0)


def read_quiet_hours(written: QuietHoursKeys, path: Steps, complain: Complain) -> QuietHours:
    """Read an item of `quiet_hours`.

    Args:
        written: the item.
        path: its path.
        complain: records a mistake.
    """
    values = without_empty(written, path, complain)
    times = {}
    for key in ("start", "end"):
        times[key] = _time_of(values.get(key, "0:00"))
        if times[key] is None:
            complain((*path, key), f'{shown(values[key])} is not a time of day; write one, as in "22:00"')
    name, _ = _zone(values, path, complain)
    return QuietHours(times["start"] or time(), times["end"] or time(), name, _weekdays(values))


def read_maintenance(written: MaintenanceKeys, path: Steps, complain: Complain) -> Maintenance:
    """Read an item of `maintenance` of the file or of an entry.

    Args:
        written: the item.
        path: its path.
        complain: records a mistake.
    """
    values = without_empty(written, path, complain)
    why, group, names = values.get("why"), values.get("group"), values.get("targets")
    if why is not None and not is_name(why):
        complain((*path, "why"), complaint_about_name(why).replace("a name", "one line of text"))
    if group is not None and names is not None:
        complain((*path, "targets"), "is written besides group; remove one")
    window = _window(values, path, complain)
    return Maintenance(window or _NEVER, why, group, None if names is None else frozenset(names))


def _window(values: Mapping[str, Any], path: Steps, complain: Complain) -> Window | None:
    # A missing duration was reported before.
    duration_seconds = seconds_of(values, (*path, "duration"), complain, default=0.0)
    name, zone = _zone(values, path, complain)
    start, cron = values.get("start"), values.get("cron")
    if cron is not None:
        for key in ("start", "weekdays"):
            if key in values:
                complain((*path, key), "is written besides cron; remove one")
        complaint = _complaint_about_cron(cron)
        if complaint is not None:
            complain((*path, "cron"), f"{shown(cron)} {complaint}")
            return None
        return CronWindow(cron, duration_seconds, name)
    if start is None:
        complain(path, "has neither start nor cron; write one")
        return None
    if (time_of_day := _time_of(start)) is not None:
        return WeeklyWindow(_weekdays(values), time_of_day, duration_seconds, name)
    if "weekdays" in values:
        complain((*path, "start"), f'{shown(start)} is not a time of day; write one besides weekdays, as in "22:00"')
        return None
    moment = _moment(start, zone)
    if isinstance(moment, str):
        complain((*path, "start"), f"{shown(start)} {moment}")
        return None
    if _has_offset(start) and "timezone" in values:
        complain((*path, "timezone"), "is written besides a start that has an offset; remove one")
    return OnceWindow(moment, duration_seconds)


def _time_of(text: str) -> time | None:
    match = _TIME.fullmatch(text)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        return None
    return time(int(match[1]), int(match[2]))


def _has_offset(text: str) -> bool:
    match = _MOMENT.fullmatch(text)
    return match is not None and match[1] is not None


def _moment(text: str, zone: tzinfo) -> datetime | str:
    """Return the moment that a text names, or a complaint about the text."""
    bad = 'is neither a time of day nor a date and time; write one, as in "22:00" or "2026-12-01T22:00"'
    if not _MOMENT.fullmatch(text):
        return bad
    try:
        written = datetime.fromisoformat(text)
    except ValueError:
        return bad
    if written.tzinfo is not None:
        return written.astimezone(UTC)
    moment = written.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != written:
        return f"never comes in {zone}, where the clocks are put forward over it; write a later time"
    return moment


def _zone(values: Mapping[str, Any], path: Steps, complain: Complain) -> tuple[str, tzinfo]:
    name = values.get("timezone", DEFAULT_ZONE)
    if name == DEFAULT_ZONE:
        return name, UTC  # works without a time zone database
    try:
        return name, zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # a folder, or a path
        known = did_you_mean(name, zoneinfo.available_timezones()) or "; write one, as in Europe/Berlin"
        complain((*path, "timezone"), f"{shown(name)} is not a time zone{known}")
        return DEFAULT_ZONE, UTC


def _weekdays(values: Mapping[str, Any]) -> frozenset[int]:
    days = values.get("weekdays")
    return EVERY_DAY if days is None else frozenset(map(_DAYS.index, days))


def _complaint_about_cron(cron: str) -> str | None:
    parts = cron.split()
    if len(parts) != 5:
        return 'does not have five fields; write minute, hour, day, month and weekday, as in "0 3 1 * *"'
    try:
        CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        if _is_cron(" ".join([*parts[:3], "*", parts[4]])) and _is_cron(f"0 0 * {parts[3]} *"):
            return "never comes: none of its months has that day; write another"
        reason = str(error).lower()
        return f'is not a cron expression: {reason}; write minute, hour, day, month and weekday, as in "0 3 1 * *"'
    if never_comes(CronWindow(cron, 0.0, DEFAULT_ZONE), datetime.now(UTC)):
        return "never comes in the next 50 years; write another"
    return None


def _is_cron(text: str) -> bool:
    try:
        CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return True

"""Times that come again: maintenance, and hours in which nobody wants to hear of anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, time

EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class OnceWindow:
    """A window that comes once: from `start`, a moment with a time zone, for so many elapsed seconds."""

    start: datetime
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class WeeklyWindow:
    """A window on days of the week.

    Attributes:
        weekdays: on which it starts, Monday is 0.
        start: the wall-clock time at which it starts, without a time zone.
        duration_seconds: elapsed time, also over a change of the clocks.
        timezone: a name of the IANA database.
    """

    weekdays: frozenset[int]
    start: time
    duration_seconds: float
    timezone: str


@dataclass(frozen=True, slots=True)
class CronWindow:
    """A window that starts whenever a cron expression says so, in its time zone, for so many elapsed seconds."""

    cron: str
    duration_seconds: float
    timezone: str


Window = OnceWindow | WeeklyWindow | CronWindow


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours in which a channel keeps messages back.

    Attributes:
        start, end: wall-clock times; an end that is not after the start lies on the next day.
        timezone: a name of the IANA database.
        weekdays: on which they start, Monday is 0.
    """

    start: time
    end: time
    timezone: str
    weekdays: frozenset[int] = EVERY_DAY


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A window in which targets are not expected to work.

    Attributes:
        window: when.
        why: a sentence for people, or None.
        group: only targets of this group, None for all.
        targets: only those with these names, None for all.
    """

    window: Window
    why: str | None = None
    group: str | None = None
    targets: frozenset[str] | None = None

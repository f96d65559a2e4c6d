"""Recurring times: maintenance windows, and quiet hours of channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, time

EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class OnceWindow:
    """A window that opens once: at `start`, a moment with a time zone, for so many elapsed seconds."""

    start: datetime
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class WeeklyWindow:
    """A window on days of the week.

    Attributes:
        weekdays: those on which it starts; Monday is 0.
        start: the wall-clock time of its start, without a time zone.
        duration_seconds: elapsed time, even when the clocks change.
        timezone: a name of the IANA database.
    """

    weekdays: frozenset[int]
    start: time
    duration_seconds: float
    timezone: str


@dataclass(frozen=True, slots=True)
class CronWindow:
    """A window that starts at each moment of a cron expression, in its time zone, for so many elapsed seconds."""

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
        weekdays: those on which they start; Monday is 0.
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
        group: only targets of this group; None for all.
        targets: only those with these names; None for all.
    """

    window: Window
    why: str | None = None
    group: str | None = None
    targets: frozenset[str] | None = None

"""The keys of `config.yaml` for maintenance windows and quiet hours."""

from __future__ import annotations

from typing import Annotated, Literal, Required

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from watcher.config.schema.keys import Key
from watcher.config.schema.limits import MAX_NAME_CHARS
from watcher.config.schema.value_types import ABOVE_ZERO, FILLED, SOME, STRICT, VARIABLE_PATTERN, Duration

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_TIME = "[0-9]{1,2}:[0-9]{2}"
_TIME_OF_DAY = {"pattern": f"^{_TIME}$|{VARIABLE_PATTERN}"}
_ZONE = Key(
    "name of an IANA time zone; daylight saving time is respected",
    default="UTC",
    bounds=FILLED,
    example="Europe/Berlin",
)
_WEEKDAYS = Key(
    "days on which it starts: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`",
    default_text="every day",
    bounds=SOME,
    example="[sat, sun]",
)


@with_config(STRICT)
class QuietHoursKeys(TypedDict, total=False):
    """An item of `quiet_hours`."""

    start: Required[Annotated[str, Key("time of day of the start", bounds=_TIME_OF_DAY, example='"22:00"')]]
    end: Required[
        Annotated[
            str,
            Key(
                "time of day of the end; on the next day if it is not after the start",
                bounds=_TIME_OF_DAY,
                example='"07:00"',
            ),
        ]
    ]
    timezone: Annotated[str | None, _ZONE]
    weekdays: Annotated[list[Weekday] | None, _WEEKDAYS]


@with_config(STRICT)
class MaintenanceKeys(TypedDict, total=False):
    """An item of `maintenance`."""

    start: Annotated[
        str | None,
        Key(
            "date and time of a single window, or time of day of a repeated one",
            bounds={"pattern": f"^(?:[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ])?{_TIME}|{VARIABLE_PATTERN}"},
            example='"2026-12-01T22:00"',
        ),
    ]
    cron: Annotated[
        str | None,
        Key(
            "instead of `start` and `weekdays`: minute, hour, day, month and weekday, as in crontab",
            bounds=FILLED,
            example='"0 3 1 * *"',
        ),
    ]
    duration: Required[
        Annotated[
            Duration,
            Key("how long it lasts, even if the clocks change meanwhile", bounds=ABOVE_ZERO, example="2h"),
        ]
    ]
    weekdays: Annotated[list[Weekday] | None, _WEEKDAYS]
    timezone: Annotated[str | None, _ZONE]
    why: Annotated[
        str | None,
        Key(
            "reason, for people",
            bounds={"pattern": r"\S", "maxLength": MAX_NAME_CHARS},
            example="move to the new rack",
        ),
    ]
    group: Annotated[
        str | None,
        Key("only the targets of this group; not in an entry", bounds=FILLED, example="shop"),
    ]
    targets: Annotated[
        list[str] | None,
        Key("only the targets with these names; not in an entry", bounds=SOME, example="[Checkout]"),
    ]

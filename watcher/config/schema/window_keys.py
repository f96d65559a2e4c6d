"""The keys of `config.yaml` that say when: maintenance and quiet hours."""

from __future__ import annotations

from typing import Annotated, Literal, Required

from pydantic import with_config
from typing_extensions import TypedDict  # pydantic takes none of before Python 3.12 but this

from watcher.config.schema.keys import Key
from watcher.config.schema.limits import MAX_NAME_CHARS
from watcher.config.schema.value_types import ABOVE_ZERO, FILLED, SOME, STRICT, VARIABLE_PATTERN, Duration

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_TIME = "[0-9]{1,2}:[0-9]{2}"
_TIME_OF_DAY = {"pattern": f"^{_TIME}$|{VARIABLE_PATTERN}"}
_ZONE = Key(
    "a name of the IANA database, which knows its daylight saving time",
    default="UTC",
    bounds=FILLED,
    example="Europe/Berlin",
)
_WEEKDAYS = Key(
    "the days on which it starts: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`",
    default_text="every day",
    bounds=SOME,
    example="[sat, sun]",
)


@with_config(STRICT)
class QuietHoursKeys(TypedDict, total=False):
    """An item of `quiet_hours`."""

    start: Required[Annotated[str, Key("the time of day at which they start", bounds=_TIME_OF_DAY, example='"22:00"')]]
    end: Required[
        Annotated[
            str,
            Key(
                "when they end; on the next day, where this is not after the start",
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
            "a date and a time for a window that comes once, a time of day for one that comes again",
            bounds={"pattern": f"^(?:[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ])?{_TIME}|{VARIABLE_PATTERN}"},
            example='"2026-12-01T22:00"',
        ),
    ]
    cron: Annotated[
        str | None,
        Key(
            "in place of `start` and `weekdays`: minute, hour, day, month and weekday, as in crontab",
            bounds=FILLED,
            example='"0 3 1 * *"',
        ),
    ]
    duration: Required[
        Annotated[
            Duration,
            Key("how long it lasts, also where the clocks change meanwhile", bounds=ABOVE_ZERO, example="2h"),
        ]
    ]
    weekdays: Annotated[list[Weekday] | None, _WEEKDAYS]
    timezone: Annotated[str | None, _ZONE]
    why: Annotated[
        str | None,
        Key(
            "a sentence for people",
            bounds={"pattern": r"\S", "maxLength": MAX_NAME_CHARS},
            example="move to the new rack",
        ),
    ]
    group: Annotated[
        str | None,
        Key("only the targets of this group; not in an entry's own", bounds=FILLED, example="shop"),
    ]
    targets: Annotated[
        list[str] | None,
        Key("only the targets of these names; not in an entry's own", bounds=SOME, example="[Checkout]"),
    ]

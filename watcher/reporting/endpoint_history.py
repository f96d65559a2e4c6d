"""Single figures of a target's past, equal to those of `watcher report`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from watcher.history.uptime import Timeline, Uptime
from watcher.postgres.queries.rollups import means_by_bucket
from watcher.postgres.queries.states_and_flips import alive_at_by_location, flips_between

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watcher.model.state import Flip
    from watcher.postgres.db import Database

HOUR = timedelta(hours=1)


async def read_uptime(database: Database, target: str, location: str, since: datetime, now: datetime) -> Uptime:
    """Read the uptime of a window.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        target, location: of the checks.
        since, now: the window, in UTC.
    """
    alive_at = (await alive_at_by_location(database)).get(location)
    flips = await flips_between(database, since, now, [target])
    return Uptime.of(Timeline.of(flips.get((target, location), ()), since=since, until=now, alive_at=alive_at))


async def read_mean_ms(database: Database, target: str, location: str, since: datetime, now: datetime) -> float | None:
    """Read the mean duration of the checks of a window, in milliseconds; None without checks.

    This is a trio-flavoured function; its arguments are those of `read_uptime`.
    """
    means = await means_by_bucket(database, since, now, 1, [target])
    return means.get((target, location), [None])[0]


async def read_hourly_means(
    database: Database, target: str, location: str, hours: int, now: datetime
) -> list[tuple[datetime, float]]:
    """Read the mean duration of the checks of each hour with checks, oldest first, in milliseconds.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        target, location: of the checks.
        hours: the number of whole hours before the present one.
        now: in UTC.
    """
    since = now.replace(minute=0, second=0, microsecond=0) - hours * HOUR
    means: Sequence[float | None] = (
        await means_by_bucket(database, since, since + (hours + 1) * HOUR, hours + 1, [target])
    ).get((target, location), ())
    return [(since + number * HOUR, mean) for number, mean in enumerate(means) if mean is not None]


async def read_flips(database: Database, target: str, location: str, since: datetime, now: datetime) -> list[Flip]:
    """Read the flips of a target, oldest first, with the last one before the window.

    This is a trio-flavoured function; its arguments are those of `read_uptime`.
    """
    return (await flips_between(database, since, now, [target])).get((target, location), [])

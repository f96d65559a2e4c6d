"""What the commands that read the database share: durations back from now, and how it is read."""

from __future__ import annotations

import gc
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from watcher.cli.common import EXIT_INTERRUPTED, cancel_on_signal
from watcher.text.durations import LONGEST_SECONDS, seconds_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from watcher.config.env.settings import Settings
    from watcher.postgres.db import Database

Result = TypeVar("Result")

# So many new objects does a garbage collection wait for: more of them where all that is read is kept.
GARBAGE_THRESHOLD = 100_000
GARBAGE_THRESHOLD_OF_REPORTS = 1_000_000


class DurationType(click.ParamType[timedelta]):
    """A duration with units, as in 30m, 24h, 7d or 1h30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Turn the text into a duration."""
        seconds = seconds_of(str(value))
        if seconds is None:
            self.fail(f"{value!r} is not a duration; write one as in 30m, 24h, 7d or 1h30m", param, ctx)
        return timedelta(seconds=min(seconds, LONGEST_SECONDS))


class MomentType(click.ParamType[datetime]):
    """A time in ISO 8601, or one of the next 24 hours as in 18:30; without a zone, it is that of this machine."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Turn the text into a moment with a time zone."""
        if isinstance(value, datetime):
            return value
        now = datetime.now(UTC).astimezone()
        try:
            if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", value):
                hour, minute, *seconds = map(int, value.split(":"))
                at = now.replace(hour=hour, minute=minute, second=sum(seconds), microsecond=0, tzinfo=None)
                at = (at if at > now.replace(tzinfo=None) else at + timedelta(days=1)).astimezone()
            else:
                at = datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{value!r} is not a time; write one as in 18:30, 2026-12-01T18:30 or 2026-12-01T18:30:00Z", param, ctx
            )
        return at.astimezone(UTC)


until_option = click.option("--until", type=DurationType(), help="Only what was before the last 30m, 24h, 7d ...")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")


def moments(since: timedelta | None, until: timedelta | None) -> tuple[datetime | None, datetime | None]:
    """Turn `--since` and `--until`, both back from now, into the moments that they name; None for one not given.

    Raises:
        click.UsageError: there is no time between them.
    """
    if since is not None and until is not None and since <= until:
        raise click.UsageError("there is no time between --since and --until; --since must be the longer one")
    now = datetime.now(UTC)
    return None if since is None else now - since, None if until is None else now - until


def window(since: timedelta, until: timedelta | None) -> tuple[datetime, datetime]:
    """Turn `--since` and `--until` into a window, which ends now where `--until` is not given; see `moments`."""
    begin, end = moments(since, until)
    assert begin is not None
    return begin, end or begin + since


def read_or_exit(
    settings: Settings, read: Callable[[Database], Awaitable[Result]], garbage_threshold: int = GARBAGE_THRESHOLD
) -> Result:
    """Read from the database of the settings, and end the process when interrupted.

    Args:
        settings: they name the database.
        read: see `read_from`.
        garbage_threshold: how many new objects a garbage collection waits for.
    """
    import trio  # here, since a shell that completes must not wait for it

    # Rows by the hundred thousand are no garbage, and a collection looks at each of them, also the one at the exit.
    gc.set_threshold(garbage_threshold)
    results = trio.run(_read, settings, read)
    gc.freeze()
    if not results:
        # A thread may still be held up by who reads our output, and hold what an orderly exit flushes.
        os._exit(EXIT_INTERRUPTED)
    return results[0]


async def _read(settings: Settings, read: Callable[[Database], Awaitable[Result]]) -> list[Result]:
    """Return the result, or nothing when interrupted: a KeyboardInterrupt could cut off the stop of the server."""
    import trio

    from watcher.postgres.reader import read_from

    results: list[Result] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(cancel_on_signal, nursery.cancel_scope)
        results.append(await read_from(settings, read))
        nursery.cancel_scope.cancel()
    return results

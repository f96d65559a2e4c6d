"""Shared by the commands that read the database: options of time, and the reading itself."""

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

# New objects until a garbage collection; more for reports, which keep every row.
GARBAGE_THRESHOLD = 100_000
GARBAGE_THRESHOLD_OF_REPORTS = 1_000_000


class DurationType(click.ParamType[timedelta]):
    """A duration with units, as in 30m, 24h, 7d or 1h30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse a duration."""
        seconds = seconds_of(str(value))
        if seconds is None:
            self.fail(f"{value!r} is not a duration; write one as in 30m, 24h, 7d or 1h30m", param, ctx)
        return timedelta(seconds=min(seconds, LONGEST_SECONDS))


class MomentType(click.ParamType[datetime]):
    """A time in ISO 8601, or within the next 24 hours, as in 18:30; the default time zone is the machine's."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse a moment with a time zone."""
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


until_option = click.option("--until", type=DurationType(), help="Leave out the last 30m, 24h, 7d ...")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")


def moments(since: timedelta | None, until: timedelta | None) -> tuple[datetime | None, datetime | None]:
    """Turn `--since` and `--until`, both back from now, into moments; None for a missing one.

    Raises:
        click.UsageError: `--since` is not longer than `--until`.
    """
    if since is not None and until is not None and since <= until:
        raise click.UsageError("--since must be longer than --until")
    now = datetime.now(UTC)
    return None if since is None else now - since, None if until is None else now - until


def window(since: timedelta, until: timedelta | None) -> tuple[datetime, datetime]:
    """Turn `--since` and `--until` into a window, which ends now by default; see `moments`."""
    start, end = moments(since, until)
    assert start is not None
    return start, end or start + since


def read_or_exit(
    settings: Settings, read: Callable[[Database], Awaitable[Result]], garbage_threshold: int = GARBAGE_THRESHOLD
) -> Result:
    """Read from the database of the settings; an interruption ends the process.

    Args:
        settings: with the address of the database.
        read: see `read_from`.
        garbage_threshold: the number of new objects until a garbage collection.
    """
    import trio  # imported here, since completion must be quick

    # Rows are not garbage, and each collection, even the one at exit, would visit hundreds of thousands of them.
    gc.set_threshold(garbage_threshold)
    results = trio.run(_read, settings, read)
    gc.freeze()
    if not results:
        # A thread may still wait for a slow reader of our output, and an orderly exit would wait for the thread.
        os._exit(EXIT_INTERRUPTED)
    return results[0]


async def _read(settings: Settings, read: Callable[[Database], Awaitable[Result]]) -> list[Result]:
    """Return the result in a list, empty if interrupted; a KeyboardInterrupt could prevent the server's stop."""
    import trio

    from watcher.postgres.reader import read_from

    results: list[Result] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(cancel_on_signal, nursery.cancel_scope)
        results.append(await read_from(settings, read))
        nursery.cancel_scope.cancel()
    return results

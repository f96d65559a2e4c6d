"""`watcher failures`: what is in the table of failures."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
import trio
from rich.console import Console
from rich.table import Table
from rich.text import Text

from watcher.cli.common import EXIT_INTERRUPTED, cancel_on_signal, env_file_option, env_path, errors_on_one_line
from watcher.config.settings import load_settings
from watcher.model.text import one_line
from watcher.model.timestamps import timestamp
from watcher.storage.reading import read_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.config.settings import Settings

# Off a terminal a row is a line, whatever its length: it goes on to grep.
WIDTH_OFF_A_TERMINAL = 4000

# All that there is, and a moment that a date can still name.
LONGEST_DURATION = timedelta(days=36_500)

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class _Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        match = re.fullmatch(r"(\d{1,7}(?:\.\d{1,6})?)(ms|s|m|h|d)", str(value))
        if match is None:
            self.fail(f"{value!r} is no duration; write one as in 30m, 24h or 7d", param, ctx)
        return min(timedelta(**{_UNITS[match[2]]: float(match[1])}), LONGEST_DURATION)


@click.command()
@click.option("--since", type=_Duration(), help="Only those of the last 30m, 24h, 7d ...")
@click.option("--target", help="Only those of the target with this name.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@env_file_option
def failures(since: timedelta | None, target: str | None, limit: int, as_json: bool, env_file: str | None) -> None:
    """Show the failures that were stored, newest first; the daemon may be running or not.

    Example: watcher failures --since 24h --target Checkout
    """
    path = env_path(env_file)
    with errors_on_one_line():
        settings = load_settings(path)
        begin = None if since is None else datetime.now(UTC) - since
        rows = trio.run(_read, settings, begin, target, limit)
        if rows is None:
            sys.exit(EXIT_INTERRUPTED)
        if as_json:
            click.echo(json.dumps([_plain(row) for row in rows], indent=2))
        else:
            _print_table(rows)


async def _read(
    settings: Settings, since: datetime | None, target: str | None, limit: int
) -> list[dict[str, Any]] | None:
    """Read the rows, or return None when interrupted: a KeyboardInterrupt could cut off the stop of the server."""
    rows = None
    async with trio.open_nursery() as nursery:
        await nursery.start(cancel_on_signal, nursery.cancel_scope)
        rows = await read_from(settings, lambda database: database.failures(since=since, target=target, limit=limit))
        nursery.cancel_scope.cancel()
    return rows


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    moments = {key: timestamp(row[key]) for key in ("scheduled_at", "started_at")}
    return {**row, "id": str(row["id"]), **moments, "duration_ms": round(row["duration_ms"], 3)}


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        click.echo("no failures")
        return
    table = Table("time", "target", "reason", "detail", box=None, pad_edge=False)
    for row in rows:
        cells = (timestamp(row["started_at"]), row["target"], row["reason"], row["detail"])
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OFF_A_TERMINAL
    console.print(table)

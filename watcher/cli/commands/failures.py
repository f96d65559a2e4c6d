"""`watcher failures`: what is in the table of failures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from watcher.cli.common import env_file_option, env_path, errors_on_one_line
from watcher.cli.options import Duration, json_option, moments, read_or_exit, until_option
from watcher.cli.target_names import complete_target
from watcher.cli.views.screen import console_for_stdout, print_to
from watcher.cli.views.wording import styled
from watcher.config.env.settings import load_settings
from watcher.model.outcome import Reason
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta


@click.command()
@click.option("--since", type=Duration(), help="Only those of the last 30m, 24h, 7d ...")
@until_option
@click.option("--target", shell_complete=complete_target, help="Only those of the target with this name.")
@click.option("--reason", type=click.Choice([str(reason) for reason in Reason]), help="Only those with this reason.")
@click.option("--location", help="Only those that were seen from this location.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="How many at most.")
@json_option
@env_file_option
def failures(
    since: timedelta | None,
    until: timedelta | None,
    limit: int,
    as_json: bool,
    env_file: str | None,
    **equal: str | None,
) -> None:
    """Show the failures that were stored, newest first; the daemon may be running or not.

    Exit status: 0 good (there may be none), 1 no database, 2 bad configuration or usage.

    Example: watcher failures --since 24h --target Checkout
    """
    path = env_path(env_file)
    begin, end = moments(since, until)
    with errors_on_one_line():
        settings = load_settings(path)
        rows = read_or_exit(
            settings,
            lambda database: database.failures(since=begin, until=end, limit=limit, **equal),
        )
        if as_json:
            click.echo(json.dumps([as_json_object(row) for row in rows], indent=2))
        else:
            _print_table(rows)


def as_json_object(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `--json` says of a failure."""
    times = {key: timestamp(row[key]) for key in ("scheduled_at", "started_at")}
    return {**row, "id": str(row["id"]), **times, "duration_ms": round(row["duration_ms"], 3)}


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        click.echo("no failures")
        return
    table = Table("time", "target", "reason", "detail", box=None, pad_edge=False)
    for row in rows:
        cells = (timestamp(row["started_at"]), row["target"], row["reason"], row["detail"])
        table.add_row(*map(styled, cells))
    print_to(console_for_stdout(), table)

"""`watcher alerts`: shows open incidents and notifications, or replays what would have been sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from watcher.cli.common import EXIT_NO_DATABASE, env_file_option, env_path, errors_on_one_line
from watcher.cli.options import DurationType, json_option, read_or_exit, window
from watcher.cli.views.alerts_table import alerts_table
from watcher.cli.views.screen import console_for_stdout, print_to
from watcher.config.env.settings import load_settings
from watcher.reporting.alerts import alerts_as_json, read_alerts

if TYPE_CHECKING:
    from datetime import timedelta


@click.command()
@click.option("--since", type=DurationType(), default="7d", show_default=True, help="Only the last 30m, 24h, 7d ...")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="The maximum number of notifications.",
)
@click.option("--dry-run", is_flag=True, help="Send nothing; show what the present configuration would have sent.")
@json_option
@env_file_option
def alerts(since: timedelta, limit: int, dry_run: bool, as_json: bool, env_file: str | None) -> None:
    """Show open incidents, and notifications with their channel and result, newest first.

    With --dry-run, replay the history in the database with the present config file: show the notifications that it
    would have sent, oldest first, and their number per channel. Nothing is sent or written.

    Exit status: 0 success (even if an incident is open), 2 bad configuration or usage, 3 no database.

    Example: watcher alerts --dry-run --since 30d
    """
    path = env_path(env_file)
    if dry_run:
        if click.get_current_context().get_parameter_source("limit") is not ParameterSource.DEFAULT:
            raise click.UsageError("--limit cannot be used with --dry-run, which shows everything")
        from watcher.cli.dry_run import show_dry_run

        with errors_on_one_line(EXIT_NO_DATABASE):
            show_dry_run(path, since, as_json=as_json)
        return
    with errors_on_one_line(EXIT_NO_DATABASE):
        start, _ = window(since, None)
        found = read_or_exit(load_settings(path), lambda database: read_alerts(database, start, limit))
        if as_json:
            click.echo(json.dumps(alerts_as_json(found), indent=2))
        else:
            print_to(console_for_stdout(), alerts_table(found))

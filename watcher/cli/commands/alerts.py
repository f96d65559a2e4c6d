"""`watcher alerts`: what is open, and what became of notifications, or what would have been sent."""

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
@click.option("--since", type=DurationType(), default="7d", show_default=True, help="Only of the last 30m, 24h, 7d ...")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many at most.")
@click.option(
    "--dry-run", is_flag=True, help="Send nothing: show what the present configuration would have sent in that time."
)
@json_option
@env_file_option
def alerts(since: timedelta, limit: int, dry_run: bool, as_json: bool, env_file: str | None) -> None:
    """Show what is open now, and which notifications went where and what became of them, newest first.

    With --dry-run, show what the channels of the config file, as they are now, would have been sent for the history
    in the database, oldest first, then how much that is. Nothing is sent, and nothing is written.

    Exit status: 0 good (whatever is open), 2 bad configuration or usage, 3 no database.

    Example: watcher alerts --dry-run --since 30d
    """
    path = env_path(env_file)
    if dry_run:
        if click.get_current_context().get_parameter_source("limit") is not ParameterSource.DEFAULT:
            raise click.UsageError("--limit does not go with --dry-run, which shows everything")
        from watcher.cli.dry_run import show_dry_run

        with errors_on_one_line(EXIT_NO_DATABASE):
            show_dry_run(path, since, as_json=as_json)
        return
    with errors_on_one_line(EXIT_NO_DATABASE):
        begin, _ = window(since, None)
        found = read_or_exit(load_settings(path), lambda database: read_alerts(database, begin, limit))
        if as_json:
            click.echo(json.dumps(alerts_as_json(found), indent=2))
        else:
            print_to(console_for_stdout(), alerts_table(found))

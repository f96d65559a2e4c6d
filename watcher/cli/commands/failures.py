"""`watcher failures`: shows stored failures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from watcher.cli.common import env_file_option, env_path, errors_on_one_line
from watcher.cli.options import DurationType, json_option, moments, read_or_exit, until_option
from watcher.cli.target_names import complete_target, never_watched
from watcher.cli.views.failures_table import failures_table
from watcher.cli.views.screen import console_for_stdout, print_to
from watcher.config.env.settings import load_settings
from watcher.model.outcome import Reason
from watcher.reporting.failures import failure_as_json, read_failures

if TYPE_CHECKING:
    from datetime import timedelta


@click.command()
@click.option("--since", type=DurationType(), help="Only the last 30m, 24h, 7d ...")
@until_option
@click.option("--target", shell_complete=complete_target, help="Only failures of this target.")
@click.option("--reason", type=click.Choice([str(reason) for reason in Reason]), help="Only failures with this reason.")
@click.option("--location", help="Only failures seen from this location.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="At most this many.")
@json_option
@env_file_option
def failures(
    since: timedelta | None,
    until: timedelta | None,
    target: str | None,
    limit: int,
    as_json: bool,
    env_file: str | None,
    **equal: str | None,
) -> None:
    """Show stored failures, newest first; the daemon may be running or not.

    Exit status: 0 success (even without failures), 1 no database or no such target, 2 bad configuration or usage.

    Example: watcher failures --since 24h --target Checkout
    """
    path = env_path(env_file)
    start, end = moments(since, until)
    with errors_on_one_line():
        settings = load_settings(path)
        rows = read_or_exit(
            settings,
            lambda database: read_failures(database, target, since=start, until=end, limit=limit, **equal),
        )
        if rows is None:
            raise never_watched(target or "")
        if as_json:
            click.echo(json.dumps([failure_as_json(row) for row in rows], indent=2))
        else:
            print_to(console_for_stdout(), failures_table(rows))

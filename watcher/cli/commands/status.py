"""`watcher status`: shows the present state of each target."""

from __future__ import annotations

import json
import sys

import click

from watcher.cli.common import EXIT_ERROR, EXIT_NO_DATABASE, env_file_option, env_path, errors_on_one_line
from watcher.cli.options import json_option, read_or_exit
from watcher.cli.views.screen import console_for_stdout, print_lines
from watcher.cli.views.status_lines import status_lines
from watcher.config.env.settings import load_settings
from watcher.history.present_state import FINE, that_count
from watcher.reporting.status import present_as_json, read_status


@click.command()
@json_option
@env_file_option
def status(as_json: bool, env_file: str | None) -> None:
    """Show the present state of each target; the daemon may be running or not.

    A target is unknown if no daemon watches it any more. If several locations watch a target together, their common
    state counts, and the state at each location is shown below it.

    Exit status: 0 all targets are up, degraded, paused or in maintenance, 1 one is not, 3 no database.

    Example: watcher status
    """
    path = env_path(env_file)
    with errors_on_one_line(EXIT_NO_DATABASE):
        presents = read_or_exit(load_settings(path), read_status)
        if as_json:
            click.echo(json.dumps([present_as_json(present) for present in presents], indent=2))
        else:
            print_lines(console_for_stdout(), status_lines(presents))
        sys.exit(0 if all(present.state in FINE for present in that_count(presents)) else EXIT_ERROR)

"""`watcher replicas`: shows the daemons that share the targets of a location."""

from __future__ import annotations

import json

import click

from watcher.cli.common import EXIT_NO_DATABASE, env_file_option, env_path, errors_on_one_line
from watcher.cli.options import json_option, read_or_exit
from watcher.cli.views.replicas_table import replicas_table
from watcher.cli.views.screen import console_for_stdout, print_to
from watcher.config.env.settings import load_settings
from watcher.reporting.replicas import read_replicas, replicas_as_json


@click.command()
@json_option
@env_file_option
def replicas(as_json: bool, env_file: str | None) -> None:
    """Show the daemons that share the targets of each location, their number of targets, and their lateness.

    A replica is `agreed` when it checks its share. `changing`, `joining` and `leaving` last seconds; a replica that was
    not heard of for longer is `gone`. Replicas with another configuration share the targets of that configuration. If
    several locations watch a target, the replicas of all locations are also listed under `*`, with the number of
    targets that each decides on.

    Exit status: 0 success, with or without replicas, 3 no database.

    Example: watcher replicas
    """
    path = env_path(env_file)
    with errors_on_one_line(EXIT_NO_DATABASE):
        found = read_or_exit(load_settings(path), read_replicas)
        if as_json:
            click.echo(json.dumps(replicas_as_json(found), indent=2))
        else:
            print_to(console_for_stdout(), replicas_table(found))

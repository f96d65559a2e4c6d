"""`watcher rename`: moves the history of a target to another name."""

from __future__ import annotations

import click

from watcher.cli.common import MAX_ERROR_CHARS, env_file_option, env_path, errors_on_one_line
from watcher.cli.options import read_or_exit
from watcher.cli.target_names import complete_target
from watcher.config.env.settings import load_settings
from watcher.postgres.queries.rename_target import Renamed, rename_target
from watcher.text.escaping import one_line


@click.command()
@click.argument("old", shell_complete=complete_target)
@click.argument("new", shell_complete=complete_target)
@env_file_option
def rename(old: str, new: str, env_file: str | None) -> None:
    """Move the history of the target OLD to the target NEW; the daemon may be running or not.

    Rename the target in the config file first: a target that is still watched keeps its history. Where both have a
    history, the one of NEW counts: the flips of OLD since the first flip of NEW are deleted. Entries of OLD that a
    daemon still holds are moved within a minute of their arrival.

    Exit status: 0 success, 1 no database, or OLD is still watched, 2 bad configuration or usage.

    Example: watcher rename Checkout "Checkout EU"
    """
    if old == new:
        raise click.UsageError("OLD and NEW are the same name")
    if not new.strip():
        raise click.UsageError("NEW is empty")
    path = env_path(env_file)
    with errors_on_one_line():
        renamed = read_or_exit(load_settings(path), lambda database: rename_target(database, old, new))
        click.echo(one_line(f"{old} is {new} now: {rename_summary(renamed)}", limit_chars=MAX_ERROR_CHARS))


def rename_summary(renamed: Renamed) -> str:
    """Return the number of renamed rows by table, as in `12 failures, 3 flips, 1 state, 90 rollups`."""
    counts = {
        "failure": renamed.failures,
        "flip": renamed.flips,
        "state": renamed.states,
        "rollup": renamed.rollups,
    }
    text = ", ".join(_counted(count, noun) for noun, count in counts.items())
    given_way = [
        _counted(count, noun)
        for count, noun in ((renamed.flips_left_out, "flip"), (renamed.states_left_out, "state"))
        if count
    ]
    return f"{text}; {' and '.join(given_way)} gave way to its own" if given_way else text


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"

"""`watcher ack`: acknowledges an open incident."""

from __future__ import annotations

import click

from watcher.alerting.silences.orders import OrderError, new_ack
from watcher.cli.commands.silence import NOT_TOLD_YET
from watcher.cli.common import EXIT_NO_DATABASE, MAX_ERROR_CHARS, env_file_option, env_path, errors_on_one_line
from watcher.cli.target_names import complete_target, configured_or_exit, login_name
from watcher.text.escaping import one_line


@click.command()
@click.argument("name", shell_complete=complete_target)
@click.option("--why", default="", help="The reason or a note.")
@click.option("--by", default=login_name, help="Who acknowledges; your login name by default.")
@env_file_option
def ack(name: str, why: str, by: str, env_file: str | None) -> None:
    """Acknowledge the open incident of a target: no more reminders, and no escalation.

    The recovery is still sent. The open incident is looked up at the daemon in WATCHER_DATA_DIR, or in PostgreSQL if
    no daemon is running there.

    Exit status: 0 success, 1 nothing is open, 2 bad configuration or usage, 3 neither a daemon nor a database.

    Example: watcher ack Checkout --why "the provider is at it"
    """
    path = env_path(env_file)
    with errors_on_one_line(EXIT_NO_DATABASE):
        settings = configured_or_exit(path, [name]).settings
        from watcher.cli.orders import give, is_open, moment  # imported here, since completion must be quick

        try:
            new = new_ack(name, at=moment(settings), why=why, by=by)
        except OrderError as error:
            raise click.UsageError(f"--{error.field} {error}") from None
        if not is_open(settings, name):
            raise click.ClickException(one_line(f"nothing is open at {name}", limit_chars=MAX_ERROR_CHARS))
        rest = "" if give(settings, new) else NOT_TOLD_YET
        text = f"{name} is acknowledged: no reminders, and no escalation, until it is over{rest}"
        click.echo(one_line(text, limit_chars=MAX_ERROR_CHARS))

"""The commands: one small file each, which reads arguments, calls, and prints."""

from __future__ import annotations

import sys
from typing import Any

import click

from watcher import __version__, log
from watcher.cli.common import MAX_ERROR_CHARS, env_file_option
from watcher.cli.failures import failures
from watcher.cli.run import run
from watcher.cli.validate import validate
from watcher.model.text import one_line


class _ShortErrors(click.Group):
    """Ends a usage error in one line on stderr, as every other error."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().main(*arguments, **{**options, "standalone_mode": False})
        except click.ClickException as error:
            click.echo(one_line(f"watcher: {error.format_message()}", limit_chars=MAX_ERROR_CHARS), err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(130)


@click.group(cls=_ShortErrors, invoke_without_command=True)
@click.version_option(__version__, prog_name="watcher")
@env_file_option
@click.pass_context
def main(context: click.Context, env_file: str | None) -> None:
    """Watch websites: failures go to PostgreSQL, successes to monitor.log.

    Without a command it runs the daemon, as `watcher run`.

    Example: watcher --env-file .env
    """
    log.configure()
    if context.invoked_subcommand is None:
        context.invoke(run, env_file=env_file)


main.add_command(run)
main.add_command(validate)
main.add_command(failures)

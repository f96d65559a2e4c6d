"""The commands: one small file each, which reads arguments, calls, and prints."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from watcher import __version__, log
from watcher.cli.check import check
from watcher.cli.common import MAX_ERROR_CHARS, env_file_option
from watcher.cli.export import export
from watcher.cli.failures import failures
from watcher.cli.rename import rename
from watcher.cli.report import report
from watcher.cli.run import run
from watcher.cli.status import status
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


def _open_closed_streams() -> None:
    """Give descriptors 0 to 2 to /dev/null where they are closed, or the next files opened would get them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


@click.group(cls=_ShortErrors, invoke_without_command=True)
@click.version_option(__version__, prog_name="watcher")
@env_file_option
@click.pass_context
def main(context: click.Context, env_file: str | None) -> None:
    """Watch websites: failures go to PostgreSQL, successes to monitor.log.

    Without a command it runs the daemon, as `watcher run`.

    Example: watcher --env-file .env
    """
    _open_closed_streams()
    log.configure()
    if context.invoked_subcommand is None:
        context.invoke(run, env_file=env_file)


main.add_command(run)
main.add_command(validate)
main.add_command(check)
main.add_command(failures)
main.add_command(status)
main.add_command(report)
main.add_command(export)
main.add_command(rename)

"""The commands: one small file each, which reads arguments, calls, and prints."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import click

from watcher import __version__
from watcher.cli.group import LazyGroup
from watcher.text.escaping import one_line

MAX_ERROR_CHARS = 2000


class _ShortErrors(LazyGroup):
    """Ends a usage error in one line on stderr, as every other error."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        # `python -m watcher` is the same program: it is completed, and named in help, as that.
        options.setdefault("prog_name", "watcher")
        if "_WATCHER_COMPLETE" in os.environ:
            from watcher.cli.commands.completion import install_shells

            install_shells()
        # Of the daemon, SIGHUP asks for a reload: from the first moment on it waits until that can be.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            return super().main(*arguments, **{**options, "standalone_mode": False})
        except click.ClickException as error:
            message = error.format_message()
            if isinstance(error, click.MissingParameter):  # click breaks the choices in it into lines
                message = " ".join(message.split())
            click.echo(one_line(f"watcher: {message}", limit_chars=MAX_ERROR_CHARS), err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(130)


def _open_closed_streams() -> None:
    """Give descriptors 0 to 2 to /dev/null where they are closed, or the next files opened would get them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


@click.group(
    cls=_ShortErrors,
    invoke_without_command=True,
    # In the order in which a user meets them; the help of each is told here without reading its module.
    summaries={
        "init": "Write a first configuration, where there is none.",
        "validate": "Tell every mistake in the configuration; start nothing.",
        "check": "Check now, once, and show where the time went.",
        "run": "Run the daemon (what happens without a command).",
        "status": "Show where each target stands now.",
        "failures": "Show the failures that were stored, newest first.",
        "report": "Tell how reliable each target was.",
        "export": "Write the history as lines of JSON.",
        "alerts": "Show what is open, and what became of notifications.",
        "notify": "Send a test message to channels, and tell what they answer.",
        "silence": "Send no notifications about targets for a while.",
        "ack": "Acknowledge what is open: no reminders of it.",
        "replicas": "Show which daemons share the targets.",
        "rename": "Join the history of a target to another name.",
        "completion": "Print the script that completes commands in a shell.",
    },
)
@click.version_option(__version__, prog_name="watcher")
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False),
    help="The file of settings, .env by default; real environment variables win over it.",
)
@click.pass_context
def main(context: click.Context, env_file: str | None) -> None:
    """Watch websites: failures go to PostgreSQL, successes to monitor.log.

    Without a command it runs the daemon, as `watcher run`. To begin: `watcher init`, then `watcher run`.

    Example: watcher --env-file .env

    \b
    Files:
      .env                 settings; a real environment variable wins over it
      config/config.yaml   what to watch: the file, or folder, that .env names
      monitor.log          a line for every check that succeeds
      data/                the database, where .env names none; what waits for it
    Every key of the first two is explained in docs/configuration.md.

    Exit status: 0 good, 1 an error, 2 bad configuration or usage; `watcher COMMAND --help` says what else it may be.
    """
    # Both would be of no use to completion in a shell, which must be quick.
    from watcher import log

    _open_closed_streams()
    log.configure()
    if context.invoked_subcommand not in {None, "run"}:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    if context.invoked_subcommand is None:
        run = main.get_command(context, "run")
        assert run is not None
        context.invoke(run, env_file=env_file)

"""The command line: one small module per command, which parses arguments, calls the code and prints."""

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
    """Prints a usage error as one line on stderr, like every other error."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        # `python -m watcher` has the same name in completion and help.
        options.setdefault("prog_name", "watcher")
        if "_WATCHER_COMPLETE" in os.environ:
            from watcher.cli.commands.completion import install_shells

            install_shells()
        # SIGHUP asks the daemon to reload; block it from the start, so that it waits until the daemon can.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            return super().main(*arguments, **{**options, "standalone_mode": False})
        except click.ClickException as error:
            message = error.format_message()
            if isinstance(error, click.MissingParameter):  # click writes the choices on several lines
                message = " ".join(message.split())
            click.echo(one_line(f"watcher: {message}", limit_chars=MAX_ERROR_CHARS), err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(130)


def _open_closed_streams() -> None:
    """Open /dev/null at closed descriptors 0 to 2, or the next opened files would get these."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


@click.group(
    cls=_ShortErrors,
    invoke_without_command=True,
    # In the order of use. The summaries are here, so that help does not import every module.
    summaries={
        "init": "Write a first configuration if there is none.",
        "validate": "Check the configuration and report every mistake.",
        "check": "Check targets once, now, and show the timing.",
        "run": "Run the daemon (the default command).",
        "status": "Show the present state of each target.",
        "failures": "Show stored failures, newest first.",
        "report": "Show uptime, incidents and percentiles per target.",
        "export": "Write the history as JSON lines.",
        "alerts": "Show open incidents and sent notifications.",
        "notify": "Send a test message to channels and show their answers.",
        "silence": "Stop notifications about targets for a while.",
        "ack": "Acknowledge an open incident: no more reminders.",
        "replicas": "Show which daemons share the targets.",
        "rename": "Move the history of a target to another name.",
        "completion": "Print the completion script for a shell.",
    },
)
@click.version_option(__version__, prog_name="watcher")
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False),
    help="Settings file, .env by default; environment variables override it.",
)
@click.pass_context
def main(context: click.Context, env_file: str | None) -> None:
    """Monitor websites: failures are stored in PostgreSQL, successes in monitor.log.

    Without a command, run the daemon, as `watcher run` does. To start: `watcher init`, then `watcher run`.

    Example: watcher --env-file .env

    \b
    Files:
      .env                 settings; environment variables override it
      config/config.yaml   the targets; .env names this file, or a folder
      monitor.log          one line per successful check
      data/                the outbox, and the embedded database
    docs/configuration.md explains every key of the first two.

    Exit status: 0 success, 1 error, 2 bad configuration or usage; `watcher COMMAND --help` lists others.
    """
    # Imported here, since shell completion needs neither and must be quick.
    from watcher import log

    _open_closed_streams()
    log.configure()
    if context.invoked_subcommand not in {None, "run"}:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    if context.invoked_subcommand is None:
        run = main.get_command(context, "run")
        assert run is not None
        context.invoke(run, env_file=env_file)

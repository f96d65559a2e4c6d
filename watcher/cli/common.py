"""Shared by the commands: the `--env-file` option, and the handling of errors."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher.config.mistakes import ConfigurationError, log_event_of, shown
from watcher.text.escaping import one_line
from watcher.text.log_events import LogEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import trio

DEFAULT_ENV_FILE = ".env"
MAX_ERROR_CHARS = 2000
EXIT_ERROR = 1
EXIT_BAD_CONFIGURATION = 2
EXIT_NO_DATABASE = 3  # of commands that use 1 for something else
EXIT_INTERRUPTED = 130

env_file_option = click.option(
    "--env-file",
    type=click.Path(dir_okay=False),
    help=f"Settings file, {DEFAULT_ENV_FILE} by default; environment variables override it.",
)


def on_stderr(line: str) -> None:
    """Write a line for people to stderr."""
    click.echo(one_line(line, limit_chars=MAX_ERROR_CHARS), err=True)


@contextmanager
def errors_on_one_line(error_status: int = EXIT_ERROR, tell: Callable[[LogEvent], None] = on_stderr) -> Iterator[None]:
    """Turn every error that a user can mend into a line on stderr and an exit status.

    Args:
        error_status: the exit status of every error except a bad configuration.
        tell: writes a line.
    """
    try:
        yield
    except BrokenPipeError:  # the reader is gone; without this, Python would write again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(EXIT_ERROR)
    except Exception as error:
        from watcher.log import redacted  # imports structlog and rich, too slow for completion

        bad_configuration, for_users = _kinds_of_errors()
        # Nurseries and trio-asyncio's loop wrap errors in nested groups.
        errors = list(_leaves(error))
        if not all(isinstance(leaf, for_users) for leaf in errors):
            raise
        for leaf in errors:
            text = redacted(_text_of(leaf))
            other = LogEvent(f"watcher: {text}", "watcher cannot go on", error=text)
            for line in map(log_event_of, leaf.mistakes) if isinstance(leaf, ConfigurationError) else [other]:
                tell(line)
        is_bad_configuration = all(isinstance(leaf, bad_configuration) for leaf in errors)
        sys.exit(EXIT_BAD_CONFIGURATION if is_bad_configuration else error_status)


def env_path(env_file: str | None) -> Path:
    """Return the path of `.env`: from this command, from `watcher` itself, or the default.

    Raises:
        click.UsageError: the given file does not exist.
    """
    context = click.get_current_context()
    given = context.parent.params.get("env_file") if env_file is None and context.parent else env_file
    if given is None:
        return Path(DEFAULT_ENV_FILE)
    try:
        found = Path(given).is_file()
    except OSError:  # a name that is too long, or a folder without permission
        found = False
    if not found:
        raise click.UsageError(f"--env-file: the file {shown(given)} does not exist")
    return Path(given)


async def cancel_on_signal(scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
    """Cancel a scope at SIGINT or SIGTERM; a KeyboardInterrupt could interrupt the clean-up."""
    import trio

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        task_status.started()
        async for _ in received:
            scope.cancel()


def _kinds_of_errors() -> tuple[tuple[type[Exception], ...], tuple[type[Exception], ...]]:
    """Return the errors of a bad configuration, and all errors that a user can mend."""
    # Imported here, since they import most of the program, and completion must be quick.
    from watcher.daemon.errors import UnusablePathError
    from watcher.embedded_postgres.binaries import EmbeddedError
    from watcher.embedded_postgres.folder_lock import FolderLockedError
    from watcher.embedded_postgres.os_user import OsUserError
    from watcher.postgres.errors import StorageError

    bad_configuration = (ConfigurationError, UnusablePathError)
    return bad_configuration, (
        *bad_configuration,
        StorageError,
        EmbeddedError,
        OsUserError,
        FolderLockedError,
        OSError,
    )


def _text_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:  # str(error) starts with the errno
        return error.strerror if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for member in error.exceptions:
            yield from _leaves(member)
    else:
        yield error

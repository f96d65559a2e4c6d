"""What the commands share: the option that names `.env`, and how errors end."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from watcher.app import UnusablePathError
from watcher.config.mistakes import ConfigurationError, shown
from watcher.model.text import one_line
from watcher.storage.account import AccountError
from watcher.storage.binaries import EmbeddedError
from watcher.storage.errors import StorageError
from watcher.storage.folder_lock import FolderLockedError

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_ENV_FILE = ".env"
MAX_ERROR_CHARS = 2000
EXIT_ERROR = 1
EXIT_BAD_CONFIGURATION = 2
EXIT_NO_DATABASE = 3  # of a command whose 1 says something else
EXIT_INTERRUPTED = 130

_BAD_CONFIGURATION = (ConfigurationError, UnusablePathError)
_FOR_USERS = (*_BAD_CONFIGURATION, StorageError, EmbeddedError, AccountError, FolderLockedError, OSError)

env_file_option = click.option(
    "--env-file",
    type=click.Path(dir_okay=False),
    help=f"The file of settings, {DEFAULT_ENV_FILE} by default; real environment variables win over it.",
)


@contextmanager
def errors_on_one_line(error_status: int = EXIT_ERROR) -> Iterator[None]:
    """End the process with the right status, and one line an error, for every error that a user can mend.

    Args:
        error_status: that of every error but a bad configuration.
    """
    try:
        yield
    except BrokenPipeError:  # who read our output has gone; at the exit, Python would try to write it once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(EXIT_ERROR)
    except Exception as error:
        # Nurseries and trio-asyncio's loop wrap what goes wrong in groups, one in the other.
        errors = list(_leaves(error))
        if not all(isinstance(leaf, _FOR_USERS) for leaf in errors):
            raise
        for leaf in errors:
            for line in leaf.mistakes if isinstance(leaf, ConfigurationError) else [f"watcher: {leaf}"]:
                click.echo(one_line(str(line), limit_chars=MAX_ERROR_CHARS), err=True)
        bad_configuration = all(isinstance(leaf, _BAD_CONFIGURATION) for leaf in errors)
        sys.exit(EXIT_BAD_CONFIGURATION if bad_configuration else error_status)


def env_path(env_file: str | None) -> Path:
    """Return the path of `.env`: the one given to this command, or to the group before it, or the default.

    Raises:
        click.UsageError: one was given, and is not there.
    """
    context = click.get_current_context()
    given = context.parent.params.get("env_file") if env_file is None and context.parent else env_file
    if given is None:
        return Path(DEFAULT_ENV_FILE)
    try:
        found = Path(given).is_file()
    except OSError:  # a name that is too long, a folder that may not be entered
        found = False
    if not found:
        raise click.UsageError(f"--env-file: there is no file {shown(given)}")
    return Path(given)


async def cancel_on_signal(
    scope: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Cancel a scope at SIGINT or SIGTERM, where a KeyboardInterrupt would cut off what must be closed."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        task_status.started()
        async for _ in received:
            scope.cancel()


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for member in error.exceptions:
            yield from _leaves(member)
    else:
        yield error

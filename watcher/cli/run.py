"""`watcher run`: the daemon."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import click
import trio

from watcher import log
from watcher.app import STOP_SIGNALS, run_daemon
from watcher.cli.common import env_file_option, env_path, errors_on_one_line
from watcher.config import load_configuration
from watcher.garbage import stop_collecting

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.config import Configuration


@click.command()
@env_file_option
def run(env_file: str | None) -> None:
    """Run the daemon until SIGINT or SIGTERM; SIGHUP makes it read the configuration again.

    Exit status: 0 it was stopped, 1 it could not start or go on, 2 bad configuration or usage.

    Example: watcher run
    """
    # Until the daemon has its own handlers there is nothing to stop, and reading 100,000 targets takes seconds.
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: os._exit(0))
    log.take_over_stderr()
    path = env_path(env_file)
    stop_collecting()  # until run_daemon has made all that stays for good
    with errors_on_one_line():
        read_at = time.time()
        configuration = _loaded(path)
        log.configure(configuration.settings.log_format)
        trio.run(run_daemon, configuration, partial(_loaded, path), read_at)
    # All is closed and flushed: to take 100,000 targets apart, the interpreter would need seconds more.
    os._exit(0)


def _loaded(path: Path) -> Configuration:
    """Read the configuration; what is secret in it appears in no line of the log from then on."""
    configuration = load_configuration(path)
    log.mask([configuration.settings.postgres_password], configuration.targets)
    return configuration

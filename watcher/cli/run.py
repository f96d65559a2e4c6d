"""`watcher run`: the daemon."""

from __future__ import annotations

import logging
import os
import signal

import click
import trio

from watcher.app import run_daemon, stop_signals
from watcher.cli.common import env_file_option, env_path, errors_on_one_line
from watcher.config import load_configuration
from watcher.garbage import stop_collecting


@click.command()
@env_file_option
def run(env_file: str | None) -> None:
    """Run the daemon until SIGINT or SIGTERM.

    Example: watcher run
    """
    # Until the daemon has its own handlers there is nothing to stop, and reading 100,000 targets takes seconds.
    for number in stop_signals():
        signal.signal(number, lambda *_: os._exit(0))
    logging.captureWarnings(True)
    path = env_path(env_file)
    stop_collecting()  # until run_daemon has made all that stays for good
    with errors_on_one_line():
        configuration = load_configuration(path)
        trio.run(run_daemon, configuration)
    # All is closed and flushed: to take 100,000 targets apart, the interpreter would need seconds more.
    os._exit(0)

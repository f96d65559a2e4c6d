"""`watcher run`: the daemon."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import click
import structlog
import trio

from watcher import log
from watcher.alerting.channels.inspection import Inspector
from watcher.cli.common import env_file_option, env_path, errors_on_one_line, on_stderr
from watcher.config import load_configuration
from watcher.config.env.settings import log_format_of
from watcher.config.mistakes import ConfigurationError
from watcher.daemon.garbage import stop_collecting
from watcher.daemon.run import RELOAD_SIGNAL, STOP_SIGNALS, run_daemon
from watcher.secrets.of_channels import secrets_of_alerting

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.config import Configuration
    from watcher.text.log_events import LogEvent


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
    # It waits, see __init__.py, until the daemon takes it; and one that comes after that must not kill what is ending.
    signal.signal(RELOAD_SIGNAL, lambda *_: None)
    log.take_over_stderr()
    path = env_path(env_file)
    stop_collecting()  # until run_daemon has made all that stays for good
    with errors_on_one_line(tell=_tell):
        read_at = time.time()
        try:
            inspector = Inspector()
            configuration = _loaded(path, inspector)
        except ConfigurationError:
            log.configure(log_format_of(path))
            raise
        log.configure(configuration.settings.log_format)
        trio.run(run_daemon, configuration, partial(_loaded, path, inspector), read_at)
    # All is closed and flushed: to take 100,000 targets apart, the interpreter would need seconds more.
    os._exit(0)


def _tell(line: LogEvent) -> None:
    """Tell an error as an event to machines, and to people as every command does."""
    if log.is_json():
        structlog.get_logger().error(line)
    else:
        on_stderr(log.to_stderr("error", line))


def _loaded(path: Path, inspector: Inspector) -> Configuration:
    """Read the configuration; what is secret in it appears in no line of the log from then on."""
    configuration = load_configuration(path, inspect=inspector)
    settings = configuration.settings
    own = (settings.postgres_password, settings.http_password, settings.http_token)
    of_channels = secrets_of_alerting(configuration.alerting)
    log.mask([*filter(None, own), *configuration.secrets, *of_channels], configuration.targets)
    return configuration

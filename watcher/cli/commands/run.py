"""`watcher run`: runs the daemon."""

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
    """Run the daemon until SIGINT or SIGTERM; SIGHUP reloads the configuration.

    Exit status: 0 stopped by a signal, 1 an error, 2 bad configuration or usage.

    Example: watcher run
    """
    # Before the daemon has its handlers there is nothing to stop, and reading 100,000 targets takes seconds.
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: os._exit(0))
    # SIGHUP is blocked until the daemon handles it, see __init__.py; a later one must not kill a stopping daemon.
    signal.signal(RELOAD_SIGNAL, lambda *_: None)
    log.take_over_stderr()
    path = env_path(env_file)
    stop_collecting()  # run_daemon collects again once all lasting objects exist
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
    # Everything is closed and flushed, and the interpreter would need seconds to free 100,000 targets.
    os._exit(0)


def _tell(line: LogEvent) -> None:
    """Log an error: as a JSON event, or as the line that every command writes."""
    if log.is_json():
        structlog.get_logger().error(line)
    else:
        on_stderr(log.to_stderr("error", line))


def _loaded(path: Path, inspector: Inspector) -> Configuration:
    """Read the configuration, and mask its secrets in the log from then on."""
    configuration = load_configuration(path, inspect=inspector)
    settings = configuration.settings
    own = (settings.postgres_password, settings.http_password, settings.http_token)
    of_channels = secrets_of_alerting(configuration.alerting)
    log.mask([*filter(None, own), *configuration.secrets, *of_channels], configuration.targets)
    return configuration

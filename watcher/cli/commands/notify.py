"""`watcher notify --test`: sends a test message to channels."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from watcher.cli.common import env_file_option, env_path, errors_on_one_line
from watcher.cli.options import json_option
from watcher.cli.target_names import complete_channel
from watcher.config import load_configuration
from watcher.config.mistakes import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.model.alerts.channel import Channel


@click.command()
@click.argument("names", nargs=-1, metavar="[CHANNEL]...", shell_complete=complete_channel)
@click.option("--test", is_flag=True, help="Send a test message (mandatory).")
@json_option
@env_file_option
def notify(names: tuple[str, ...], test: bool, as_json: bool, env_file: str | None) -> None:
    """Send a test message to channels and show the answer of each receiver.

    CHANNEL is the name of a channel in the config file; by default the message is sent to all channels at once.
    Neither a daemon nor a database is needed, and nothing is stored.

    Exit status: 0 all messages are delivered, 1 one is not, 2 bad configuration or usage, 130 interrupted.

    Example: watcher notify --test ops
    """
    if not test:
        raise click.UsageError("--test is missing; it sends a test message")
    path = env_path(env_file)
    with errors_on_one_line():
        configuration = load_configuration(path, with_warnings=False)
        channels = _channels(names, configuration.alerting.channels)
        # Imported here, since completion must be quick.
        from watcher.cli.notify_runner import send_and_show

        sys.exit(send_and_show(channels, as_json=as_json))


def _channels(names: Sequence[str], channels: Sequence[Channel]) -> list[Channel]:
    if not channels:
        raise click.UsageError("the config file does not have `channels`; add one")
    by_name = {channel.name: channel for channel in channels}
    for name in names:
        if name not in by_name:
            raise click.UsageError(f"no channel is called {shown(name)}{did_you_mean(name, list(by_name))}")
    return [by_name[name] for name in dict.fromkeys(names or by_name)]

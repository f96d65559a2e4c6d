"""Runs `watcher alerts --dry-run`: replays the history and shows the notifications that it would have caused."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
import trio

from watcher.alerting.replay import WARM_UP, Replay, told_by_messages
from watcher.cli.options import read_or_exit, window
from watcher.cli.views.dry_run_lines import as_json_end, heading, line_of, summary
from watcher.cli.views.screen import console_for_stdout, print_lines
from watcher.config import load_configuration
from watcher.postgres.queries.silences import former_orders
from watcher.postgres.queries.streaming import stream_flips

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path

    from watcher.cli.views.wording import Line
    from watcher.config import Configuration
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Notification
    from watcher.model.state import Flip
    from watcher.postgres.db import Database


def show_dry_run(env_file: Path, since: timedelta, *, as_json: bool) -> None:
    """Show the notifications of the present configuration for the past; nothing is sent or written.

    Args:
        env_file: path of `.env`.
        since: the length of the window.
        as_json: whether to print one JSON document instead of text.

    Raises:
        click.UsageError: there is no channel for messages.
        ConfigurationError: the configuration has a mistake.
        OSError: the output cannot be written.
    """
    configuration = load_configuration(env_file, with_warnings=False)
    channels = told_by_messages(configuration.alerting.channels)
    if not channels:
        raise click.UsageError("the config file does not have `channels` for messages; add one")
    screen = _Screen(channels, as_json=as_json)
    error = read_or_exit(configuration.settings, partial(_play, configuration, since, screen))
    if error is not None:
        raise error
    screen.end()


async def _play(configuration: Configuration, length: timedelta, screen: _Screen, database: Database) -> OSError | None:
    """Replay the history and show it. Return an output error; raised, it would be wrapped in nested groups."""
    since, until = window(length, None)
    start = since - WARM_UP
    orders = await former_orders(database, start, until)
    targets = {target.name: target for target in configuration.targets}
    zones = {
        channel.name: ZoneInfo(channel.quiet_hours[0].timezone)
        for channel in configuration.alerting.channels
        if channel.quiet_hours
    }
    replay = screen.replay = Replay(configuration.alerting, targets, orders, since, zones)

    def take(flips: Sequence[Flip]) -> None:
        screen.show(message for flip in flips for message in replay.take(flip))

    try:
        combined = frozenset(target.name for target in configuration.targets if target.locations)
        location = configuration.settings.location
        await stream_flips(database, start, until, location, take, combined=combined)
        await trio.to_thread.run_sync(lambda: screen.show(replay.finish(until)), abandon_on_cancel=True)
    except OSError as error:
        return error
    return None


class _Screen:
    """Prints messages to stdout as they come, since they may not fit in memory.

    Attributes:
        replay: the replay that is shown.
    """

    def __init__(self, channels: Sequence[Channel], *, as_json: bool) -> None:
        self.replay: Replay | None = None
        self._names = [channel.name for channel in channels]
        self._console = console_for_stdout()
        self._as_json = as_json
        self._shown = 0

    def show(self, messages: Iterable[Notification]) -> None:
        if self._as_json:
            for text in self._json(messages):
                click.echo(text, nl=False)
        else:
            print_lines(self._console, (line for message in messages for line in self._lines(message)))

    def end(self) -> None:
        assert self.replay is not None
        if self._as_json:
            start = "\n" if self._shown else '{"notifications": ['
            click.echo(start + as_json_end(self.replay))
        else:
            print_lines(self._console, summary(self.replay))

    def _json(self, messages: Iterable[Notification]) -> Iterator[str]:
        for message in messages:
            yield ",\n" if self._shown else '{"notifications": [\n'
            yield json.dumps(message.payload)
            self._shown += 1

    def _lines(self, message: Notification) -> Iterator[Line]:
        if not self._shown:
            yield heading(self._names)
        yield line_of(message, self._names)
        self._shown += 1

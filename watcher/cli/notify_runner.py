"""Runs `watcher notify --test`: sends a message to each channel and shows the results."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import trio
from rich.cells import cell_len

from watcher.alerting.channels.deliver import deliver, open_tools
from watcher.alerting.channels.trial import trial_notification
from watcher.cli.common import EXIT_ERROR, EXIT_INTERRUPTED, cancel_on_signal
from watcher.cli.views.screen import console_for_stdout, print_lines
from watcher.cli.views.wording import Line, shown
from watcher.model.alerts.notification import Delivered, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.alerting.channels.deliver import Tools
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Delivery

MAX_NAME_COLUMNS = 40  # a longer name pushes only its own line to the right

_COLOURS = {"delivered": "bold green", "failed": "bold yellow", "refused": "bold red"}
_RESULT_COLUMNS = max(map(len, _COLOURS))


class _Sent(NamedTuple):
    channel: Channel
    delivery: Delivery
    duration_seconds: float

    @property
    def result(self) -> str:
        """The result in a word; `failed` may succeed later, `refused` will not."""
        if isinstance(self.delivery, Delivered):
            return "delivered"
        return "refused" if isinstance(self.delivery, Refused) else "failed"

    @property
    def answer(self) -> str:
        """The answer of the receiver, or the error."""
        return self.delivery.answer if isinstance(self.delivery, Delivered) else self.delivery.error


def send_and_show(channels: Sequence[Channel], *, as_json: bool) -> int:
    """Send a test message to all channels at once.

    Args:
        channels: in the order of the output.
        as_json: whether to print one JSON document at the end instead of a line per channel.

    Returns:
        the exit status.
    """
    columns = max((cell_len(shown(one.name)) for one in channels if cell_len(one.name) <= MAX_NAME_COLUMNS), default=0)
    console = console_for_stdout()

    def show(sent: _Sent) -> None:
        if not as_json:
            print_lines(console, [_line(sent, columns)])

    results = trio.run(_send_all, channels, show)
    if results is None:
        os._exit(EXIT_INTERRUPTED)  # a hanging name server blocks a thread
    if as_json:
        click.echo(json.dumps([_as_json(sent) for sent in results], indent=2))
    return 0 if all(sent.result == "delivered" for sent in results) else EXIT_ERROR


async def _send_all(channels: Sequence[Channel], show: Callable[[_Sent], None]) -> list[_Sent] | None:
    """Send to all channels and show the results in order, as soon as possible; return None if interrupted."""
    results: dict[int, _Sent] = {}
    next_shown = 0
    unwritable: OSError | None = None

    async def send(index: int, tools: Tools) -> None:
        nonlocal next_shown, unwritable
        channel, started = channels[index], trio.current_time()
        delivery = await deliver(trial_notification(channel.name, datetime.now(UTC)), channel, tools)
        results[index] = _Sent(channel, delivery, trio.current_time() - started)
        try:
            while next_shown in results:
                show(results[next_shown])
                next_shown += 1
        except OSError as error:
            unwritable = error
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        await nursery.start(cancel_on_signal, nursery.cancel_scope)
        async with open_tools() as tools, trio.open_nursery() as senders:
            for index in range(len(channels)):
                senders.start_soon(send, index, tools)
        nursery.cancel_scope.cancel()
    # Raised inside the nurseries, it would be wrapped in nested groups.
    if unwritable is not None:
        raise unwritable
    return [results[index] for index in range(len(channels))] if len(results) == len(channels) else None


def _line(sent: _Sent, columns: int) -> Line:
    name = shown(sent.channel.name)
    cells = (f"{name}{' ' * (columns - cell_len(name))}", f"{sent.result:<{_RESULT_COLUMNS}}", shown(sent.answer))
    return Line("  ".join(cells), _COLOURS[sent.result])


def _as_json(sent: _Sent) -> dict[str, Any]:
    return {
        "channel": sent.channel.name,
        "result": sent.result,
        "answer": sent.answer,
        "duration_ms": round(sent.duration_seconds * 1000, 1),
    }

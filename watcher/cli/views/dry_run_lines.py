"""Formats the result of a dry run: a line per notification, then totals per channel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from watcher.alerting.replay import NIGHT_END, NIGHT_START
from watcher.cli.views.wording import Line, shown
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.alerting.replay import Replay, Tally
    from watcher.model.alerts.notification import Notification

MAX_NAME_COLUMNS = 30

THRESHOLDS = (
    "based on the stored changes of state; other thresholds, intervals or timeouts would have led to other changes"
)
_TIME_COLUMNS = len("2026-11-25T18:00:30.123Z")
_NIGHT = f"from {NIGHT_START:%H} to {NIGHT_END:%H} o'clock"


def heading(channels: Sequence[str]) -> Line:
    """Return the heading of the columns; see `line_of`."""
    return Line(f"{'time':{_TIME_COLUMNS}}  {_column('channel', channels)}  notification")


def line_of(message: Notification, channels: Sequence[str]) -> Line:
    """Return the line of a message.

    Args:
        message: the notification.
        channels: the names of all channels, for the width of their column.
    """
    title = shown(message.payload["title"])
    return Line(f"{timestamp(message.created_at)}  {_column(message.channel, channels)}  {title}")


def summary(replay: Replay) -> Iterator[Line]:
    """Yield the lines at the end: the totals of each channel, and what was left out."""
    if any(tally.kinds for tally in replay.tallies.values()):
        yield Line("")
    for name, tally in replay.tallies.items():
        yield Line(f"{shown(name)}: {_words_of(tally)}")
    flips, targets = replay.left_out.total(), len(replay.left_out)
    if targets:
        yield Line(
            f"left out: {flips} {'change' if flips == 1 else 'changes'} of state of {targets} "
            f"{'target that is' if targets == 1 else 'targets that are'} not in the config file"
        )
    yield Line(THRESHOLDS)


def as_json_end(replay: Replay) -> str:
    """Return the end of the JSON document, after the messages."""
    channels = {name: _tally_as_json(tally) for name, tally in replay.tallies.items()}
    left_out = {"flips": replay.left_out.total(), "targets": sorted(replay.left_out)}
    return f'], "channels": {json.dumps(channels)}, "left_out": {json.dumps(left_out)}}}'


def _words_of(tally: Tally) -> str:
    worst = tally.worst_day
    if worst is None:
        return "no notifications"
    count = tally.kinds.total()
    kinds = ", ".join(f"{number} {kind}" for kind, number in tally.kinds.most_common())
    day, most = worst
    return (
        f"{count} notification{'' if count == 1 else 's'} ({kinds}); "
        f"the most on one day: {most} ({day}); {_NIGHT}: {tally.at_night}"
    )


def _tally_as_json(tally: Tally) -> dict[str, Any]:
    worst = tally.worst_day
    return {
        "notifications": tally.kinds.total(),
        "kinds": dict(tally.kinds.most_common()),
        "worst_day": None if worst is None else {"day": str(worst[0]), "notifications": worst[1]},
        "at_night": tally.at_night,
    }


def _column(name: str, channels: Sequence[str]) -> str:
    columns = min(max(cell_len(shown(one)) for one in ("channel", *channels)), MAX_NAME_COLUMNS)
    return shown(name) + " " * (columns - cell_len(shown(name)))

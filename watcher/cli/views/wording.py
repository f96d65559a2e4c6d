"""Formats states, durations and charts for the terminal. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Span, Text

from watcher.model.state import State
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SHOWN_CHARS = 2000  # addresses are the longest texts
STATE_COLUMNS = max(map(len, State))

STATE_COLOURS = {
    State.PENDING: "cyan",
    State.UP: "bold green",
    State.DEGRADED: "bold yellow",
    State.DOWN: "bold red",
    State.UNKNOWN: "bold magenta",
    State.MAINTENANCE: "blue",
    State.PAUSED: "blue",
}

_BARS = "▁▂▃▄▅▆▇██"  # doubled for the largest value
_GAP = " "


class Line(NamedTuple):
    """A line that can become a `Text`, which is slow to make for every line.

    Attributes:
        plain: the text, safe to print.
        style: of its characters from `start` on.
    """

    plain: str
    style: str = ""
    start: int = 0

    def text(self) -> Text:
        """Return the line with its style."""
        return Text(self.plain, spans=[Span(self.start, len(self.plain), self.style)] if self.style else None)


def shown(text: str) -> str:
    """Make text from a site or a config safe to print in a line."""
    return one_line(text, limit_chars=MAX_SHOWN_CHARS)


def styled(text: str, style: str = "") -> Text:
    """Make text from a site or a config safe to print; rich does not parse markup in a `Text`."""
    return Text(shown(text), style)


def milliseconds(value: float | None) -> str:
    """Format a duration in milliseconds; a dash for None."""
    return "-" if value is None else f"{value:.1f} ms"


def sparkline(values: Sequence[float | None]) -> str:
    """Draw a bar per value, scaled from zero to the largest value; None is blank."""
    highest = max([value for value in values if value is not None], default=0.0)
    highest = highest if highest > 0 else math.inf
    top = len(_BARS) - 1
    return "".join([_GAP if value is None else _BARS[int(value / highest * top)] for value in values])

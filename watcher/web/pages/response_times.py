"""The chart of response times: five phases stacked, with the lines of p50 and p95 and the outages; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from watcher.history.rollup import SERIES
from watcher.web.pages.words import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from watcher.history.rollup import Rollup
    from watcher.reporting.page_history import TargetHistory

_WIDE, _HIGH = 1000, 244
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 6, 16, 26
_STEPS = (1, 2, 2.5, 5, 10)
_LINES = 4
_LABELS = 4
_LEAST_TOP_MS = 1.0
LINES = {"p50": 0.5, "p95": 0.95}


def chart(history: TargetHistory) -> Markup:
    """Draw how long checks took.

    Args:
        history: of the target; what of it lies in the range.
    """
    parts = history.chart
    stacks = [_stack(part) for part in parts]
    lines = {name: [_percentile(part, quantile) for part in parts] for name, quantile in LINES.items()}
    highest = max([*(stack[-1] for stack in stacks if stack), *(value or 0.0 for value in lines["p95"])], default=0.0)
    top_ms = _rounded_up(max(highest, _LEAST_TOP_MS))
    step = (_WIDE - _LEFT - _RIGHT) / len(parts)

    def across(number: float) -> float:
        return round(_LEFT + step * number, 1)

    def down(value_ms: float) -> float:
        return round(_TOP + (_HIGH - _TOP - _BOTTOM) * (1 - value_ms / top_ms), 1)

    drawn = [_grid(top_ms, down), *_times(history, across)]
    for place, phase in enumerate(SERIES[1:]):
        bars = [
            f"M{across(number)} {down(stack[place + 1])}H{across(number + 1)}V{down(stack[place])}H{across(number)}z"
            for number, stack in enumerate(stacks)
            if stack and stack[place + 1] > stack[place]
        ]
        drawn.append(Markup('<path class="{}" d="{}"/>').format(phase, "".join(bars)))
    for name, values in lines.items():
        points = [
            f"M{across(number)} {down(value)}H{across(number + 1)}"
            for number, value in enumerate(values)
            if value is not None
        ]
        drawn.append(Markup('<path class="{}" d="{}"/>').format(name, "".join(points)))
    drawn += _outages(history)
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        _WIDE, _HIGH, _label(history.rollup)
    ) + Markup("").join([*drawn, Markup("</svg>")])


def _percentile(part: Rollup | None, quantile: float) -> float | None:
    return None if part is None else part.percentiles_ms([quantile])[0]


def _stack(part: Rollup | None) -> list[float] | None:
    """Return where each phase begins, and where the last one ends: means over all checks, so that they add up."""
    if part is None or not part.timed():
        return None
    tops = [0.0]
    for series in range(1, len(SERIES)):
        tops.append(tops[-1] + (part.sums_ms[series] or 0.0) / part.timed())
    return tops


def _rounded_up(value: float) -> float:
    power = 1.0
    while power * _STEPS[-1] < value:
        power *= 10
    return next(power * step for step in _STEPS if power * step >= value)


def _grid(top_ms: float, down: Callable[[float], float]) -> Markup:
    drawn = []
    for number in range(_LINES + 1):
        value = top_ms * number / _LINES
        drawn.append(
            Markup('<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text x="{3}" y="{4}">{5}</text>').format(
                _LEFT, _WIDE - _RIGHT, down(value), 0, down(value) + 4, f"{value:,g}"
            )
        )
    return Markup("").join([*drawn, Markup('<text x="0" y="10">ms</text>')])


def _times(history: TargetHistory, across: Callable[[float], float]) -> list[Markup]:
    length, parts = history.until - history.since, len(history.chart)
    style = "%H:%M" if length.days < 1 else "%d %b %H:%M" if length.days <= 7 else "%d %b %Y"
    return [
        Markup('<text x="{}" y="{}">{} UTC</text>').format(
            across(parts * number / _LABELS), _HIGH - 8, f"{history.since + length * number / _LABELS:{style}}"
        )
        for number in range(_LABELS)
    ]


def _outages(history: TargetHistory) -> Sequence[Markup]:
    width, length = _WIDE - _LEFT - _RIGHT, history.until - history.since

    def across(at: datetime) -> float:
        return _LEFT + width * min(1.0, max(0.0, (at - history.since) / length))

    return [
        Markup('<rect class="outage" x="{:.1f}" y="{}" width="{:.1f}" height="{}"><title>down</title></rect>').format(
            across(start), _TOP, max(1.0, across(end) - across(start)), _HIGH - _TOP - _BOTTOM
        )
        for start, end in history.outages
    ]


def _label(rollup: Rollup | None) -> str:
    if rollup is None or not rollup.timed():
        return "Response time: no checks in this time"
    values = [milliseconds(value) for value in rollup.percentiles_ms(list(LINES.values()))]
    return f"Response time: half of the checks within {values[0]}, 95 of 100 within {values[1]}"

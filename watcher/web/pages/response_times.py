"""Draws the chart of response times: stacked phases, the band from p50 to p95, outages and uncounted times; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from watcher.history.rollup import SERIES
from watcher.model.state import State
from watcher.model.wording import duration
from watcher.text.timestamps import timestamp
from watcher.web.pages.words import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from watcher.history.rollup import Rollup
    from watcher.reporting.page_history import TargetHistory

_WIDE, _HIGH = 1000, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 4, 12, 28
_STEPS = (1, 2, 2.5, 5, 10)
_LINES = 4
_LABEL_SPANS = 6
_LEAST_TOP_MS = 1.0
_WEEK_DAYS = 7
LINES = {"p50": 0.5, "p95": 0.95}
_GAP_WORDS = {
    State.UNKNOWN: "not known, and not counted",
    State.MAINTENANCE: "in maintenance, and not counted",
    State.PAUSED: "paused, and not counted",
}


@dataclass(frozen=True, slots=True)
class _Scale:
    """The positions of values and moments."""

    top_ms: float
    since: datetime
    until: datetime
    parts: int

    def of_part(self, number: float) -> float:
        return round(_LEFT + (_WIDE - _LEFT - _RIGHT) * number / self.parts, 1)

    def of_moment(self, at: datetime) -> float:
        place = (at - self.since) / (self.until - self.since)
        return self.of_part(self.parts * min(1.0, max(0.0, place)))

    def of_value(self, value_ms: float) -> float:
        return round(_TOP + (_HIGH - _TOP - _BOTTOM) * (1 - value_ms / self.top_ms), 1)


def chart(history: TargetHistory) -> Markup:
    """Draw the durations of checks.

    Args:
        history: of the target; the part in the range.
    """
    stacks = [_stack(part) for part in history.chart]
    quantiles = [None if part is None else part.percentiles_ms(list(LINES.values())) for part in history.chart]
    tops = [*(stack[-1] for stack in stacks if stack), *(values[-1] or 0.0 for values in quantiles if values)]
    top_ms = _rounded_up(max([*tops, _LEAST_TOP_MS]))
    scale = _Scale(top_ms, history.since, history.until, len(stacks))
    drawn = [
        *_grid(scale),
        *_spans(scale, history),
        *_phases(scale, stacks),
        *_lines(scale, quantiles),
        *_times(scale),
        *_parts(scale, history.chart, quantiles),
    ]
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        _WIDE, _HIGH, _label(history.rollup)
    ) + Markup("").join([*drawn, Markup("</svg>")])


def _stack(part: Rollup | None) -> list[float] | None:
    """Return the start of each phase, and the end of the last one: means over all checks, so that they add up."""
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


def _grid(scale: _Scale) -> Iterator[Markup]:
    for number in range(_LINES + 1):
        value = scale.top_ms * number / _LINES
        unit = " ms" if number == _LINES else ""
        yield Markup(
            '<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text class="value" x="{3}" y="{4}">{5}{6}</text>'
        ).format(
            _LEFT, _WIDE - _RIGHT, scale.of_value(value), _LEFT - 8, scale.of_value(value) + 4, f"{value:,g}", unit
        )


def _times(scale: _Scale) -> Iterator[Markup]:
    length = scale.until - scale.since
    style, name = (
        ("%H:%M", "hour") if length.days <= 1 else ("%d %b", "date") if length.days <= 31 else ("%b %Y", "month")
    )
    spans = length.days if length.days == _WEEK_DAYS else _LABEL_SPANS
    for number in range(spans + 1):
        at = scale.since + length * number / spans
        anchor = "start" if not number else "end" if number == spans else "middle"
        yield Markup('<text class="{}" x="{}" y="{}" data-at="{}" data-style="{}">{}{}</text>').format(
            anchor,
            scale.of_moment(at),
            _HIGH - 6,
            timestamp(at),
            name,
            f"{at:{style}}",
            " UTC" if name == "hour" else "",
        )


def _phases(scale: _Scale, stacks: Sequence[Sequence[float] | None]) -> Iterator[Markup]:
    for place, phase in enumerate(SERIES[1:]):
        bars = [
            f"M{scale.of_part(number)} {scale.of_value(stack[place + 1])}H{scale.of_part(number + 1)}"
            f"V{scale.of_value(stack[place])}H{scale.of_part(number)}z"
            for number, stack in enumerate(stacks)
            if stack and stack[place + 1] > stack[place]
        ]
        yield Markup('<path class="{}" d="{}"/>').format(phase, "".join(bars))


def _lines(scale: _Scale, quantiles: Sequence[Sequence[float | None] | None]) -> Iterator[Markup]:
    """Draw lines through the middle of each part, and the band between them, with gaps where there were no checks."""
    runs: list[list[tuple[float, Sequence[float]]]] = [[]]
    for number, values in enumerate(quantiles):
        known = [value for value in values or () if value is not None]
        if len(known) == len(LINES):
            runs[-1].append((scale.of_part(number + 0.5), [scale.of_value(value) for value in known]))
        elif runs[-1]:
            runs.append([])
    lines = [
        "".join("M" + "L".join(f"{across} {heights[place]}" for across, heights in run) + "h.1" for run in runs if run)
        for place in range(len(LINES))
    ]
    bands = (
        [f"{across} {heights[0]}" for across, heights in run]
        + [f"{across} {heights[-1]}" for across, heights in reversed(run)]
        for run in runs
        if run
    )
    yield Markup('<path class="band" d="{}"/>').format("".join(f"M{'L'.join(points)}z" for points in bands))
    for name, line in zip(LINES, lines, strict=True):
        yield Markup('<path class="{}" d="{}"/>').format(name, line)


def _spans(scale: _Scale, history: TargetHistory) -> Iterator[Markup]:
    spans = [(start, end, "outage", "down") for start, end in history.outages]
    spans += [(start, end, f"gap {state}", _GAP_WORDS[state]) for start, end, state in history.gaps]
    joined: dict[tuple[str, str], list[list[float]]] = {}  # for each kind: left, right, seconds and count
    for start, end, name, words in spans:
        left, right, of_kind = scale.of_moment(start), scale.of_moment(end), joined.setdefault((name, words), [])
        seconds = (end - start).total_seconds()
        if of_kind and left - of_kind[-1][1] < 1.0:  # indistinguishable, and a site may flap for a year
            of_kind[-1] = [of_kind[-1][0], right, of_kind[-1][2] + seconds, of_kind[-1][3] + 1]
        else:
            of_kind.append([left, right, seconds, 1])
    for (name, words), of_kind in joined.items():
        for left, right, seconds, count in of_kind:
            told = f"{words} for {duration(seconds)}" if count == 1 else f"{words} {count} times, {duration(seconds)}"
            yield Markup('<rect class="{}" x="{}" y="{}" width="{:.1f}" height="{}"><title>{}</title></rect>').format(
                name, left, _TOP, max(1.0, right - left), _HIGH - _TOP - _BOTTOM, told
            )


def _parts(
    scale: _Scale, chart_parts: Sequence[Rollup | None], quantiles: Sequence[Sequence[float | None] | None]
) -> Iterator[Markup]:
    """Lay a rectangle with the figures over each part."""
    length = (scale.until - scale.since) / scale.parts
    for number, (part, values) in enumerate(zip(chart_parts, quantiles, strict=True)):
        if part is None or values is None:
            continue
        left = scale.of_part(number)
        at = scale.since + length * number
        figures = ", ".join(f"{name} {milliseconds(value)}" for name, value in zip(LINES, values, strict=True))
        failed = part.checks - sum(part.results.get(result, 0) for result in ("up", "degraded"))
        counts = f"{part.checks:,} checks" + (f", {failed:,} failed" if failed else "")
        yield Markup(
            '<rect class="part" x="{}" y="{}" width="{:.1f}" height="{}" data-at="{}"><title>{} UTC: {}; {}</title>'
            "</rect>"
        ).format(
            left,
            _TOP,
            scale.of_part(number + 1) - left,
            _HIGH - _TOP - _BOTTOM,
            timestamp(at),
            f"{at:%Y-%m-%d %H:%M}",
            figures,
            counts,
        )


def _label(rollup: Rollup | None) -> str:
    if rollup is None or not rollup.timed():
        return "Response time: no checks in this time"
    values = [milliseconds(value) for value in rollup.percentiles_ms(list(LINES.values()))]
    return f"Response time: half of the checks within {values[0]}, 95 of 100 within {values[1]}"

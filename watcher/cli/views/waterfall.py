"""Formats the report of a check for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Group
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from watcher.checking.verdict.judge import expiry
from watcher.cli.views.wording import MAX_SHOWN_CHARS
from watcher.model.outcome import Phases
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rich.console import Console, ConsoleOptions, RenderableType

    from watcher.checking.check import CheckReport
    from watcher.checking.http.exchange import Certificate, Chain
    from watcher.model.outcome import Outcome

MAX_SHOWN_NAMES = 8
MIN_BAR_COLUMNS, MAX_BAR_COLUMNS = 6, 50
REASON_COLUMNS = 9  # of `too_large`, the longest

_COLOURS = {"resolve": "cyan", "connect": "blue", "tls": "magenta", "processing": "green", "transfer": "yellow"}
# A rounding error of float subtraction; every measured time is longer.
_NOTHING_SECONDS = 1e-9


def waterfall(report: CheckReport) -> RenderableType:
    """Show a whole check: each response with its phases, the certificates, and the verdict."""
    outcome, exchange = report.outcome, report.exchange
    title = _text(outcome.target, "bold")
    if outcome.target != outcome.address:
        title.append("  ").append(_text(outcome.address))
    steps = list(_steps(report))
    whole_seconds = sum(step.seconds for step in steps)
    parts: list[RenderableType] = [title]
    start_seconds = 0.0
    for step in steps:
        parts.append(_indented(step.title, 2))
        parts.append(_indented(_bars(step.phases, start_seconds, whole_seconds), 4))
        start_seconds += step.seconds
    if exchange.chain is not None:
        parts.extend(_certificates(exchange.chain, _end_of(outcome)))
    parts.append(_indented(_verdict(outcome), 2))
    parts.extend(_indented(_text(note, before="note: "), 2) for note in outcome.notes)
    return Group(*parts, Text())


def line(outcome: Outcome) -> Text:
    """Show a check in one line: verdict, duration, target and problem."""
    word = "ok" if outcome.ok else str(outcome.fault and outcome.fault.reason)
    text = Text(f"{word:<{REASON_COLUMNS}}", _colour(outcome)).append(
        f" {_milliseconds(outcome.duration_seconds):>11}  "
    )
    text.append(_text(outcome.target))
    why = outcome.degraded if outcome.fault is None else outcome.fault.detail
    return text.append(f"  {_degraded_or_not(outcome)}").append(_text(why)) if why else text


def totals(outcomes: Sequence[Outcome]) -> Text:
    """Count the outcomes, as in `97 succeed, 3 fail`."""
    failing = sum(not outcome.ok for outcome in outcomes)
    degraded = sum(outcome.degraded is not None for outcome in outcomes)
    text = f"{len(outcomes) - failing} succeed{f' ({degraded} degraded)' if degraded else ''}, {failing} fail"
    return Text(text, "bold red" if failing else "bold green")


@dataclass(frozen=True, slots=True)
class _Step:
    """One response, or its absence, and the phases until then."""

    title: Text
    phases: Phases

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in _those_that_happened(self.phases))


def _steps(report: CheckReport) -> Iterator[_Step]:
    outcome, exchange = report.outcome, report.exchange
    rest, address = exchange.phases, outcome.address
    for hop in exchange.hops:
        yield _Step(_response(str(hop.status_code), address, hop.http_version, hop.ip), hop.phases)
        rest, address = _without(rest, hop.phases), hop.location
    status = "no response" if exchange.status_code is None else f"{exchange.status_code} {exchange.reason_phrase}"
    title = _response(status.strip(), address, exchange.http_version, exchange.ip)
    if outcome.body_bytes is not None:
        title.append(f", {outcome.body_bytes} bytes")
    yield _Step(title, rest)


def _without(phases: Phases, others: Phases) -> Phases:
    """Subtract phases from a sum; a phase without time left did not happen."""
    rest: dict[str, float | None] = {}
    for name, seconds in _those_that_happened(phases):
        left = seconds - (getattr(others, name) or 0.0)
        rest[name] = left if left > _NOTHING_SECONDS else None
    return Phases(**rest)


def _those_that_happened(phases: Phases) -> list[tuple[str, float]]:
    return [(name, max(seconds, 0.0)) for name, seconds in phases._asdict().items() if seconds is not None]


def _response(status: str, address: str, http_version: str | None, ip: str | None) -> Text:
    text = _text(status, "bold").append(" ").append(_text(address))
    if http_version:
        text.append(" HTTP/").append(_text(http_version))
    if ip:
        text.append(" from ").append(_text(ip))
    return text


def _bars(phases: Phases, start_seconds: float, whole_seconds: float) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, min_width=10)
    table.add_column()  # shrinks on a narrow terminal
    table.add_column(no_wrap=True, justify="right", min_width=11)
    for name, seconds in _those_that_happened(phases):
        start, end = start_seconds / (whole_seconds or 1), (start_seconds + seconds) / (whole_seconds or 1)
        table.add_row(name, _Bar(start, end, _COLOURS[name]), _milliseconds(seconds))
        start_seconds += seconds
    return table


@dataclass(frozen=True, slots=True)
class _Bar:
    """A bar from one share of the width to another, at least one column wide."""

    start: float
    end: float
    colour: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        width = min(options.max_width, MAX_BAR_COLUMNS)
        first = min(int(self.start * width), width - 1)
        length = max(min(round(self.end * width), width) - first, 1)
        yield Segment(" " * first)
        yield Segment(("#" if options.ascii_only else "━") * length, Style(color=self.colour))
        yield Segment(" " * (width - first - length))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(MIN_BAR_COLUMNS, MAX_BAR_COLUMNS)


def _certificates(chain: Chain, now: datetime) -> Iterator[RenderableType]:
    for number, certificate in enumerate(chain.certificates):
        yield _indented(_text(certificate.subject, "bold", before="certificate " if number == 0 else "then "), 2)
        yield _indented(_certificate(certificate, now), 4)
    if len(chain.certificates) > 1:
        yield _indented(Text(f"the earliest of the chain {expiry(chain.expires_at, now)}"), 2)


def _certificate(certificate: Certificate, now: datetime) -> RenderableType:
    lines = [_text(certificate.issuer, before="issued by "), Text(expiry(certificate.expires_at, now))]
    if certificate.names:
        more = len(certificate.names) - MAX_SHOWN_NAMES
        names = ", ".join(certificate.names[:MAX_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
        lines.insert(0, _text(names, before="for "))
    if certificate.begins_at > now:
        lines.append(Text(f"not valid before {certificate.begins_at:%Y-%m-%d}"))
    return Group(*lines)


def _verdict(outcome: Outcome) -> Text:
    attempts = f", at attempt {outcome.attempts}" if outcome.attempts > 1 else ""
    took = f" in {_milliseconds(outcome.duration_seconds)}{attempts}"
    if outcome.fault is not None:
        text = Text(f"fails{took}: {outcome.fault.reason}: ", _colour(outcome))
        return text.append(_text(outcome.fault.detail))
    text = Text(f"succeeds{took}", _colour(outcome))
    return text.append(f", {_degraded_or_not(outcome)}").append(_text(outcome.degraded)) if outcome.degraded else text


def _degraded_or_not(outcome: Outcome) -> str:
    return "" if outcome.degraded is None else "degraded: "


def _colour(outcome: Outcome) -> str:
    if outcome.fault is not None:
        return "bold red"
    return "bold green" if outcome.degraded is None else "bold yellow"


def _end_of(outcome: Outcome) -> datetime:
    return outcome.started_at + timedelta(seconds=outcome.duration_seconds)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _text(shown: str, style: str = "", *, before: str = "") -> Text:
    """Make text from a site safe to print; rich does not parse markup in a `Text`."""
    return Text(before).append(one_line(shown, limit_chars=MAX_SHOWN_CHARS), style or None)


def _indented(part: RenderableType, columns: int) -> Padding:
    return Padding.indent(part, columns)

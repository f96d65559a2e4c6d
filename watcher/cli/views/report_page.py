"""Formats a report for people. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.cli.views.wording import STATE_COLOURS, Line, milliseconds, shown, sparkline
from watcher.history.incidents import Flapping, Incident
from watcher.history.present_state import STALE_AFTER
from watcher.model.places import COMBINED
from watcher.model.state import State
from watcher.model.wording import duration, why
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from watcher.history.uptime import Uptime
    from watcher.reporting.report_forms import TargetReport

MAX_SHOWN_ENTRIES = 20
NOTHING = Line("no targets are watched")

_HEADING_COLUMNS = 10


def page(reports: Sequence[TargetReport], since: datetime, until: datetime) -> Iterator[Line]:
    """Show a whole report, with a block of lines per target."""
    yield heading(since, until)
    yield from blocks(reports, with_location=has_locations(reports))
    if not reports:
        yield NOTHING


def has_locations(reports: Iterable[TargetReport]) -> bool:
    """Return whether the reports are about several locations."""
    return len({report.present.location for report in reports}) > 1


def heading(since: datetime, until: datetime) -> Line:
    """Show the window of a report."""
    return Line(f"from {timestamp(since)} to {timestamp(until)}")


def blocks(reports: Iterable[TargetReport], *, with_location: bool) -> Iterator[Line]:
    """Show a block of lines per target.

    Args:
        reports: the reports of the targets.
        with_location: whether to show locations; see `has_locations`, called with all reports of the page.
    """
    for report in reports:
        yield Line("")
        yield from _block(report, with_location=with_location)


def _block(report: TargetReport, *, with_location: bool) -> Iterator[Line]:
    present = report.present
    title = shown(present.target)
    is_combined = present.location == COMBINED
    if with_location:
        title += " (all locations)" if is_combined else f" ({shown(present.location)})"
    yield Line(title if present.watched else f"{title} no longer watched", "bold")
    yield _line("uptime", *_uptime(report.uptime))
    if not is_combined:  # no checks belong to all locations
        yield _line("checks", _checks(report))
    if report.checks:
        percentiles = "  ".join(f"{name} {milliseconds(value)}" for name, value in report.percentiles_ms.items())
        yield _line("duration", f"{sparkline(report.means_ms)}  {percentiles}")
    yield from _entries(report.entries)


def _line(heading: str, text: str, colour: str = "", *, indent: str = "") -> Line:
    """Format a line; the text after the indent is coloured."""
    start = f"  {heading:<{_HEADING_COLUMNS}}{indent}"
    return Line(f"{start}{text}", colour, len(start))


def _uptime(uptime: Uptime) -> tuple[str, str]:
    percent = uptime.percent()
    if percent is None:
        text, colour = "not known", ""
    else:
        colour = STATE_COLOURS[State.DOWN if uptime.lengths[State.DOWN] else State.UP]
        text = f"{percent:.3f} % of {duration(uptime.known_seconds)}"
    for state, length in uptime.lengths.items():
        # The last seconds are always unknown: the daemon records only every few seconds that it is alive.
        if length and state is not State.UP and (state is not State.UNKNOWN or length >= STALE_AFTER):
            text += f", {state} {duration(length.total_seconds())}"
    return text, colour


def _checks(report: TargetReport) -> str:
    failures = report.failures
    failed = sum(failures.values())
    by_reason = ", ".join(f"{reason} {count:,}" for reason, count in failures.items())
    return f"{report.checks:,}, {failed:,} failed" + (f": {by_reason}" if failed else "")


def _entries(entries: Sequence[Incident | Flapping]) -> Iterator[Line]:
    """Show the latest incidents, newest first."""
    for number, entry in enumerate(reversed(entries[-MAX_SHOWN_ENTRIES:])):
        parts = _incident(entry) if isinstance(entry, Incident) else _flapping(entry)
        yield _line("" if number else "incidents", *parts, indent=f"{timestamp(entry.start)}  ")
    if len(entries) > MAX_SHOWN_ENTRIES:
        yield _line("", f"and {len(entries) - MAX_SHOWN_ENTRIES} more; --json shows all")


def _incident(incident: Incident) -> tuple[str, str]:
    text = f"down {duration(incident.length_seconds)}"
    notes = []
    if incident.end is None:
        notes.append("still open")
    elif not incident.end_is_exact:
        notes.append("its end is not known exactly")
    if incident.down_seconds < incident.length_seconds:
        notes.append(f"{duration(incident.down_seconds)} of it known")
    if notes:
        text += f" ({', '.join(notes)})"
    if incident.cause is not None:
        text += f"  {shown(why(incident.cause.reason, incident.cause.detail))}"
    return text, STATE_COLOURS[State.DOWN]


def _flapping(run: Flapping) -> tuple[str, str]:
    text = f"flapping {duration(run.length_seconds)} ({run.flips} flips, down {duration(run.down_seconds)})"
    return text, STATE_COLOURS[State.DEGRADED]

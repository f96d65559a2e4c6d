"""How a report looks to people: a pure function of what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from watcher.cli.views.wording import STATE_COLOURS, milliseconds, sparkline, styled
from watcher.history.incidents import Flapping, Incident
from watcher.history.present_state import STALE_AFTER
from watcher.model.state import State
from watcher.reporting.wording import duration, why
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from watcher.history.uptime import Uptime
    from watcher.reporting.report_forms import TargetReport

MAX_SHOWN_ENTRIES = 20

_HEADING_COLUMNS = 10


def page(reports: Sequence[TargetReport], since: datetime, until: datetime) -> Iterator[Text]:
    """Show all of a report, a block of lines a target."""
    with_location = len({report.present.location for report in reports}) > 1
    yield Text(f"from {timestamp(since)} to {timestamp(until)}")
    for report in reports:
        yield Text()
        yield from _block(report, with_location=with_location)
    if not reports:
        yield Text("no targets are watched")


def _block(report: TargetReport, *, with_location: bool) -> Iterator[Text]:
    present = report.present
    title = styled(present.target, "bold")
    if with_location:
        title.append(" (").append(styled(present.location)).append(")")
    if not present.watched:
        title.append(" no longer watched")
    yield title
    yield _headed("uptime").append(_uptime(report.uptime))
    yield _headed("checks").append(_checks(report))
    if report.checks:
        percentiles = "  ".join(f"{name} {milliseconds(value)}" for name, value in report.percentiles_ms.items())
        yield _headed("duration").append(f"{sparkline(report.means_ms)}  {percentiles}")
    yield from _entries(report.entries)


def _headed(heading: str) -> Text:
    return Text(f"  {heading:<{_HEADING_COLUMNS}}")


def _uptime(uptime: Uptime) -> Text:
    percent = uptime.percent()
    if percent is None:
        text = Text("nothing is known")
    else:
        colour = STATE_COLOURS[State.DOWN if uptime.lengths[State.DOWN] else State.UP]
        text = Text(f"{percent:.3f} %", colour).append(f" of {duration(uptime.known_seconds)}", "")
    for state, length in uptime.lengths.items():
        # The last seconds are always unknown: the daemon says every few seconds only that it lives.
        too_short = length < STALE_AFTER if state is State.UNKNOWN else not length
        if state is not State.UP and not too_short:
            text.append(f", {state} {duration(length.total_seconds())}", "")
    return text


def _checks(report: TargetReport) -> str:
    failed = sum(report.failures.values())
    by_reason = ", ".join(f"{reason} {count:,}" for reason, count in report.failures.items())
    return f"{report.checks:,}, {failed:,} failed" + (f": {by_reason}" if failed else "")


def _entries(entries: Sequence[Incident | Flapping]) -> Iterator[Text]:
    """Show the newest incidents, newest first."""
    for number, entry in enumerate(reversed(entries[-MAX_SHOWN_ENTRIES:])):
        line = _headed("" if number else "incidents").append(f"{timestamp(entry.start)}  ", "")
        yield line.append(_incident(entry) if isinstance(entry, Incident) else _flapping(entry))
    if len(entries) > MAX_SHOWN_ENTRIES:
        yield _headed("").append(f"and {len(entries) - MAX_SHOWN_ENTRIES} more; --json has them all")


def _incident(incident: Incident) -> Text:
    text = Text(f"down {duration(incident.length_seconds)}", STATE_COLOURS[State.DOWN])
    notes = []
    if incident.end is None:
        notes.append("still on")
    elif not incident.end_is_exact:
        notes.append("its end is not known exactly")
    if incident.down_seconds < incident.length_seconds:
        notes.append(f"{duration(incident.down_seconds)} of it known")
    if notes:
        text.append(f" ({', '.join(notes)})", "")
    if incident.cause is not None:
        text.append("  ", "").append(styled(why(incident.cause.reason, incident.cause.detail)))
    return text


def _flapping(run: Flapping) -> Text:
    text = Text(f"flapping {duration(run.length_seconds)}", STATE_COLOURS[State.DEGRADED])
    return text.append(f" ({run.flips} flips, down {duration(run.down_seconds)})", "")

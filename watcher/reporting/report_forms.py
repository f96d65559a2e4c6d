"""The report on a target, and its JSON and CSV forms."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.history.incidents import Flapping, Incident
from watcher.history.rollup import DEGRADED, UP
from watcher.model.state import State
from watcher.text.escaping import one_line
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from watcher.history.present_state import Present
    from watcher.history.rollup import Rollup
    from watcher.history.uptime import Uptime

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_SHARES = list(QUANTILES.values())
_LENGTHS = {state: f"{state}_ms" for state in State}
DIGITS = 5  # of a percentage: five minutes in a year are 0.001 %

# A spreadsheet takes a text with such a start for a formula, and a formula can do anything.
_STARTS_OF_FORMULAS = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class TargetReport:
    """The report on a target at one location.

    Attributes:
        present: its present state.
        uptime: of the window.
        entries: incidents and times of flapping, oldest first.
        rollup: of its checks; None without checks.
        means_ms: the mean duration in equal parts of the window; None in those without checks.
    """

    present: Present
    uptime: Uptime
    entries: Sequence[Incident | Flapping] = ()
    rollup: Rollup | None = None
    means_ms: Sequence[float | None] = ()

    @property
    def is_told(self) -> bool:
        """Whether it belongs in a report: the target is watched, or was within the window."""
        return self.present.watched or bool(self.checks or self.uptime.known)

    @property
    def checks(self) -> int:
        """The number of checks."""
        return 0 if self.rollup is None else self.rollup.checks

    @property
    def failures(self) -> dict[str, int]:
        """The number of failed checks by reason, the most frequent first."""
        results = {} if self.rollup is None else self.rollup.results
        failed = [(reason, count) for reason, count in results.items() if reason not in (UP, DEGRADED)]
        return dict(sorted(failed, key=lambda pair: (-pair[1], pair[0])))

    @property
    def percentiles_ms(self) -> dict[str, float | None]:
        """Percentiles of the durations of checks, in milliseconds."""
        if self.rollup is None:
            return dict.fromkeys(QUANTILES)
        values = self.rollup.percentiles_ms(_SHARES)
        return {name: None if ms is None else round(ms, 3) for name, ms in zip(QUANTILES, values, strict=True)}


def reports_as_json(reports: Iterable[TargetReport]) -> str:
    """Return reports for `json_document`: one line for each target, with commas between them."""
    return ",\n".join([json.dumps(report_as_json(report)) for report in reports])


def json_document(parts: Iterable[str], since: datetime, until: datetime) -> str:
    """Return the JSON object of a whole report.

    Args:
        parts: of targets, each from `reports_as_json`.
        since, until: the window of the report.
    """
    lines = ",\n".join(filter(None, parts))
    targets = f"\n{lines}\n" if lines else ""
    return f'{{"since": "{timestamp(since)}", "until": "{timestamp(until)}", "targets": [{targets}]}}\n'


def reports_as_csv(reports: Iterable[TargetReport]) -> str:
    """Return reports for `csv_document`: one line for each target."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, _CSV_COLUMNS, lineterminator="\n")
    for report in reports:
        writer.writerow({name: _cell(value) for name, value in _csv_row(report).items()})
    return lines.getvalue()


def csv_document(parts: Iterable[str]) -> str:
    """Return a CSV document: a line of headers, then the parts, each from `reports_as_csv`."""
    return ",".join(_CSV_COLUMNS) + "\n" + "".join(parts)


def report_as_json(report: TargetReport) -> dict[str, Any]:
    """Return the JSON object of the report on a target."""
    present = report.present
    return {
        "target": present.target,
        "location": present.location,
        "address": present.address,
        "group": present.group,
        "watched": present.watched,
        **_times(report.uptime),
        "checks": report.checks,
        "failures": report.failures,
        "percentiles_ms": report.percentiles_ms,
        "incidents": [entry_as_json(entry) for entry in report.entries],
    }


def _times(uptime: Uptime) -> dict[str, float | int | None]:
    lengths = {_LENGTHS[state]: _ms(seconds) for state, seconds in uptime.seconds.items()}
    return {"uptime_percent": uptime.percent(DIGITS), "known_ms": _ms(uptime.known_seconds), **lengths}


def entry_as_json(entry: Incident | Flapping) -> dict[str, Any]:
    """Return the JSON object of an incident or a time of flapping; both have the same keys, missing values are None."""
    incident = entry if isinstance(entry, Incident) else None
    run = entry if isinstance(entry, Flapping) else None
    cause = incident and incident.cause
    return {
        "kind": "incident" if incident else "flapping",
        "start": timestamp(entry.start),
        "end": None if entry.end is None else timestamp(entry.end),
        "end_is_exact": incident is None or incident.end_is_exact,
        "length_ms": _ms(entry.length_seconds),
        "down_ms": _ms(entry.down_seconds),
        "reason": str(cause.reason) if cause else None,
        "detail": cause.detail if cause else None,
        "flips": run and run.flips,
        "incidents": run and len(run.incidents),
    }


_CSV_COLUMNS = [
    *("target", "location", "watched", "uptime_percent", "known_ms", *_LENGTHS.values()),
    *("checks", "failures", "failures_by_reason", "incidents", "flapping"),
    *(f"{name}_ms" for name in QUANTILES),
]


def _csv_row(report: TargetReport) -> dict[str, Any]:
    return {
        "target": report.present.target,
        "location": report.present.location,
        "watched": str(report.present.watched).lower(),
        **_times(report.uptime),
        "checks": report.checks,
        "failures": sum(report.failures.values()),
        "failures_by_reason": " ".join(f"{reason}={count}" for reason, count in report.failures.items()),
        "incidents": sum(isinstance(entry, Incident) for entry in report.entries),
        "flapping": sum(isinstance(entry, Flapping) for entry in report.entries),
        **{f"{name}_ms": value for name, value in report.percentiles_ms.items()},
    }


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value  # None becomes an empty cell
    text = one_line(value)
    # Spreadsheets ignore leading spaces.
    return f"'{text}" if text.lstrip().startswith(_STARTS_OF_FORMULAS) else text


def _ms(seconds: float) -> int:
    return round(seconds * 1000) if seconds else 0

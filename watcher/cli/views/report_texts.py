"""Assembles a report from parts, as JSON, CSV or text. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from watcher.cli.views.report_page import NOTHING, blocks, heading
from watcher.cli.views.screen import as_text
from watcher.reporting.report_forms import csv_document, json_document, reports_as_csv, reports_as_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from watcher.reporting.report_forms import TargetReport


class Form(StrEnum):
    """The output format of a report."""

    JSON = "json"
    CSV = "csv"
    TEXT = "text"


def part_of(form: Form, reports: Iterable[TargetReport], *, with_location: bool) -> str:
    """Format some reports, for `document`.

    Args:
        form: the format of the whole report.
        reports: the reports of some targets.
        with_location: see `blocks`.
    """
    if form is Form.JSON:
        return reports_as_json(reports)
    if form is Form.CSV:
        return reports_as_csv(reports)
    return "".join(map(as_text, blocks(reports, with_location=with_location)))


def document(form: Form, parts: Iterable[str], since: datetime, until: datetime) -> str:
    """Assemble a whole report.

    Args:
        form: the format of all parts.
        parts: from `part_of`, in the order of the targets' names.
        since, until: the window of the report.
    """
    if form is Form.JSON:
        return json_document(parts, since, until)
    if form is Form.CSV:
        return csv_document(parts)
    return as_text(heading(since, until)) + ("".join(parts) or as_text(NOTHING))

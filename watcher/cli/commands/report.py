"""`watcher report`: uptime, percentiles and incidents of each target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.common import env_file_option, env_path, errors_on_one_line
from watcher.cli.options import (
    GARBAGE_THRESHOLD_OF_REPORTS,
    DurationType,
    json_option,
    read_or_exit,
    until_option,
    window,
)
from watcher.cli.target_names import complete_target, never_watched
from watcher.cli.two_processes import written_in_parts
from watcher.cli.views.report_page import has_locations, page
from watcher.cli.views.report_texts import Form, document, part_of
from watcher.cli.views.screen import LateBar, console_for_stdout, is_plain, print_lines, print_text
from watcher.config.env.settings import load_settings
from watcher.reporting.reports import Findings, UnsummedError, read_findings, read_reports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from watcher.reporting.report_forms import TargetReport


@click.command()
@click.option("--since", type=DurationType(), default="7d", show_default=True, help="The last 30m, 24h, 7d ...")
@until_option
@click.option("--target", shell_complete=complete_target, help="Only the target with this name.")
@json_option
@click.option("--csv", "as_table", is_flag=True, help="CSV instead of text, a line a target.")
@env_file_option
def report(
    since: timedelta, until: timedelta | None, target: str | None, as_json: bool, as_table: bool, env_file: str | None
) -> None:
    """Tell how reliable each target was: uptime, incidents, percentiles; the daemon may be running or not.

    Uptime is time, not counts: the time in which a target was up or degraded, of that in which it is known to have
    been up, degraded or down; rounded down. Targets that were taken out of the config file are told where they have a
    history in that time.

    Exit status: 0 good, 1 no database or no such target, 2 bad configuration or usage.

    Example: watcher report --since 30d --target Checkout
    """
    if as_json and as_table:
        raise click.UsageError("--json and --csv cannot be both")
    path = env_path(env_file)
    begin, end = window(since, until)
    form = Form.JSON if as_json else Form.CSV if as_table else Form.TEXT
    what: dict[str, Any] = {
        "since": begin,
        "until": end,
        "targets": None if target is None else [target],
        "with_means": form is Form.TEXT,
    }
    with errors_on_one_line():
        settings = load_settings(path)
        with LateBar("targets") as bar:
            read = partial(read_findings, **what, progress=bar.show)
            findings = read_or_exit(settings, read, GARBAGE_THRESHOLD_OF_REPORTS)
        if target is not None and not findings:
            raise never_watched(target)
        try:
            _print(form, [one for one in findings if one.is_told or target is not None], begin, end)
        except UnsummedError:
            reports = read_or_exit(settings, partial(read_reports, **what), GARBAGE_THRESHOLD_OF_REPORTS)
            _print(form, [one for one in reports if one.is_told or target is not None], begin, end)


def _print(form: Form, found: Sequence[Findings | TargetReport], begin: datetime, end: datetime) -> None:
    """Print what was found of targets; where something is missing, nothing is printed.

    Raises:
        UnsummedError: something is missing.
    """
    console = console_for_stdout()
    if form is Form.TEXT and not is_plain(console):
        print_lines(console, page([_report_of(one) for one in found], begin, end))
        return
    with_location = has_locations([one.present for one in found])

    def write(some: Sequence[Findings | TargetReport]) -> str:
        return part_of(form, map(_report_of, some), with_location=with_location)

    text = document(form, written_in_parts(write, found), begin, end)
    if form is Form.TEXT:
        print_text(console, text)
    else:
        click.echo(text, nl=False)


def _report_of(found: Findings | TargetReport) -> TargetReport:
    return found.report() if isinstance(found, Findings) else found

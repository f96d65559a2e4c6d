"""`watcher report`: shows uptime, percentiles and incidents of each target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

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
from watcher.reporting.reports import read_reports

if TYPE_CHECKING:
    from datetime import timedelta


@click.command()
@click.option("--since", type=DurationType(), default="7d", show_default=True, help="Only the last 30m, 24h, 7d ...")
@until_option
@click.option("--target", shell_complete=complete_target, help="Only this target.")
@json_option
@click.option("--csv", "as_table", is_flag=True, help="Print CSV instead of text, a line per target.")
@env_file_option
def report(
    since: timedelta, until: timedelta | None, target: str | None, as_json: bool, as_table: bool, env_file: str | None
) -> None:
    """Show uptime, incidents and percentiles of each target; the daemon may be running or not.

    Uptime is a share of time, not of checks: the time up or degraded, divided by the time up, degraded or down, rounded
    down. Targets that were removed from the config file are shown if they have a history in the window.

    Exit status: 0 success, 1 no database or no such target, 2 bad configuration or usage.

    Example: watcher report --since 30d --target Checkout
    """
    if as_json and as_table:
        raise click.UsageError("--json and --csv cannot be combined")
    path = env_path(env_file)
    start, end = window(since, until)
    with errors_on_one_line():
        names = None if target is None else [target]
        with_means = not (as_json or as_table)
        with LateBar("targets") as bar:
            read = partial(
                read_reports, since=start, until=end, targets=names, with_means=with_means, progress=bar.show
            )
            reports = read_or_exit(load_settings(path), read, GARBAGE_THRESHOLD_OF_REPORTS)
        if target is not None and not reports:
            raise never_watched(target)
        reports = [one for one in reports if one.is_told or target is not None]
        form = Form.JSON if as_json else Form.CSV if as_table else Form.TEXT
        console = console_for_stdout()
        if form is Form.TEXT and not is_plain(console):
            print_lines(console, page(reports, start, end))
            return
        write = partial(part_of, form, with_location=has_locations(reports))
        text = document(form, written_in_parts(write, reports), start, end)
        if form is Form.TEXT:
            print_text(console, text)
        else:
            click.echo(text, nl=False)

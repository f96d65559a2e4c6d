"""`watcher report`: uptime, percentiles and incidents of each target."""

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
    with errors_on_one_line():
        names = None if target is None else [target]
        with_means = not (as_json or as_table)
        with LateBar("targets") as bar:
            read = partial(
                read_reports, since=begin, until=end, targets=names, with_means=with_means, progress=bar.show
            )
            reports = read_or_exit(load_settings(path), read, GARBAGE_THRESHOLD_OF_REPORTS)
        if target is not None and not reports:
            raise never_watched(target)
        reports = [one for one in reports if one.is_told or target is not None]
        form = Form.JSON if as_json else Form.CSV if as_table else Form.TEXT
        console = console_for_stdout()
        if form is Form.TEXT and not is_plain(console):
            print_lines(console, page(reports, begin, end))
            return
        write = partial(part_of, form, with_location=has_locations(reports))
        text = document(form, written_in_parts(write, reports), begin, end)
        if form is Form.TEXT:
            print_text(console, text)
        else:
            click.echo(text, nl=False)

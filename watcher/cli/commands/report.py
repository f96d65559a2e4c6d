"""`watcher report`: uptime, percentiles and incidents of each target."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from watcher.cli.common import env_file_option, env_path, errors_on_one_line
from watcher.cli.options import Duration, json_option, read_or_exit, until_option, window
from watcher.cli.target_names import complete_target
from watcher.cli.views.report_page import SPARK_COLUMNS, page
from watcher.cli.views.screen import console_for_stdout, print_to
from watcher.config.env.settings import load_settings
from watcher.config.mistakes import shown
from watcher.history.incidents import entries
from watcher.history.uptime import Timeline, Uptime
from watcher.postgres.queries.rollups import means_by_bucket, rollups_between
from watcher.postgres.queries.states_and_flips import alive_at_by_location, flips_between, present_states
from watcher.reporting.report_forms import TargetReport, as_csv, as_json_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from watcher.history.present_state import Present
    from watcher.history.rollup import Rollup
    from watcher.model.state import Flip
    from watcher.postgres.db import Database
    from watcher.postgres.queries.states_and_flips import Key


@click.command()
@click.option("--since", type=Duration(), default="7d", show_default=True, help="The last 30m, 24h, 7d ...")
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
        past = read_or_exit(load_settings(path), lambda database: _read(database, begin, end, names))
        if target is not None and not past.presents:
            raise click.ClickException(f"{shown(target)} is the name of no target that was ever watched")
        reports = [one for one in past.reports(begin, end) if one.is_told or target is not None]
        if as_json:
            click.echo(json.dumps(as_json_document(reports, begin, end), indent=2))
        elif as_table:
            click.echo(as_csv(reports), nl=False)
        else:
            print_to(console_for_stdout(), page(reports, begin, end))


@dataclass(frozen=True, slots=True)
class _Past:
    """What the tables say of a window."""

    presents: Sequence[Present]
    alive_at: Mapping[str, datetime]
    flips: Mapping[Key, Sequence[Flip]]
    rollups: Mapping[Key, Rollup]
    means_ms: Mapping[Key, Sequence[float | None]]

    def reports(self, since: datetime, until: datetime) -> list[TargetReport]:
        return [self._report(present, since, until) for present in self.presents]

    def _report(self, present: Present, since: datetime, until: datetime) -> TargetReport:
        key = present.target, present.location
        alive_at = self.alive_at.get(present.location)
        timeline = Timeline.of(self.flips.get(key, ()), since=since, until=until, alive_at=alive_at)
        return TargetReport(
            present, Uptime.of(timeline), entries(timeline), self.rollups.get(key), self.means_ms.get(key, ())
        )


async def _read(database: Database, since: datetime, until: datetime, targets: Sequence[str] | None) -> _Past:
    return _Past(
        presents=await present_states(database, targets, with_unwatched=True),
        alive_at=await alive_at_by_location(database),
        flips=await flips_between(database, since, until, targets),
        rollups=await rollups_between(database, since, until, targets),
        means_ms=await means_by_bucket(database, since, until, SPARK_COLUMNS, targets),
    )

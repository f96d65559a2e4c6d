"""`watcher status`: where each target stands now."""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.cells import cell_len
from rich.text import Text

from watcher.cli.common import EXIT_ERROR, EXIT_NO_DATABASE, env_file_option, env_path, errors_on_one_line
from watcher.cli.options import json_option, read_or_exit
from watcher.cli.views.screen import console_for_stdout, print_to
from watcher.cli.views.wording import STATE_COLOURS, STATE_COLUMNS, styled, why
from watcher.config.env.settings import load_settings
from watcher.history.present_state import FINE, Present
from watcher.model.state import State
from watcher.postgres.queries.states_and_flips import alive_at_by_location, present_states
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.postgres.db import Database

MAX_NAME_COLUMNS = 40  # a longer name pushes only its own line to the right


@click.command()
@json_option
@env_file_option
def status(as_json: bool, env_file: str | None) -> None:
    """Show where each target stands; the daemon may be running or not.

    The exit status is 0 when all are up (or degraded, paused or in maintenance), 1 when one is not, and 3 when there is
    no database. What no daemon watches any more is unknown.

    Example: watcher status
    """
    path = env_path(env_file)
    with errors_on_one_line(EXIT_NO_DATABASE):
        presents = read_or_exit(load_settings(path), _read)
        if as_json:
            click.echo(json.dumps([as_json_object(present) for present in presents], indent=2))
        else:
            print_to(console_for_stdout(), Text("\n").join(status_lines(presents)))
        sys.exit(0 if all(present.state in FINE for present in presents) else EXIT_ERROR)


def as_json_object(present: Present) -> dict[str, Any]:
    """Return what `--json` says of a target."""
    return {
        "target": present.target,
        "location": present.location,
        "address": present.address,
        "group": present.group,
        "state": str(present.state),
        "since": None if present.since is None else timestamp(present.since),
        "reason": present.reason,
        "detail": present.detail,
    }


def status_lines(presents: Sequence[Present]) -> list[Text]:
    """Show each target in a line, and count them in the last one."""
    with_location = len({present.location for present in presents}) > 1
    names = [_name(present, with_location=with_location) for present in presents]
    columns = max((length for length in map(cell_len, names) if length <= MAX_NAME_COLUMNS), default=0)
    lines = [_line(present, name, columns) for present, name in zip(presents, names, strict=True)]
    return [*lines, _totals(presents)]


async def _read(database: Database) -> list[Present]:
    alive_at = await alive_at_by_location(database)
    presents = await present_states(database)
    now = datetime.now(UTC)
    return [present.as_known(alive_at=alive_at.get(present.location), now=now) for present in presents]


def _name(present: Present, *, with_location: bool) -> str:
    return styled(f"{present.target} ({present.location})" if with_location else present.target).plain


def _line(present: Present, name: str, columns: int) -> Text:
    line = Text(f"{present.state:<{STATE_COLUMNS}}", STATE_COLOURS[present.state])
    line.append(f"  {name}{' ' * (columns - cell_len(name))}", "")
    line.append(f"  since {timestamp(present.since)}" if present.since else "  not confirmed yet", "")
    text = why(present.reason, present.detail)
    return line.append("  ").append(styled(text)) if text else line


def _totals(presents: Sequence[Present]) -> Text:
    if not presents:
        return Text("no targets are watched")
    counts = Counter(present.state for present in presents)
    text = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    return Text(text, "bold green" if all(state in FINE for state in counts) else "bold red")

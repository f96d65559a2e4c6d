"""`watcher export`: writes the history as JSON lines, in constant memory."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.common import env_file_option, env_path, errors_on_one_line
from watcher.cli.options import DurationType, read_or_exit, until_option, window
from watcher.cli.views.screen import progress_bar
from watcher.config.env.settings import load_settings
from watcher.postgres.queries.streaming import FAILURE, stream_history
from watcher.reporting.failures import failure_as_json
from watcher.reporting.flips import flip_as_json

if TYPE_CHECKING:
    from datetime import timedelta

    from rich.progress import Progress

    from watcher.postgres.db import Database


@click.command()
@click.option("--since", type=DurationType(), default="24h", show_default=True, help="Only the last 30m, 24h, 7d ...")
@until_option
@env_file_option
def export(since: timedelta, until: timedelta | None, env_file: str | None) -> None:
    """Write the history to stdout, one JSON object per line: first flips, then failures, each oldest first.

    The daemon may be running or not. The "kind" of an object is "flip" or "failure".

    Exit status: 0 success, 1 no database, or stdout cannot be written, 2 bad configuration or usage.

    Example: watcher export --since 30d > history.ndjson
    """
    path = env_path(env_file)
    start, end = window(since, until)
    lines = _Lines()

    async def write(database: Database) -> OSError | None:
        try:
            await stream_history(database, start, end, lines.write, expect=lines.expect if lines.has_bar else None)
        except OSError as error:  # raised here, it would be wrapped in nested groups
            return error
        return None

    with errors_on_one_line():
        try:
            unwritable = read_or_exit(load_settings(path), write)
        finally:
            lines.close()
        if unwritable is not None:
            raise unwritable


def line_of(kind: str, row: dict[str, Any]) -> str:
    """Return a row as a JSON line, in ASCII for all terminals and readers."""
    as_json = failure_as_json if kind == FAILURE else flip_as_json
    return json.dumps({"kind": kind, **as_json(row)}) + "\n"


class _Lines:
    """Writes to stdout, with a progress bar on stderr if only stderr is a terminal."""

    def __init__(self) -> None:
        self.has_bar = sys.stderr is not None and sys.stderr.isatty() and not sys.stdout.isatty()
        self._bar: Progress | None = None

    def expect(self, total: int) -> None:
        self._bar = progress_bar(total, "rows")

    def write(self, kind: str, rows: list[dict[str, Any]]) -> None:
        sys.stdout.buffer.write("".join(line_of(kind, row) for row in rows).encode("ascii"))
        sys.stdout.buffer.flush()
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], len(rows))
            self._bar.start()
            self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()

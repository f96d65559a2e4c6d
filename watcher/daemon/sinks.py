"""The destinations of check results, and the other parts that the daemon has opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from watcher.cluster.values import Timing
from watcher.log import configure
from watcher.recording.board import Board
from watcher.recording.line_writer import FileSink
from watcher.recording.lines import Lines
from watcher.recording.place_views import PlaceViews
from watcher.recording.recorder import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import trio

    from watcher.config.env.settings import Settings
    from watcher.outbox.thread import OutboxThread
    from watcher.postgres.db import Database
    from watcher.web.page import Page

log = structlog.get_logger()


@dataclass(frozen=True)
class Sinks:
    """The destinations of check results, and the other parts that the daemon has opened.

    Attributes:
        success_file: monitor.log.
        put_success: takes a line of monitor.log, without blocking.
        put_stderr: takes a log level and a line of stderr, without blocking.
        disk: the outbox.
        database: the outbox is drained into it.
        database_ready: set when the database can be tried.
        lines: formats the lines, in the present format.
        board: has the newest outcome of each target.
        tally: counts since the start.
        page: serves all of it over HTTP; None if it is off.
        page_database: the page reads the past from it, over connections of its own.
        ask_reload: requests a reload by hand.
        replicas: the database shared with the other replicas of the location; None if there are none.
        timing: of the replicas' leases.
        place_views: the places' views of targets that several of them watch.
        tell_share: called with the number of targets watched here, and of replicas that share all of them.
    """

    success_file: FileSink
    put_success: Callable[[str], None]
    put_stderr: Callable[[str, str], None]
    disk: OutboxThread
    database: Database
    database_ready: trio.Event
    lines: Lines = field(default_factory=Lines)
    board: Board = field(default_factory=Board)
    tally: Tally = field(default_factory=Tally)
    page: Page | None = None
    page_database: Database | None = None
    ask_reload: Callable[[], None] = lambda: None
    replicas: Database | None = None
    timing: Timing = field(default_factory=Timing)
    place_views: PlaceViews = field(default_factory=PlaceViews)
    tell_share: Callable[[int, int], None] = lambda _targets, _replicas: None

    def use(self, settings: Settings) -> None:
        """Apply the log file and format of these settings."""
        _redirect(self.success_file, settings.log_file)
        configure(settings.log_format)
        self.lines.use(settings.log_format)


def _redirect(sink: FileSink, path: Path) -> None:
    """Write to another file, if it is writable."""
    if path != sink.path:
        try:
            FileSink(path).close()
        except OSError as error:
            text = f"WATCHER_LOG_FILE: {path} cannot be written: {error.strerror}; {sink.path} is still in use"
            log.error(text)
        else:
            sink.path = path

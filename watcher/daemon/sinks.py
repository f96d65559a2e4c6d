"""Where what checks come to goes, as the daemon has opened it."""

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
    """Where what checks come to goes.

    Attributes:
        success_file: monitor.log.
        put_success: takes a line of monitor.log, without blocking.
        put_stderr: takes a level of the log and a line of stderr, without blocking.
        disk: the outbox.
        database: what the outbox is drained into.
        database_ready: set when it can be tried.
        lines: writes the lines, in the format of the moment.
        board: has the newest of each target.
        tally: what has been done since the start.
        page: tells all of it over HTTP; None where nobody is told.
        page_database: where the page reads the past, over connections of its own.
        ask_reload: asks for the configuration to be read again, as somebody wants it by hand.
        replicas: where this daemon meets the others of its location; None where there can be none.
        timing: of the replicas' leases.
        place_views: what places say of targets that several of them watch.
        tell_share: told how many targets are watched here, and how many replicas share all of them.
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
        """Write where these settings say, and as they say."""
        _redirect(self.success_file, settings.log_file)
        configure(settings.log_format)
        self.lines.use(settings.log_format)


def _redirect(sink: FileSink, path: Path) -> None:
    """Write to another file, if it can be written."""
    if path != sink.path:
        try:
            FileSink(path).close()
        except OSError as error:
            text = f"WATCHER_LOG_FILE: {path} cannot be written: {error.strerror}; {sink.path} is still in use"
            log.error(text)
        else:
            sink.path = path

"""Checks, and where what they come to goes: the channels are wired here, and closed in order when the checks stop."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.checking.check_context import open_check_context
from watcher.checking.roster import Roster
from watcher.daemon.retarget import Books
from watcher.model.conclusion import Conclusion
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.outbox import Outbox
from watcher.outbox.startup import resume_from
from watcher.outbox.writer import Bounds, OutboxWriter
from watcher.postgres.drain import Drain
from watcher.postgres.registration import Registration
from watcher.postgres.store import TableStore
from watcher.postgres.upkeep.upkeep import upkeep
from watcher.recording.lateness import report_lateness
from watcher.recording.lines import Lines
from watcher.recording.recorder import Tally, record
from watcher.recording.state_changes import StateChanges

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watcher.daemon.reload import Reloader
    from watcher.model.difference import Difference
    from watcher.model.state import Standing
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread
    from watcher.postgres.db import Database

log = structlog.get_logger()

# The bound of what is on its way to the recorder, which waits for nothing: a burst, not a backlog.
MAX_CONCLUSIONS_IN_CHANNEL = 1000

# Rungs of the shutdown. With those of Database.close (0.5 s) and EmbeddedPostgres.stop (1.7 s) they stay below the
# 5 s that the daemon has.
DRAIN_SECONDS = 1.5
FLUSH_SECONDS = 0.4


@dataclass(frozen=True)
class Sinks:
    """Where what checks come to goes.

    Attributes:
        put_success: takes a line of monitor.log, without blocking.
        put_stderr: takes a level of the log and a line of stderr, without blocking.
        disk: the outbox.
        database: what the outbox is drained into.
        database_ready: set when it can be tried.
        lines: writes the lines, in the format of the moment.
    """

    put_success: Callable[[str], None]
    put_stderr: Callable[[str, str], None]
    disk: OutboxThread
    database: Database
    database_ready: trio.Event
    lines: Lines = field(default_factory=Lines)


async def watch(reloader: Reloader, stopping: trio.CancelScope, sinks: Sinks, begun: Callable[[], None]) -> None:
    """Check and record until `stopping` is cancelled, then write what is pending.

    Args:
        reloader: knows what is configured, and what has changed.
        stopping: cancelled from outside.
        sinks: where what checks come to goes.
        begun: called when the checks have begun.
    """
    settings, targets = reloader.current.settings, reloader.current.targets
    sinks.lines.use(settings.log_format)
    reloader.tell(lambda settings: sinks.lines.use(settings.log_format))
    tally, disk, started_at = Tally(), sinks.disk, time.time()
    standings: Mapping[str, Standing] = {}
    try:
        standings = await disk.run(lambda outbox: resume_from(outbox, targets, settings.location, started_at))
    except OutboxUnavailableError as error:
        log.error("the outbox cannot be read, nothing is known of the past", error=error)
    registration = Registration(settings.location, disk.outbox.id, datetime.fromtimestamp(started_at, UTC), targets)
    store = TableStore(sinks.database, registration)
    drain = Drain(disk, store)
    state_changes = StateChanges(sum(target.enabled for target in targets), sinks.put_stderr, sinks.lines)
    outbox_writer = OutboxWriter(
        disk,
        Bounds(settings.outbox_max_bytes, settings.outbox_max_age_seconds),
        # A site that fails is no error of this program.
        lambda outcome, stored: sinks.put_stderr("warning", sinks.lines.failure(outcome, stored=stored)),
        drain.wake,
        tell_kept=state_changes.take,
    )
    try:
        async with trio.open_nursery() as writing:
            send, receive = trio.open_memory_channel[Conclusion](MAX_CONCLUSIONS_IN_CHANNEL)
            writing.start_soon(_keep_all, receive, sinks, outbox_writer, drain, tally)
            writing.start_soon(drain.run, sinks.database_ready)
            async with send, trio.open_nursery() as meanwhile:
                keep_failures = timedelta(seconds=settings.keep_failures_seconds)
                meanwhile.start_soon(report_lateness, tally, lambda: reloader.current.settings.max_workers)
                meanwhile.start_soon(partial(upkeep, sinks.database, keep_failures, up=drain.first_up))
                books = Books(settings.location, send, outbox_writer, disk, drain, store)
                await _check_all(reloader, books, standings, stopping, send, begun)
                meanwhile.cancel_scope.cancel()
            # The channel is closed: the recorder ends when it is empty, the outbox writer when all is on
            # disk, and the drain when all is stored or the database is away.
            writing.cancel_scope.deadline = trio.current_time() + DRAIN_SECONDS
    finally:
        not_stored = outbox_writer.give_up()
        state_changes.finish()
        log.info("stopped", **tally.as_fields(), failures_not_stored=not_stored, waiting=disk.outbox.rows)
        with trio.move_on_after(FLUSH_SECONDS, shield=True):
            await disk.run(Outbox.close)


async def _keep_all(
    conclusions: trio.MemoryReceiveChannel[Conclusion],
    sinks: Sinks,
    outbox_writer: OutboxWriter,
    drain: Drain,
    tally: Tally,
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox_writer.run)
        await record(conclusions, sinks.put_success, outbox_writer.put, tally, sinks.lines)
        outbox_writer.close()
    drain.close()


async def _check_all(
    reloader: Reloader,
    books: Books,
    standings: Mapping[str, Standing],
    stopping: trio.CancelScope,
    conclusions: trio.MemorySendChannel[Conclusion],
    begun: Callable[[], None],
) -> None:
    """Run one loop a target until `stopping` is cancelled, and take over what is reloaded meanwhile."""
    settings = reloader.current.settings
    with stopping:
        async with (
            open_check_context(settings.max_workers, settings.location) as context,
            trio.open_nursery() as checks,
        ):
            reloader.tell(lambda settings: context.lanes.resize(settings.max_workers))
            roster = Roster(context, conclusions, checks)
            await roster.begin(reloader.current.targets, standings)
            begun()

            async def take_over(found: Difference, targets: Sequence[Target]) -> None:
                await books.take_over(roster, found, targets)
                context.forget_all_but(targets)

            await reloader.run(take_over)

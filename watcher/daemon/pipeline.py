"""Checks, and where what they come to goes: the channels are wired here, and closed in order when the checks stop."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.alerting.conditions.conditions import Conditions
from watcher.alerting.silences.keeper import SilenceKeeper
from watcher.checking.check_context import open_check_context
from watcher.checking.roster import Roster
from watcher.checking.scheduling.schedule import start_spread_seconds
from watcher.daemon.alerting import Alerting
from watcher.daemon.retarget import WatchedTargets
from watcher.daemon.stop_ladder import DRAIN, OUTBOX_CLOSE
from watcher.log import configure
from watcher.model.clock_trust import ClockTrust
from watcher.model.conclusion import Conclusion
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.outbox import Outbox
from watcher.outbox.startup import resume_from
from watcher.outbox.writer import Bounds, OutboxWriter
from watcher.postgres.drain import Drain
from watcher.postgres.queries.silences import read_orders
from watcher.postgres.registration import Registration
from watcher.postgres.store import TableStore
from watcher.postgres.tables.silences import NEWS
from watcher.postgres.upkeep.upkeep import upkeep
from watcher.recording.board import Board
from watcher.recording.flip_lines import FlipLines
from watcher.recording.lateness import report_lateness
from watcher.recording.line_writer import FileSink
from watcher.recording.lines import Lines
from watcher.recording.recorder import Tally, record
from watcher.web.present import Present

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from watcher.config import Configuration
    from watcher.config.env.settings import Settings
    from watcher.daemon.changes import Change
    from watcher.model.state import Standing
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread
    from watcher.postgres.db import Database
    from watcher.web.page import Page

log = structlog.get_logger()

# The bound of what is on its way to the recorder, which waits for nothing: a burst, not a backlog.
MAX_CONCLUSIONS_IN_CHANNEL = 1000


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

    def use(self, settings: Settings) -> None:
        """Write where these settings say, and as they say."""
        _redirect(self.success_file, settings.log_file)
        configure(settings.log_format)
        self.lines.use(settings.log_format)


async def watch(
    configuration: Configuration,
    changes: trio.MemoryReceiveChannel[Change],
    stopping: trio.CancelScope,
    sinks: Sinks,
    begun: Callable[[], None],
) -> None:
    """Check and record until `stopping` is cancelled, then write what is pending.

    Args:
        configuration: what is watched, and how, at the start.
        changes: what is to be otherwise from then on.
        stopping: cancelled from outside.
        sinks: where what checks come to goes.
        begun: called when the checks have begun.
    """
    targets, disk, started_at = configuration.targets, sinks.disk, time.time()
    sinks.lines.use(configuration.settings.log_format)
    parts = _parts_of(configuration, sinks, started_at)
    drain, alerting, outbox_writer = parts.drain, parts.alerting, parts.outbox_writer
    try:
        async with trio.open_nursery() as writing:
            send, receive = trio.open_memory_channel[Conclusion](MAX_CONCLUSIONS_IN_CHANNEL)
            async with send, trio.open_nursery() as meanwhile:
                if sinks.page is not None:
                    meanwhile.start_soon(sinks.page.run, parts.present)
                with stopping:
                    lived_until = await _lived_until(disk)
                    await parts.keeper.begin()
                    # Before it is found out what has happened meanwhile.
                    await alerting.begin(configuration, parts.present.targets)
                    standings = await _resume(configuration, disk, started_at, parts.trust)
                    _start_meanwhile(meanwhile, configuration, sinks, parts)
                    # Not before: the outbox writer notes that the daemon lives, and the gap until now would be lost.
                    writing.start_soon(_keep_all, receive, sinks, outbox_writer, drain)
                    writing.start_soon(drain.run, sinks.database_ready)
                    writing.start_soon(alerting.run)
                    async with _open_checks(configuration, sinks, send, parts, lived_until) as (watched, conditions):
                        await watched.begin(targets, standings)
                        begun()
                        parts.present.begin(watched.context.lanes.workers)
                        await _take_over(changes, sinks, watched, conditions, parts)
                alerting.alerts.close()
                meanwhile.cancel_scope.cancel()
            # The channel is closed: all end when it is empty, on disk, and stored or the database is away.
            writing.cancel_scope.deadline = trio.current_time() + DRAIN.seconds
    finally:
        await _tell_stop_and_close(sinks, parts)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Those who work on what checks come to, and the page's view of all of it.

    Attributes:
        listeners: called with the conclusions that are on disk now, and without any about once a second.
    """

    drain: Drain
    flip_lines: FlipLines
    trust: ClockTrust
    alerting: Alerting
    keeper: SilenceKeeper
    outbox_writer: OutboxWriter
    present: Present
    listeners: list[Callable[[Sequence[Conclusion]], None]]


def _parts_of(configuration: Configuration, sinks: Sinks, started_at: float) -> _Parts:
    settings, targets = configuration.settings, configuration.targets
    drain, trust = _drain(configuration, sinks, started_at), ClockTrust(_tell_leap)
    flip_lines = FlipLines(_checked(targets), sinks.put_stderr, sinks.lines, start_spread_seconds(len(targets)))
    alerting = Alerting(sinks.disk, sinks.board, drain.wake)
    keeper = SilenceKeeper(sinks.disk, settings.data_dir, settings.location, alerting.silences, drain.wake)
    listeners = [flip_lines.take, lambda _conclusions: alerting.alerts.look()]
    outbox_writer = _outbox_writer(settings, sinks, listeners, drain, trust)
    present = _present_of(configuration, sinks, drain, outbox_writer, alerting)
    return _Parts(drain, flip_lines, trust, alerting, keeper, outbox_writer, present, listeners)


async def _tell_stop_and_close(sinks: Sinks, parts: _Parts) -> None:
    """Say what was done and what is not stored, and close the outbox."""
    not_stored, waiting = parts.outbox_writer.give_up(), sinks.disk.outbox.rows
    parts.flip_lines.finish()
    log.info("stopped", **sinks.tally.as_fields(), failures_not_stored=not_stored, waiting=waiting)
    with trio.move_on_after(OUTBOX_CLOSE.seconds, shield=True), suppress(OutboxUnavailableError):
        await sinks.disk.run(Outbox.close)


def _start_meanwhile(nursery: trio.Nursery, configuration: Configuration, sinks: Sinks, parts: _Parts) -> None:
    """Start what goes along with the checks and hands nothing on that must not be lost."""
    nursery.start_soon(_keep_up, configuration.settings, sinks.database, parts.drain, parts.trust)
    nursery.start_soon(parts.keeper.run)
    read, listen = partial(read_orders, sinks.database), partial(sinks.database.listen, NEWS)
    nursery.start_soon(parts.keeper.follow, read, listen, parts.drain.first_up)
    parts.present.keeper = parts.keeper


def _drain(configuration: Configuration, sinks: Sinks, started_at: float) -> Drain:
    store = TableStore(sinks.database, _registration(configuration, sinks.disk, started_at))
    return Drain(sinks.disk, store, keep_stored_seconds=configuration.settings.outbox_keep_stored_seconds)


def _present_of(
    configuration: Configuration, sinks: Sinks, drain: Drain, outbox_writer: OutboxWriter, alerting: Alerting
) -> Present:
    outbox = sinks.disk.outbox
    return Present(
        board=sinks.board,
        tally=sinks.tally,
        targets={target.name: target for target in configuration.targets},
        page=configuration.page,
        is_database_up=lambda: drain.is_up,
        outbox_size=lambda: (outbox.rows, outbox.payload_bytes),
        entries_lost=lambda: outbox_writer.lost,
        drained_until=lambda: drain.drained_until,
        database=sinks.page_database,
        reload=sinks.ask_reload,
        location=configuration.settings.location,
        shows_targets=configuration.settings.metrics_targets,
        notifications=lambda: (alerting.alerts.pending, alerting.alerts.results),
        silences=alerting.silences,
    )


async def _keep_up(settings: Settings, database: Database, drain: Drain, trust: ClockTrust) -> None:
    keep_failures = timedelta(seconds=settings.keep_failures_seconds)
    await upkeep(database, keep_failures, up=drain.first_up, trusts=trust.trusts)


def _checked(targets: Iterable[Target]) -> Iterator[str]:
    return (target.name for target in targets if target.enabled)


def _registration(configuration: Configuration, disk: OutboxThread, started_at: float) -> Registration:
    moment = datetime.fromtimestamp(started_at, UTC)
    return Registration(configuration.settings.location, disk.outbox.id, moment, configuration.targets)


def _outbox_writer(
    settings: Settings,
    sinks: Sinks,
    listeners: Sequence[Callable[[Sequence[Conclusion]], None]],
    drain: Drain,
    trust: ClockTrust,
) -> OutboxWriter:
    def tell_kept(conclusions: Sequence[Conclusion]) -> None:
        for listen in listeners:
            listen(conclusions)

    return OutboxWriter(
        sinks.disk,
        Bounds(settings.outbox_max_bytes, settings.outbox_max_age_seconds),
        # A site that fails is no error of this program.
        lambda outcome, stored: sinks.put_stderr("warning", sinks.lines.failure(outcome, stored=stored)),
        drain.wake,
        tell_kept=tell_kept,
        trust=trust,
    )


async def _lived_until(disk: OutboxThread) -> float:
    """Return the last slot that was checked before, in seconds since 1970; 0 where nobody knows."""
    try:
        found = await disk.run(lambda outbox: outbox.meta("slots_until"))
    except OutboxUnavailableError:
        return 0.0
    return found if isinstance(found, float | int) else 0.0


def _tell_leap(seconds: float) -> None:
    log.warning(
        "the clock has leapt, or the daemon was away for more than an hour: nothing is dropped for its age for a day",
        leap=f"{seconds / 3600:+.1f} h",
    )


async def _resume(
    configuration: Configuration, disk: OutboxThread, now: float, trust: ClockTrust
) -> Mapping[str, Standing]:
    """Take up again what the outbox knows; nothing, where it cannot be read."""
    targets, location = configuration.targets, configuration.settings.location
    try:
        trust.begin(now, *await disk.run(lambda outbox: (outbox.meta("alive_at"), outbox.meta("doubted_until"))))
        await disk.run(lambda outbox: outbox.doubt_clock(trust.doubted_until))
        return await disk.run(lambda outbox: resume_from(outbox, targets, location, now))
    except OutboxUnavailableError as error:
        log.error("the outbox cannot be read, nothing is known of the past", error=error)
        return {}


@asynccontextmanager
async def _open_checks(
    configuration: Configuration,
    sinks: Sinks,
    conclusions: trio.MemorySendChannel[Conclusion],
    parts: _Parts,
    lived_until: float,
) -> AsyncIterator[tuple[WatchedTargets, Conditions]]:
    """Make what checks need, and run what goes along with them."""
    settings = configuration.settings
    async with (
        open_check_context(settings.max_workers, settings.location, lived_until=lived_until) as context,
        trio.open_nursery() as checks,
    ):
        checks.start_soon(report_lateness, sinks.tally, lambda: int(context.lanes.workers.total_tokens))
        roster = Roster(context, conclusions, checks)
        look, writer = parts.alerting.alerts.look, parts.outbox_writer
        conditions = Conditions(context, roster, sinks.disk, sinks.tally, lambda: writer.written_at, look)
        await conditions.use(parts.present.targets, configuration.alerting)
        parts.listeners.append(conditions.take)
        checks.start_soon(conditions.run)
        watched = WatchedTargets(
            context, roster, conclusions, parts.outbox_writer, sinks.disk, parts.drain, sinks.board
        )
        yield watched, conditions


async def _take_over(
    changes: trio.MemoryReceiveChannel[Change],
    sinks: Sinks,
    watched: WatchedTargets,
    conditions: Conditions,
    parts: _Parts,
) -> None:
    """Take every change over, until cancelled: the one way by which any reaches the checks and what they come to."""
    present = parts.present
    async for change in changes:
        found = change.difference
        sinks.use(change.settings)
        present.page = change.page
        watched.context.lanes.resize(change.settings.max_workers)
        targets = present.targets if found.is_empty else {target.name: target for target in found.targets}
        # Both before the first check of a target that is new.
        await parts.alerting.change(change, targets)
        await conditions.use(targets, change.alerting)
        if not found.is_empty:
            conditions.rename(found.renamed)
            await parts.keeper.rename(found.renamed)
            await watched.change(found)
            parts.flip_lines.retarget(_checked(found.targets))
            sinks.tally.forget(target.name for target in found.removed)
            present.targets = targets
        change.taken_over.set()


async def _keep_all(
    conclusions: trio.MemoryReceiveChannel[Conclusion], sinks: Sinks, outbox_writer: OutboxWriter, drain: Drain
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox_writer.run)
        await record(conclusions, sinks.put_success, outbox_writer.put, sinks.board, sinks.tally, sinks.lines)
        outbox_writer.close()
    drain.close()


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

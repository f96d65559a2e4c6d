"""Wires checks, recorder, outbox and database together, and shuts them down in order."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
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
from watcher.cluster.others import Others
from watcher.daemon.alerting import Alerting, Replicas
from watcher.daemon.places.places import Places
from watcher.daemon.retarget import WatchedTargets, checked_until_of
from watcher.daemon.sharing.moves import part_watched_at
from watcher.daemon.sharing.sharer import Step
from watcher.daemon.sharing.sharing import Sharing
from watcher.daemon.sharing.start import Beginning
from watcher.daemon.stop_ladder import DRAIN, OUTBOX_CLOSE
from watcher.model.clock_trust import ClockTrust, wall_seconds
from watcher.model.conclusion import Conclusion
from watcher.model.target import watched_at
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.outbox import Outbox
from watcher.outbox.startup import resume_from
from watcher.outbox.writer import Bounds, OutboxWriter
from watcher.postgres.drain import Drain
from watcher.postgres.queries.channels import ChannelLedger
from watcher.postgres.queries.silences import read_orders
from watcher.postgres.registration import Registration
from watcher.postgres.store import TableStore
from watcher.postgres.tables.silences import NEWS
from watcher.postgres.upkeep.upkeep import upkeep
from watcher.recording.flip_lines import FlipLines
from watcher.recording.lateness import report_lateness
from watcher.recording.recorder import record
from watcher.web.present import Present

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    from watcher.config import Configuration
    from watcher.config.env.settings import Settings
    from watcher.daemon.changes import Change
    from watcher.daemon.sinks import Sinks
    from watcher.model.state import Standing
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread

log = structlog.get_logger()

# The limit of conclusions on their way to the recorder, which never waits: a burst, not a backlog.
MAX_CONCLUSIONS_IN_CHANNEL = 1000


async def watch(
    configuration: Configuration,
    changes: trio.MemoryReceiveChannel[Change],
    stopping: trio.CancelScope,
    sinks: Sinks,
    begun: Callable[[], None],
) -> None:
    """Check and record until `stopping` is cancelled, then write what is pending.

    Args:
        configuration: at the start.
        changes: of the configuration.
        stopping: cancelled from outside.
        sinks: the destinations of results.
        begun: called when the checks have started.
    """
    disk, started_at = sinks.disk, wall_seconds()
    sinks.lines.use(configuration.settings.log_format)
    parts = _parts_of(configuration, sinks, started_at)
    try:
        async with trio.open_nursery() as writing:
            send, receive = trio.open_memory_channel[Conclusion](MAX_CONCLUSIONS_IN_CHANNEL)
            async with send, trio.open_nursery() as meanwhile:
                if sinks.page is not None:
                    meanwhile.start_soon(sinks.page.run, parts.present)
                with stopping:
                    if parts.sharing is not None:
                        await parts.sharing.join()
                    lived_until = await _lived_until(disk)
                    await parts.keeper.begin()
                    # Before `_resume`, which records what has happened meanwhile.
                    await parts.alerting.begin(configuration, parts.present.targets)
                    beginning, standings = await _resume(configuration, disk, parts)
                    _start_meanwhile(meanwhile, configuration, sinks, parts)
                    # Not earlier: the outbox writer records that the daemon is alive, which would hide the gap.
                    _start_writing(writing, receive, sinks, parts)
                    async with _open_checks(configuration, sinks, send, parts, lived_until) as (watched, conditions):
                        await watched.begin(beginning.targets, standings, checked_until_of(beginning.taken))
                        # This function would keep the past in memory.
                        beginning, standings = replace(beginning, taken={}, owners={}), {}
                        begun()
                        parts.present.begin(watched.context.lanes.workers)
                        await _follow(changes, beginning, sinks, watched, conditions, parts)
                _start_leaving(writing, parts)
                meanwhile.cancel_scope.cancel()
            # The channel is closed: the tasks end when everything is stored, or on disk while the database is away.
            writing.cancel_scope.deadline = trio.current_time() + DRAIN.seconds
    finally:
        await _log_stop_and_close(sinks, parts)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The tasks that process check results, and the page's view of them.

    Attributes:
        listeners: called with the conclusions that are on disk now, and without any about once a second.
        sharing: shares the targets with other replicas; None if there are none.
        places: shares decisions with the replicas of all places; None if there are none.
    """

    drain: Drain
    flip_lines: FlipLines
    trust: ClockTrust
    alerting: Alerting
    keeper: SilenceKeeper
    outbox_writer: OutboxWriter
    present: Present
    listeners: list[Callable[[Sequence[Conclusion]], None]]
    sharing: Sharing | None
    places: Places | None


def _parts_of(configuration: Configuration, sinks: Sinks, started_at: float) -> _Parts:
    settings, trust = configuration.settings, ClockTrust(_log_clock_jump)
    targets = watched_at(configuration.targets, settings.location)
    flip_lines = FlipLines(_checked(targets), sinks.put_stderr, sinks.lines, start_spread_seconds(len(targets)))
    sharing, replicas = None, None
    if sinks.replicas is not None:
        sharing = Sharing(sinks.replicas, sinks, configuration)
        ledger = ChannelLedger(sinks.database, settings.location, sinks.disk.outbox.id)
        replicas = Replicas(sharing.membership, ledger, settings.location)
    drain = _drain(configuration, sinks, started_at, sharing)
    alerting = Alerting(sinks.disk, sinks.board, drain.wake, replicas, sinks.place_views)
    places = None
    if sinks.replicas is not None and sharing is not None:
        databases, tell = (sinks.replicas, sinks.database), alerting.share_with
        places = Places(databases, sinks, settings, sharing.membership, written=drain.wake, share_with=tell)
        places.use(configuration.targets)
    place, known = (settings.data_dir, settings.location), alerting.in_trouble_since
    keeper = SilenceKeeper(sinks.disk, *place, alerting.silences, drain.wake, in_trouble_since=known)
    listeners = [flip_lines.take, lambda _conclusions: alerting.alerts.look()]
    outbox_writer = _outbox_writer(settings, sinks, listeners, drain, trust)
    present = _present_of(configuration, sinks, drain, outbox_writer, alerting)
    if sharing is not None and places is not None:
        present.share, present.decides = partial(getattr, sharing, "counts"), places.decides
    return _Parts(drain, flip_lines, trust, alerting, keeper, outbox_writer, present, listeners, sharing, places)


async def _log_stop_and_close(sinks: Sinks, parts: _Parts) -> None:
    """Log what was done and what is not stored, and close the outbox."""
    not_stored, waiting = parts.outbox_writer.give_up(), sinks.disk.outbox.rows
    parts.flip_lines.finish()
    log.info("stopped", **sinks.tally.as_fields(), failures_not_stored=not_stored, waiting=waiting)
    with trio.move_on_after(OUTBOX_CLOSE.seconds, shield=True), suppress(OutboxUnavailableError):
        await sinks.disk.run(Outbox.close)


def _start_meanwhile(nursery: trio.Nursery, configuration: Configuration, sinks: Sinks, parts: _Parts) -> None:
    """Start the tasks beside the checks that have nothing to lose at a stop."""
    keep_failures = timedelta(seconds=configuration.settings.keep_failures_seconds)
    keep_up = partial(upkeep, sinks.database, keep_failures, up=parts.drain.first_up, trusts=parts.trust.trusts)
    nursery.start_soon(keep_up)
    nursery.start_soon(parts.keeper.run)
    read, listen = partial(read_orders, sinks.database), partial(sinks.database.listen, NEWS)
    nursery.start_soon(parts.keeper.follow, read, listen, parts.drain.first_up)
    parts.present.keeper = parts.keeper
    if (sharing := parts.sharing) is not None:
        place = configuration.settings.location, sinks.disk.outbox.id
        reader, epoch = sinks.page_database or sinks.database, lambda: sharing.shared_epoch
        others = Others(reader, *place, sinks.board, epoch, sharing.until_shared)
        nursery.start_soon(others.run)
    if parts.places is not None:
        nursery.start_soon(parts.places.run)


def _start_writing(
    nursery: trio.Nursery, conclusions: trio.MemoryReceiveChannel[Conclusion], sinks: Sinks, parts: _Parts
) -> None:
    """Start the tasks that store check results; they end when everything is stored."""
    nursery.start_soon(_keep_all, conclusions, sinks, parts.outbox_writer, parts.drain)
    nursery.start_soon(_drain_all, sinks, parts)
    nursery.start_soon(parts.alerting.run)


def _start_leaving(nursery: trio.Nursery, parts: _Parts) -> None:
    """Tell other replicas that this one leaves, and let the alerts end."""
    for part in (parts.sharing, parts.places):
        if part is not None:
            nursery.start_soon(part.leave)
    parts.alerting.alerts.close()


def _drain(configuration: Configuration, sinks: Sinks, started_at: float, sharing: Sharing | None) -> Drain:
    registration = _registration(configuration, sinks.disk, started_at)
    opened = trio.lowlevel.checkpoint if sharing is None else sharing.take_back
    store = TableStore(sinks.database, registration, shares=sharing is not None, opened=opened)
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
        place_views=sinks.place_views,
    )


def _checked(targets: Iterable[Target]) -> Iterator[str]:
    return (target.name for target in targets if target.enabled)


def _registration(configuration: Configuration, disk: OutboxThread, started_at: float) -> Registration:
    moment, location = datetime.fromtimestamp(started_at, UTC), configuration.settings.location
    return Registration(location, disk.outbox.id, moment, watched_at(configuration.targets, location))


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
        # A site that fails is not an error of this program.
        lambda outcome, stored: sinks.put_stderr("warning", sinks.lines.failure(outcome, stored=stored)),
        drain.wake,
        tell_kept=tell_kept,
        trust=trust,
    )


async def _lived_until(disk: OutboxThread) -> float:
    """Return the last slot that was checked before, in seconds since 1970; 0 if unknown."""
    try:
        found = await disk.run(lambda outbox: outbox.meta("slots_until"))
    except OutboxUnavailableError:
        return 0.0
    return found if isinstance(found, float | int) else 0.0


def _log_clock_jump(seconds: float) -> None:
    log.warning(
        "clock jump, or the daemon was away for more than an hour: nothing is dropped for its age for a day",
        leap=f"{seconds / 3600:+.1f} h",
    )


async def _resume(
    configuration: Configuration, disk: OutboxThread, parts: _Parts
) -> tuple[Beginning, Mapping[str, Standing]]:
    """Find the targets to watch here, and their standings from the outbox; none if it cannot be read."""
    location, trust = configuration.settings.location, parts.trust
    targets = watched_at(configuration.targets, location)
    beginning = Beginning(targets) if parts.sharing is None else await parts.sharing.begin()
    now = wall_seconds()
    try:
        trust.begin(now, *await disk.run(lambda outbox: (outbox.meta("alive_at"), outbox.meta("doubted_until"))))
        await disk.run(lambda outbox: outbox.doubt_clock(trust.doubted_until))
        if parts.sharing is not None:
            parts.flip_lines.retarget(_checked(beginning.targets))
            return beginning, await parts.sharing.resume(beginning, now)
        return beginning, await disk.run(lambda outbox: resume_from(outbox, configuration.targets, location, now))
    except OutboxUnavailableError as error:
        log.error("the outbox cannot be read, earlier states are unknown", error=error)
        return beginning, {}


@asynccontextmanager
async def _open_checks(
    configuration: Configuration,
    sinks: Sinks,
    conclusions: trio.MemorySendChannel[Conclusion],
    parts: _Parts,
    lived_until: float,
) -> AsyncIterator[tuple[WatchedTargets, Conditions]]:
    """Create what checks need, and run the tasks beside them."""
    settings, gate = configuration.settings, None if parts.sharing is None else parts.sharing.gate
    async with (
        open_check_context(settings.max_workers, settings.location, lived_until=lived_until, gate=gate) as context,
        trio.open_nursery() as checks,
    ):
        checks.start_soon(report_lateness, sinks.tally, lambda: int(context.lanes.workers.total_tokens))
        roster = Roster(context, conclusions, checks)
        look, writer = parts.alerting.alerts.look, parts.outbox_writer
        conditions = Conditions(context, roster, sinks.disk, sinks.tally, lambda: writer.written_at, look)
        await conditions.use(parts.present.targets, configuration.alerting)
        parts.listeners.append(conditions.take)
        checks.start_soon(conditions.run)
        watched = WatchedTargets(context, roster, conclusions, writer, sinks.disk, parts.drain, sinks.board)
        yield watched, conditions


async def _follow(
    changes: trio.MemoryReceiveChannel[Change],
    beginning: Beginning,
    sinks: Sinks,
    watched: WatchedTargets,
    conditions: Conditions,
    parts: _Parts,
) -> None:
    """Apply changes of the file and of the other replicas, until cancelled."""
    apply = partial(_take_step, sinks, watched, conditions, parts)
    if parts.sharing is not None:
        await parts.sharing.run(watched.context, beginning, changes, apply)
    else:
        here = beginning.targets
        async for change in changes:
            step = Step(part_watched_at(watched.context.location, change.difference, here), change)
            await apply(step)
            here = step.difference.targets
            change.taken_over.set()


async def _take_step(sinks: Sinks, watched: WatchedTargets, conditions: Conditions, parts: _Parts, step: Step) -> None:
    """Apply a step. Every change reaches the checks and their results this way."""
    found, file = step.difference, step.file
    configured = None if file is None or file.difference.is_empty else file.difference.targets
    if file is not None:
        await _take_file(file, sinks, watched, conditions, parts)
        conditions.rename(file.difference.renamed)
        await parts.keeper.rename(file.difference.renamed)
        if parts.sharing is not None:
            parts.sharing.rename(file.difference.renamed, {target.name for target in found.added})
    if configured is not None or not found.is_empty:
        await watched.change(found, step.moved, step.taken, configured)
        parts.flip_lines.retarget(_checked(found.targets))
        sinks.tally.forget(target.name for target in found.removed)
    if configured is not None:
        parts.present.targets = {target.name: target for target in configured}
    if file is not None and parts.places is not None:
        parts.places.use(parts.present.targets.values(), file.difference.renamed)


async def _take_file(
    change: Change, sinks: Sinks, watched: WatchedTargets, conditions: Conditions, parts: _Parts
) -> None:
    """Apply a changed file to everything but the checks, before the first check of a new target."""
    present, found = parts.present, change.difference
    sinks.use(change.settings)
    present.page = change.page
    watched.context.lanes.resize(change.settings.max_workers)
    targets = present.targets if found.is_empty else {target.name: target for target in found.targets}
    await parts.alerting.change(change, targets)
    await conditions.use(targets, change.alerting)


async def _drain_all(sinks: Sinks, parts: _Parts) -> None:
    """Drain until all is stored after the stop, or the database is away; then no replica waits for this one."""
    await parts.drain.run(sinks.database_ready)
    if parts.drain.is_up and not sinks.disk.outbox.rows:
        for part in (parts.sharing, parts.places):
            if part is not None:
                await part.end()


async def _keep_all(
    conclusions: trio.MemoryReceiveChannel[Conclusion], sinks: Sinks, outbox_writer: OutboxWriter, drain: Drain
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox_writer.run)
        await record(conclusions, sinks.put_success, outbox_writer.put, sinks.board, sinks.tally, sinks.lines)
        outbox_writer.close()
    drain.close()

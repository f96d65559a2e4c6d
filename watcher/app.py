"""The daemon: opens things in their order, and closes them in the reverse one, each rung of the ladder bounded."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.checking.checker import open_checker
from watcher.checking.monitor import monitor_url
from watcher.garbage import collect_in_small_steps, stop_collecting
from watcher.heartbeat import beat
from watcher.log import lines_through
from watcher.model.outcome import Outcome
from watcher.recording.lateness import report_lateness, warn_of_too_few_workers
from watcher.recording.line_writer import FileSink, LineWriter, StreamSink
from watcher.recording.lines import failure_line
from watcher.recording.recorder import Tally, record
from watcher.storage.bridge import open_bridge
from watcher.storage.db import open_database
from watcher.storage.embedded import STOP_SECONDS, EmbeddedPostgres
from watcher.storage.folder_lock import FolderLock
from watcher.storage.url import external_url
from watcher.storage.writer import FailureWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

    from watcher.config.settings import Settings
    from watcher.model.target import Target
    from watcher.storage.db import Database

log = structlog.get_logger()

# The bound of outcomes on their way to the recorder, which waits for nothing: a burst, not a backlog.
MAX_OUTCOMES_IN_CHANNEL = 1000
MAX_DESCRIPTORS = 1_048_576
SETTLE_SECONDS = 5.0
STDERR = 2

# Rungs of the shutdown. With those of Database.close (0.5 s) and EmbeddedPostgres.stop (1.7 s) they stay below the
# 5 s that the daemon has.
DRAIN_SECONDS = 1.5
FLUSH_SECONDS = 0.4


def stop_signals() -> list[signal.Signals]:
    """Return the signals that stop the daemon: SIGHUP comes when a terminal is closed, unless nohup is at work."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    return numbers if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*numbers, signal.SIGHUP]


class UnusablePathError(Exception):
    """A path of the settings cannot be written; the message names the key."""


async def run_daemon(settings: Settings, targets: Sequence[Target]) -> None:
    """Watch the targets until SIGINT, SIGTERM or SIGHUP.

    Args:
        settings: what `.env` says.
        targets: what to watch.

    Raises:
        FolderLockedError: another daemon works in the data folder.
        AccountError, EmbeddedError: the embedded database can never run here.
        SchemaTooNewError: a newer version of watcher has upgraded the database.
        UnusablePathError: the data folder or the success log cannot be written.
    """
    stopping = trio.CancelScope()
    with _claimed(settings):
        server = None if settings.postgres_host else EmbeddedPostgres(settings.data_dir.resolve())
        url = external_url(settings) if server is None else server.url()
        with _blaming("WATCHER_LOG_FILE", settings.log_file):
            success_file = FileSink(settings.log_file)
        _raise_descriptor_limit()
        async with trio.open_nursery() as signals, _writing(StreamSink(STDERR), str) as stderr:
            await signals.start(_watch_signals, stopping, server)
            with lines_through(stderr.put):
                where = "embedded" if server else f"{settings.postgres_host}:{settings.postgres_port}"
                log.info("started", targets=len(targets), workers=settings.max_workers, database=where)
                warn_of_too_few_workers(targets, settings.max_workers)
                async with (
                    _writing(success_file, lambda text: log.warning(f"{settings.log_file} {text}")) as successes,
                    _services(settings, server) as server_ready,
                    open_bridge(),
                    open_database(url) as database,
                ):
                    await _watch(settings, targets, stopping, successes, stderr, database, server_ready)
            signals.cancel_scope.cancel()


async def _watch(
    settings: Settings,
    targets: Sequence[Target],
    stopping: trio.CancelScope,
    successes: LineWriter,
    stderr: LineWriter,
    database: Database,
    server_ready: trio.Event,
) -> None:
    """Check and record until `stopping` is cancelled, then write what is pending."""
    tally = Tally()
    writer = FailureWriter(database, lambda outcome, stored: stderr.put(failure_line(outcome, stored=stored)))

    async def record_all(outcomes: trio.MemoryReceiveChannel[Outcome]) -> None:
        await record(outcomes, successes.put, writer.put, tally)
        writer.close()

    async def write_failures() -> None:
        await server_ready.wait()
        await writer.run()

    try:
        async with trio.open_nursery() as sinks:
            send, receive = trio.open_memory_channel[Outcome](MAX_OUTCOMES_IN_CHANNEL)
            sinks.start_soon(record_all, receive)
            sinks.start_soon(write_failures)
            async with send, trio.open_nursery() as reporting:
                reporting.start_soon(report_lateness, tally, settings.max_workers)
                await _check_all(settings, targets, stopping, send)
                reporting.cancel_scope.cancel()
            # The channel is closed: the recorder ends when it is empty, and the writer when all is stored.
            sinks.cancel_scope.deadline = trio.current_time() + DRAIN_SECONDS
    finally:
        log.info("stopped", **vars(tally), failures_not_stored=writer.give_up())


async def _check_all(
    settings: Settings, targets: Sequence[Target], stopping: trio.CancelScope, outcomes: trio.MemorySendChannel[Outcome]
) -> None:
    """Run one loop a target until `stopping` is cancelled."""
    with stopping:
        async with (
            open_checker(settings.max_workers, settings.location, targets=len(targets)) as checker,
            trio.open_nursery() as checks,
        ):
            for target in targets:
                # The name is one that is there already: trio would make a text of 170 bytes for each.
                checks.start_soon(monitor_url, target, checker, outcomes, name=target.name)


@contextmanager
def _claimed(settings: Settings) -> Iterator[None]:
    """Hold the data folder: two daemons must not work in one."""
    lock = FolderLock(settings.data_dir / "daemon.lock")
    with _blaming("WATCHER_DATA_DIR", settings.data_dir):
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _blaming(key: str, path: Path) -> Iterator[None]:
    """Name the setting behind a path that cannot be written."""
    try:
        yield
    except OSError as error:
        text = f"{key}: {path} cannot be written: {error.strerror}; name another path, or correct its permissions"
        raise UnusablePathError(text) from error


@asynccontextmanager
async def _writing(sink: FileSink | StreamSink, report: Callable[[str], object]) -> AsyncIterator[LineWriter]:
    """Run a line writer, and write what waits at the end, whatever ended the block."""
    writer = LineWriter(sink, report)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        try:
            yield writer
        finally:
            with trio.move_on_after(FLUSH_SECONDS, shield=True):
                await writer.finish()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def _services(settings: Settings, server: EmbeddedPostgres | None) -> AsyncIterator[trio.Event]:
    """Run what goes along: the heartbeat, and any embedded server; the event is set when that can be used."""
    ready = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(beat, settings.data_dir / "heartbeat")
            nursery.start_soon(_settle_memory)
            if server is None:
                ready.set()
            else:
                nursery.start_soon(server.keep_running, ready.set)
            yield ready
            nursery.cancel_scope.cancel()
    finally:
        if server is not None:
            with trio.move_on_after(STOP_SECONDS, shield=True):
                await server.stop()


async def _watch_signals(
    stopping: trio.CancelScope,
    server: EmbeddedPostgres | None,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Stop the checks at the first signal, and end the process at the second."""
    with trio.open_signal_receiver(*stop_signals()) as received:
        task_status.started()
        async for number in received:
            if stopping.cancel_called:
                if server is not None:
                    server.stop_soon()
                os._exit(128 + number)
            log.info("stopping", signal=signal.Signals(number).name)
            stop_collecting()
            stopping.cancel()


async def _settle_memory() -> None:
    """Let the garbage collector work, when the loops have been made; `watcher run` has switched it off."""
    await trio.sleep(SETTLE_SECONDS)
    collect_in_small_steps()


def _raise_descriptor_limit() -> None:
    """Take the descriptors that the system allows: with the usual 1024, a thousand checks would lack them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS allows fewer than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MAX_DESCRIPTORS)), hard))

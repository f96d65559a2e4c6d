"""The daemon: opens things in their order, and closes them in the reverse one, each rung of the ladder bounded."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.garbage import collect_in_small_steps, stop_collecting
from watcher.heartbeat import beat
from watcher.log import lines_through
from watcher.recording.lateness import warn_of_too_few_workers
from watcher.recording.line_writer import FileSink, LineWriter, StreamSink
from watcher.storage.bridge import open_bridge
from watcher.storage.db import open_database
from watcher.storage.embedded import STOP_SECONDS, EmbeddedPostgres
from watcher.storage.folder_lock import FolderLock
from watcher.storage.outbox import Outbox
from watcher.storage.outbox_errors import OutboxUnavailableError
from watcher.storage.outbox_thread import OutboxThread
from watcher.storage.url import external_url
from watcher.watching import FLUSH_SECONDS, Sinks, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from watcher.config import Configuration
    from watcher.config.settings import Settings

log = structlog.get_logger()

MAX_DESCRIPTORS = 1_048_576
SETTLE_SECONDS = 5.0
STDERR = 2


def stop_signals() -> list[signal.Signals]:
    """Return the signals that stop the daemon: SIGHUP comes when a terminal is closed, unless nohup is at work."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    return numbers if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*numbers, signal.SIGHUP]


class UnusablePathError(Exception):
    """A path of the settings cannot be written; the message names the key."""


async def run_daemon(configuration: Configuration) -> None:
    """Watch the targets until SIGINT, SIGTERM or SIGHUP.

    Args:
        configuration: what to watch, and how.

    Raises:
        FolderLockedError: another daemon works in the data folder.
        AccountError, EmbeddedError: the embedded database can never run here.
        SchemaTooNewError: a newer version of watcher has upgraded the database.
        UnusablePathError: the data folder or the success log cannot be written.
    """
    settings, targets = configuration.settings, configuration.targets
    stopping = trio.CancelScope()
    with _claimed(settings):
        server = None if settings.postgres_host else EmbeddedPostgres(settings.data_dir.resolve())
        url = external_url(settings) if server is None else server.url()
        with _blaming("WATCHER_LOG_FILE", settings.log_file):
            success_file = FileSink(settings.log_file)
        with _blaming("WATCHER_DATA_DIR", settings.data_dir):
            outbox = Outbox(settings.data_dir / "outbox.sqlite")
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
                    sinks = Sinks(successes.put, stderr.put, OutboxThread(outbox), database, server_ready)
                    await watch(settings, targets, stopping, sinks)
            signals.cancel_scope.cancel()


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
    except (OSError, OutboxUnavailableError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        text = f"{key}: {path} cannot be written: {reason}; name another path, or correct its permissions"
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

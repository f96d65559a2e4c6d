"""Runs the daemon: opens everything in order, and closes it in reverse order, each step within a time limit."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import structlog
import trio

from watcher.cluster.values import Timing
from watcher.daemon.changes import MAX_CHANGES_IN_CHANNEL, Change
from watcher.daemon.errors import UnusablePathError
from watcher.daemon.file_changes import watch_files
from watcher.daemon.garbage import collect_in_small_steps, stop_collecting
from watcher.daemon.heartbeat import beat
from watcher.daemon.pipeline import watch
from watcher.daemon.reload import Reloader, tell_warnings
from watcher.daemon.sinks import Sinks
from watcher.daemon.stop_ladder import STDERR_FLUSH, SUCCESSES_FLUSH, WORST_SECONDS
from watcher.daemon.systemd import Supervisor
from watcher.embedded_postgres.folder_lock import FolderLock
from watcher.embedded_postgres.server import EmbeddedPostgres
from watcher.log import lines_through, to_stderr
from watcher.model.target import watched_at
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.outbox import Outbox
from watcher.outbox.thread import OutboxThread
from watcher.outbox.writer import GATHER_SECONDS
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import Database, open_database, open_reading_database
from watcher.postgres.url import external_url, places_of
from watcher.recording.line_writer import FileSink, LineWriter, StreamSink
from watcher.web.page import open_page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from watcher.config import Configuration
    from watcher.config.env.settings import Settings
    from watcher.daemon.stop_ladder import Rung

log = structlog.get_logger()

MAX_DESCRIPTORS = 1_048_576
SETTLE_SECONDS = 5.0
STDERR = 2
# The page's own database connections: its readers take nothing from the drain.
PAGE_CONNECTIONS = 2
PAGE_QUERY_SECONDS = 2.0
# For the membership of replicas: a beat never waits, while targets are claimed, here and for `*`.
REPLICA_CONNECTIONS = 3

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
RELOAD_SIGNAL = signal.SIGHUP


@dataclass(frozen=True)
class _Stop:
    """The scope that the first stop signal cancels; the rest follows from it."""

    reloads: trio.CancelScope = field(default_factory=trio.CancelScope)
    checks: trio.CancelScope = field(default_factory=trio.CancelScope)


_open_page_database = partial(open_reading_database, connections=PAGE_CONNECTIONS, most_seconds=PAGE_QUERY_SECONDS)


async def run_daemon(
    configuration: Configuration, load: Callable[[], Configuration], read_at: float, timing: Timing | None = None
) -> None:
    """Watch the targets until SIGINT or SIGTERM; reload the configuration on SIGHUP and when its files change.

    Args:
        configuration: of the start.
        load: reads the configuration again; called in a thread.
        read_at: when its first reading started, in seconds since 1970.
        timing: of the replicas' leases; the same for all replicas of a location.

    Raises:
        FolderLockedError: another daemon works in the data folder.
        OsUserError, EmbeddedError: the embedded database can never run here.
        SchemaTooNewError: a newer version of watcher has upgraded the database.
        UnusablePathError: the data folder or the success log cannot be written.
    """
    settings = configuration.settings
    stop, supervisor = _Stop(), Supervisor()
    send_change, changes = trio.open_memory_channel[Change](MAX_CHANGES_IN_CHANNEL)
    reloader = Reloader(configuration, load, send_change, lambda: status.announced())
    status = _Status(supervisor, reloader)
    with _claimed(settings):
        server, url = _server_of(settings)
        success_file, disk = _open_files(settings)
        async with trio.open_nursery() as signals, _writing(StreamSink(STDERR), str, STDERR_FLUSH) as stderr:
            await signals.start(_watch_signals, stop, server, reloader, supervisor)
            signals.start_soon(_watch_files, reloader, read_at)
            begun = partial(_report_started, supervisor, status, signals, partial(_reload, reloader, stop))
            with lines_through(stderr.put):
                _log_start(configuration)
                async with (
                    open_page(settings) as page,
                    _writing(
                        success_file, _complaints_about(success_file), SUCCESSES_FLUSH, GATHER_SECONDS
                    ) as successes,
                    _services(settings, server, supervisor) as server_ready,
                    open_bridge(),
                    open_database(url) as database,
                    _open_page_database(url) as page_database,
                    _open_replicas(url, is_shared=server is None) as replicas,
                ):
                    tell_warnings(configuration.warnings)
                    sinks = Sinks(success_file, successes.put, _lines_to(stderr), disk, database, server_ready)
                    ask = partial(reloader.ask, by_hand=True)
                    sinks = replace(sinks, page=page, page_database=page_database, ask_reload=ask)
                    sinks = replace(sinks, replicas=replicas, timing=timing or Timing(), tell_share=status.share)
                    await watch(configuration, changes, stop.checks, sinks, begun)
            signals.cancel_scope.cancel()


def _server_of(settings: Settings) -> tuple[EmbeddedPostgres | None, str]:
    """Return the embedded server, None if the settings name another; and the URL of the database."""
    if settings.postgres_host:
        return None, external_url(settings)
    server = EmbeddedPostgres(settings.data_dir.resolve())
    return server, server.url()


def _report_started(
    supervisor: Supervisor, status: _Status, nursery: trio.Nursery, reload: Callable[[], Awaitable[None]]
) -> None:
    """Report that the checks have started, and reload from now on."""
    supervisor.ready(status.text)
    nursery.start_soon(reload)


@asynccontextmanager
async def _open_replicas(url: str, *, is_shared: bool) -> AsyncIterator[Database | None]:
    """Open the database for the membership of replicas; None if it is this daemon's own."""
    if not is_shared:
        yield None
        return
    database = Database(url, connections=REPLICA_CONNECTIONS)
    await database.connect()
    try:
        yield database
    finally:
        await database.cut()


def _log_start(configuration: Configuration) -> None:
    settings = configuration.settings
    where = places_of(settings) if settings.postgres_host else "embedded"
    here = len(watched_at(configuration.targets, settings.location))
    log.info("started", targets=here, workers=settings.max_workers, database=where)


def _open_files(settings: Settings) -> tuple[FileSink, OutboxThread]:
    """Open monitor.log and the outbox, and raise the limit of open files to the system's maximum."""
    _raise_descriptor_limit()
    with _blaming("WATCHER_LOG_FILE", settings.log_file):
        success_file = FileSink(settings.log_file)
    with _blaming("WATCHER_DATA_DIR", settings.data_dir):
        return success_file, OutboxThread(
            Outbox(settings.data_dir / "outbox.sqlite", shares=bool(settings.postgres_host))
        )


def _lines_to(stderr: LineWriter) -> Callable[[str, str], None]:
    return lambda level, line: stderr.put(to_stderr(level, line))


def _complaints_about(sink: FileSink) -> Callable[[str], None]:
    """Return a function that logs why a file cannot be written."""
    return lambda text: log.warning(f"{sink.path} {text}")


async def _reload(reloader: Reloader, stop: _Stop) -> None:
    """Reload on each request, until the stop."""
    with stop.reloads:
        await reloader.run()


async def _watch_files(reloader: Reloader, read_at: float) -> NoReturn:
    """Reload when a file changes, while the settings enable it."""

    def files() -> Sequence[Path]:
        return reloader.files if reloader.current.settings.reload_on_change else ()

    await watch_files(files, lambda: reloader.ask() if files() else None, read_at=read_at)


class _Status:
    """The text that `systemctl status` shows."""

    def __init__(self, supervisor: Supervisor, reloader: Reloader) -> None:
        self._supervisor = supervisor
        self._reloader = reloader
        self._share = ""

    @property
    def text(self) -> str:
        """The text."""
        current = self._reloader.current
        count = len(watched_at(current.targets, current.settings.location))
        refused = "; the configuration has mistakes and is not in use" if self._reloader.is_refused else ""
        return f"watching {count} target{'' if count == 1 else 's'}{self._share}{refused}"

    def share(self, targets: int, replicas: int) -> None:
        """Set how many targets are checked here, and how many replicas share all of them."""
        self._share = f", {targets} of them here, {replicas} replicas" if replicas > 1 else ""
        self._supervisor.status(self.text)

    @contextmanager
    def announced(self) -> Iterator[None]:
        """Report a reload to systemd, and the status when it is over."""
        with self._supervisor.reloading():
            yield
        self._supervisor.status(self.text)


@contextmanager
def _claimed(settings: Settings) -> Iterator[None]:
    """Lock the data folder: two daemons must not use one."""
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
    """Name the setting of a path that cannot be written."""
    try:
        yield
    except (OSError, OutboxUnavailableError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        text = f"{key}: {path} cannot be written: {reason}; name another path, or correct its permissions"
        raise UnusablePathError(text) from error


@asynccontextmanager
async def _writing(
    sink: FileSink | StreamSink, report: Callable[[str], object], flush: Rung, gather_seconds: float = 0.0
) -> AsyncIterator[LineWriter]:
    """Run a line writer; write the waiting lines at the end, whatever ended the block."""
    writer = LineWriter(sink, report, gather_seconds=gather_seconds)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        try:
            yield writer
        finally:
            with trio.move_on_after(flush.seconds, shield=True):
                await writer.finish()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def _services(
    settings: Settings, server: EmbeddedPostgres | None, supervisor: Supervisor
) -> AsyncIterator[trio.Event]:
    """Run the heartbeats and the embedded server, if any; the event is set when the database can be used."""
    ready = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(beat, settings.data_dir / "heartbeat")
            nursery.start_soon(supervisor.feed_watchdog)
            nursery.start_soon(_settle_memory)
            if server is None:
                ready.set()
            else:
                nursery.start_soon(server.keep_running, ready.set)
            yield ready
            nursery.cancel_scope.cancel()
    finally:
        if server is not None:
            with trio.move_on_after(WORST_SECONDS, shield=True):  # never reached: stop() has rungs of its own
                await server.stop()


async def _watch_signals(
    stop: _Stop,
    server: EmbeddedPostgres | None,
    reloader: Reloader,
    supervisor: Supervisor,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Reload on SIGHUP; stop the checks at the first stop signal, and end the process at the second."""
    with trio.open_signal_receiver(*STOP_SIGNALS, RELOAD_SIGNAL) as received:
        # Signals since the start have waited, see watcher/cli/__init__.py.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {RELOAD_SIGNAL})
        task_status.started()
        async for number in received:
            if number == RELOAD_SIGNAL:
                reloader.ask(by_hand=True)
                continue
            if stop.checks.cancel_called:
                if server is not None:
                    server.stop_soon()
                os._exit(128 + number)
            supervisor.stopping()
            log.info("stopping", signal=signal.Signals(number).name)
            stop_collecting()
            stop.reloads.cancel()
            stop.checks.cancel()


async def _settle_memory() -> None:
    """Start the garbage collector once the loops exist; `watcher run` has switched it off."""
    await trio.sleep(SETTLE_SECONDS)
    collect_in_small_steps()


def _raise_descriptor_limit() -> None:
    """Raise the limit of descriptors to the system's maximum: the usual 1024 are too few for a thousand checks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS allows fewer than it reports
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MAX_DESCRIPTORS)), hard))

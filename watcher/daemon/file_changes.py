"""Tells when files may have changed, whoever did it: an editor, git, Kubernetes, or the far side of a mount.

What the system reports is heard within a moment. Some file systems report nothing, and a limit may be reached: so the
files are also looked at every few seconds, by their size, times and number. What is heard or seen is a hint and no
more: whoever is told reads the files, and finds out whether anything is different.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypeVar

import structlog
import trio
from watchfiles._rust_notify import RustNotify

from watcher.daemon.file_links import Ways, ways_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    Stamp = tuple[int, ...]

log = structlog.get_logger()

POLL_SECONDS = 3.0
# An editor writes several times: what comes in one go is told once, when it has been quiet for so long.
SETTLE_SECONDS = 0.2
MAX_SETTLE_SECONDS = 2.0
# How often the listener's thread looks whether it is to stop, hence how long a cancellation takes.
STEP_MS = 50
# A file that is new among the files was read before it was first looked at, at most so long ago.
FRESH_SECONDS = 10.0

_Found = TypeVar("_Found")


async def watch_files(
    files: Callable[[], Iterable[Path]],
    changed: Callable[[], None],
    *,
    read_at: float | None = None,
    poll_seconds: float = POLL_SECONDS,
    listen: Callable[[Iterable[str]], RustNotify] | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Call `changed` whenever one of the files may have changed; never returns unless cancelled.

    Files may be missing, unreadable, links, and folders. Of a folder it counts what comes into it and goes from it;
    what stands in the files in it counts when these are among the files themselves.

    Args:
        files: returns them; asked whenever they are looked at, so that they may change.
        changed: called from the loop, a moment after the last change; must not block.
        read_at: when reading them began, in unix seconds; what is younger counts as changed. The present by default.
        poll_seconds: how often they are looked at where nothing is heard of them.
        listen: begins to listen to the system, see `listen_to`.
        task_status: started when all that changes from now on is told.
    """
    eyes = _Eyes(files, changed, time.time() if read_at is None else read_at)
    ears = _Ears(listen or listen_to)
    async with trio.open_nursery() as nursery:
        heard, started = False, False
        while True:
            await eyes.look(heard=heard)
            if eyes.surprised or not ears.has_tried:
                eyes.surprised = False
                await ears.listen_at(eyes.paths, nursery)
                await eyes.look(heard=False)  # at what came when nobody listened
            if not started:
                started = True
                task_status.started()
            heard = await ears.hear(SETTLE_SECONDS if eyes.surprised else poll_seconds)


def listen_to(places: Iterable[str]) -> RustNotify:
    """Have the system tell what happens to some files, and in some folders but not below them.

    Raises:
        OSError: one of them is gone or denied, or there are too many for the system.
        RuntimeError: the system has no means left for it.
    """
    is_loud, is_polling, poll_ms, is_recursive = False, False, int(POLL_SECONDS * 1000), False
    # Told to ignore what is denied, it would also say nothing of a limit that is reached.
    return RustNotify(list(places), is_loud, is_polling, poll_ms, is_recursive, False)


class _Eyes:
    """Looks at the files.

    Attributes:
        paths: what the files were when they were last looked at.
        surprised: set by a look that found anything different, be it the files that there are.
    """

    def __init__(self, files: Callable[[], Iterable[Path]], changed: Callable[[], None], read_at: float) -> None:
        self._files = files
        self._changed = changed
        self._since = read_at
        self._stamps: Mapping[Path, Stamp] = {}
        self._limiter = trio.CapacityLimiter(1)
        self.paths: tuple[Path, ...] = ()
        self.surprised = True

    async def look(self, *, heard: bool) -> None:
        """Look, and tell of a change, also of one that was heard and cannot be seen."""
        began = time.time()
        self.paths = tuple(dict.fromkeys(self._files()))
        stamps = await _in_thread(partial(_stamps, self.paths), self._limiter)
        before, since_ns = self._stamps, int(self._since * 1e9)
        is_changed = heard or any(
            stamp != before[path] if path in before else stamp[-1] > since_ns for path, stamp in stamps.items()
        )
        self.surprised |= heard or stamps != before
        self._stamps, self._since = stamps, began - FRESH_SECONDS
        if is_changed:
            self._changed()


class _Ears:
    """Listens to what the system tells of the files.

    Attributes:
        has_tried: whether the places to listen at were there to be listened to, successfully or not.
    """

    def __init__(self, listen: Callable[[Iterable[str]], RustNotify]) -> None:
        self._listen_to = listen
        self._ways: Ways | None = None
        self.has_tried = False
        self._scope = trio.CancelScope()
        self._heard = trio.Event()
        self._limiter = trio.CapacityLimiter(1)
        self._complained = False

    async def listen_at(self, paths: tuple[Path, ...], nursery: trio.Nursery) -> None:
        """Listen at these files instead of the former, where they are others or stand elsewhere by now."""
        ways = await _in_thread(partial(ways_to, paths), self._limiter)
        if ways == self._ways and self.has_tried:
            return
        self._scope.cancel()
        self.has_tried, self._ways, self._scope = True, ways, trio.CancelScope()
        if not ways.places:
            return
        try:
            system = await _in_thread(partial(self._listen_to, ways.places), self._limiter)
        except (FileNotFoundError, PermissionError):  # gone since, and to be tried again
            self.has_tried = False
        except (OSError, RuntimeError) as error:
            self._complain(error)
        else:
            nursery.start_soon(self._listen, system, ways, self._scope)

    async def hear(self, seconds: float) -> bool:
        """Wait for a hint and for the quiet after it; return whether there was one within so many seconds."""
        with trio.move_on_after(seconds):
            await self._heard.wait()
        was_heard, give_up_at = self._heard.is_set(), trio.current_time() + MAX_SETTLE_SECONDS
        while self._heard.is_set() and trio.current_time() < give_up_at:
            self._heard = trio.Event()
            with trio.move_on_after(SETTLE_SECONDS):
                await self._heard.wait()
        return was_heard

    async def _listen(self, system: RustNotify, ways: Ways, scope: trio.CancelScope) -> None:
        """Have a thread listen until the scope is cancelled, and see it end."""
        stop = threading.Event()
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._run, system, ways, stop)
                try:
                    await trio.sleep_forever()
                finally:
                    stop.set()

    async def _run(self, system: RustNotify, ways: Ways, stop: threading.Event) -> None:
        # Not of those that may be abandoned: it ends within a step.
        try:
            await trio.to_thread.run_sync(self._hear_in_thread, system, ways, stop, limiter=trio.CapacityLimiter(1))
        except (OSError, RuntimeError) as error:
            self._complain(error)

    def _hear_in_thread(self, system: RustNotify, ways: Ways, stop: threading.Event) -> None:
        with system:
            while True:
                found = system.watch(STEP_MS, STEP_MS, 0, stop)
                if isinstance(found, str):
                    return
                if any(ways.concern(kind, path) for kind, path in found):
                    trio.from_thread.run_sync(lambda: self._heard.set())

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            log.warning("the system tells nothing of changed files, they are looked at instead", error=error)
        self._complained = True


def _stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp:
    """Return what differs when a file does; the time of its last change is the last."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        return (getattr(error, "errno", None) or 0, 0)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


async def _in_thread(work: Callable[[], _Found], limiter: trio.CapacityLimiter) -> _Found:
    """Have a thread do it, as soon as the system has one to give: a file system may hang."""

    def caught() -> Callable[[], _Found]:
        try:
            return partial(_same, work())
        except (OSError, RuntimeError) as error:
            return partial(_raise, error)

    while True:
        try:
            found = await trio.to_thread.run_sync(caught, abandon_on_cancel=True, limiter=limiter)
        except RuntimeError:  # out of trio: there is no thread
            await trio.sleep(POLL_SECONDS)
        else:
            return found()


def _same(found: _Found) -> _Found:
    return found


def _raise(error: Exception) -> NoReturn:
    raise error

"""Looks for changed files once a second, whatever changed them: an editor, git, Kubernetes, or another host of a mount.

System events (inotify) would come sooner. But some mounts send none, the number of watches is limited, and links must
be followed by hand, so the look would still be needed. A change is only a hint to read the files and compare.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    Stamp = tuple[int, ...]

Result = TypeVar("Result")

LOOK_SECONDS = 1.0
# With more files the looks are further apart, so that they cost no more: a configuration may name thousands of secrets.
MAX_FILES_PER_SECOND = 500
# An editor writes several times. So a change is reported when two looks in a row are equal, or when the time is up.
SETTLE_SECONDS = 0.2
MAX_SETTLE_SECONDS = 2.0
# A file that is new in the list was read at most this long before its first look: if it is younger, it has changed.
FRESH_SECONDS = 10.0
# When the system has no thread, the look is repeated after this time.
RETRY_SECONDS = 3.0


async def watch_files(
    files: Callable[[], Iterable[Path]],
    changed: Callable[[], None],
    *,
    read_at: float | None = None,
    look_seconds: float = LOOK_SECONDS,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Call `changed` whenever one of the files may have changed; never returns unless cancelled.

    Files may be missing, unreadable, links, and folders. In a folder, added, renamed and removed files count; the
    content of a file in it counts only if that file is listed itself.

    Args:
        files: returns them; called before each look, also from a thread, so that the list may change.
        changed: called from the loop, a moment after the last change; must not block.
        read_at: when their reading started, in unix seconds; younger files count as changed. Now by default.
        look_seconds: the time between two looks.
        task_status: started when every later change will be reported.
    """
    limiter = trio.CapacityLimiter(1)
    before: Mapping[Path, Stamp] = {}
    # The machine's clock, since the system dates files by it.
    since = time.time() if read_at is None else read_at
    has_started = False
    while True:
        began = time.time()
        stamps = await _look(files, limiter)
        if not has_started:
            has_started = True
            task_status.started()
        if _has_changed(before, stamps, int(since * 1e9)):
            stamps = await _look_until_quiet(files, limiter, stamps)
            changed()
        before, since = await _wait_for_change(files, stamps, began - FRESH_SECONDS, look_seconds, limiter)


async def _wait_for_change(
    files: Callable[[], Iterable[Path]],
    before: Mapping[Path, Stamp],
    since: float,
    look_seconds: float,
    limiter: trio.CapacityLimiter,
) -> tuple[Mapping[Path, Stamp], float]:
    """Look regularly until a file has changed; return the stamps before the change, and since when new files count.

    The thread sleeps between its looks by itself, so that it does not wake the loop while nothing changes.
    """
    stopped = threading.Event()

    def look_until_changed() -> tuple[Mapping[Path, Stamp], float]:
        seen, fresh_since = before, since
        while not stopped.wait(max(look_seconds, len(seen) / MAX_FILES_PER_SECOND)):
            began, stamps = time.time(), _stamps(dict.fromkeys(files()))
            if _has_changed(seen, stamps, int(fresh_since * 1e9)):
                break
            seen, fresh_since = stamps, began - FRESH_SECONDS
        return seen, fresh_since

    try:
        return await _in_thread(look_until_changed, limiter)
    finally:
        stopped.set()


def _has_changed(before: Mapping[Path, Stamp], stamps: Mapping[Path, Stamp], since_ns: int) -> bool:
    """Return whether a file differs, or is new in the list and younger than `since_ns`."""
    return any(stamp != before[path] if path in before else stamp[-1] > since_ns for path, stamp in stamps.items())


async def _look_until_quiet(
    files: Callable[[], Iterable[Path]], limiter: trio.CapacityLimiter, stamps: Mapping[Path, Stamp]
) -> Mapping[Path, Stamp]:
    give_up_at = trio.current_time() + MAX_SETTLE_SECONDS
    while True:
        await trio.sleep(SETTLE_SECONDS)
        before, stamps = stamps, await _look(files, limiter)
        if stamps == before or trio.current_time() >= give_up_at:
            return stamps


async def _look(files: Callable[[], Iterable[Path]], limiter: trio.CapacityLimiter) -> Mapping[Path, Stamp]:
    """Look at all files."""
    return await _in_thread(partial(_stamps, tuple(dict.fromkeys(files()))), limiter)


async def _in_thread(look: Callable[[], Result], limiter: trio.CapacityLimiter) -> Result:
    """Look in a thread, since a file system may hang; waits until the system has a thread."""
    while True:
        try:
            return await trio.to_thread.run_sync(look, abandon_on_cancel=True, limiter=limiter)
        except RuntimeError:  # no thread is left
            await trio.sleep(RETRY_SECONDS)


def _stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp:
    """Return numbers that differ when a file does; the last one is the time of its last change."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        return (getattr(error, "errno", None) or 0, 0)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

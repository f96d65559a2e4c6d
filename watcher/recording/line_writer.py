"""Writes lines to a file or stream that may be slow, full or stuck, without blocking the caller."""

from __future__ import annotations

import errno
import os
import select
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

import trio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The bound of the lines that wait while the disk is full or the reader of stderr is stuck: some 10 MB.
MAX_WAITING_LINES = 50_000
RETRY_SECONDS = 1.0
# As many symbolic links as Linux follows, see path_resolution(7).
MAX_LINKS = 40


class Sink(Protocol):
    """The destination of lines; called in a worker thread."""

    def write(self, text: str) -> None:
        """Write text and flush it.

        Raises:
            OSError: writing failed.
        """


class FileSink:
    """Appends to a file, and reopens it after it was moved away, as logrotate does.

    Attributes:
        path: of the file, or a name of stdout or stderr; after it is set to another path, the next write goes there.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OSError: it cannot be opened for writing.
        """
        self.path = path
        self._file = self._open() if own_descriptor(path) is None else None

    def write(self, text: str) -> None:
        """Append text; a write that fails halfway leaves no partial line behind."""
        descriptor = own_descriptor(self.path)
        if descriptor is not None:
            self.close()
            StreamSink(descriptor).write(text)
            return
        file = self._at_path()
        size = os.fstat(file.fileno()).st_size
        try:
            self._write_all(file, text.encode("utf-8", "backslashreplace"))
        except OSError:
            with suppress(OSError):  # a device has no size
                os.ftruncate(file.fileno(), size)
            raise

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_all(self, file: IO[bytes], content: bytes) -> None:
        while content:
            content = content[file.write(content) :]

    def _at_path(self) -> IO[bytes]:
        """Return the file, reopened if it was moved away."""
        if self._file is None or self._was_moved(self._file):
            opened = self._open()
            self.close()
            self._file = opened
        return self._file

    def _open(self) -> IO[bytes]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.is_fifo():  # opening it would wait for a reader forever
            raise OSError(errno.EINVAL, "it is a pipe", str(self.path))
        return self.path.open("ab", buffering=0)

    def _was_moved(self, file: IO[bytes]) -> bool:
        try:
            at_path = self.path.stat()
        except FileNotFoundError:
            return True
        opened = os.fstat(file.fileno())
        return (at_path.st_dev, at_path.st_ino) != (opened.st_dev, opened.st_ino)


def own_descriptor(path: Path) -> int | None:
    """Return 1 or 2 if a path, or its link target, is a name of stdout or stderr; otherwise None.

    The open descriptor is used instead of the name: a socket cannot be opened by name, and a file would be written
    at another offset.
    """
    for _ in range(MAX_LINKS):
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            links = (f"/dev/fd/{descriptor}", f"/proc/self/fd/{descriptor}", f"/proc/{os.getpid()}/fd/{descriptor}")
            if str(path) in {f"/dev/{name}", *links}:
                return descriptor
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


@dataclass(frozen=True)
class StreamSink:
    """Writes to an open descriptor such as stderr, unbuffered, so that failed text is not written twice."""

    descriptor: int

    def write(self, text: str) -> None:
        """Write text."""
        content = text.encode("utf-8", "backslashreplace")
        while content:
            try:
                content = content[os.write(self.descriptor, content) :]
            except BlockingIOError:  # another process made it non-blocking
                select.select([], [self.descriptor], [])


class LineWriter:
    """A bounded buffer of lines, and the task that writes them in a thread, in batches when they come fast.

    `put` never blocks. While the sink fails, lines wait and are retried; past the bound the oldest are dropped.
    """

    def __init__(
        self,
        sink: Sink,
        report: Callable[[str], object],
        *,
        gather_seconds: float = 0.0,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Create a writer.

        Args:
            sink: the destination of lines.
            report: called with a message for the operator once when the sink starts to fail, and once when it recovers.
            gather_seconds: the shortest time between two writes; meanwhile, lines gather.
            retry_seconds: time between two tries while the sink fails.
        """
        self._sink = sink
        self._report = report
        self._gather_seconds = gather_seconds
        self._retry_seconds = retry_seconds
        self._waiting: deque[str] = deque()
        self._wake = trio.Event()
        self._closed = trio.Event()
        self._finished = trio.Event()
        self._failing = False
        self._dropped = 0
        # A limiter of its own: other work must not wait for the thread of a stuck sink.
        self._thread = trio.CapacityLimiter(1)

    def put(self, line: str) -> None:
        """Add a line, without its newline; drops the oldest one if too many wait."""
        if len(self._waiting) >= MAX_WAITING_LINES:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(line)
        self._wake.set()

    async def finish(self) -> None:
        """Tell `run` to end once all lines are written, and wait for it."""
        self._closed.set()
        self._wake.set()
        await self._finished.wait()

    async def run(self) -> None:
        """Write lines until `finish` is called and none are left, or until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            while self._waiting:
                if not await self._write_waiting():
                    await trio.sleep(self._retry_seconds)
                    continue
                with trio.move_on_after(self._gather_seconds):
                    await self._closed.wait()
            if self._closed.is_set():
                self._finished.set()
                return

    async def _write_waiting(self) -> bool:
        lines = list(self._waiting)
        dropped_before = self._dropped
        try:
            await trio.to_thread.run_sync(
                self._sink.write, "\n".join(lines) + "\n", abandon_on_cancel=True, limiter=self._thread
            )
        except (OSError, RuntimeError) as error:  # RuntimeError: the system has no thread to give
            if not self._failing:
                self._failing = True
                self._report(f"cannot be written: {getattr(error, 'strerror', None) or error}; lines wait")
            return False
        # Lines dropped meanwhile were at the front, and have been written after all.
        dropped_meanwhile = self._dropped - dropped_before
        for _ in range(len(lines) - dropped_meanwhile):
            self._waiting.popleft()
        self._dropped -= min(dropped_meanwhile, len(lines))
        if self._failing or self._dropped:
            self._report(f"can be written again; {self._dropped} lines were dropped")
            self._failing = False
            self._dropped = 0
        return True

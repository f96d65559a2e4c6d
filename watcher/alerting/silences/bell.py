"""A bell in the spool folder: a command rings it after leaving an order, so that the daemon does not need to poll.

The bell is a named pipe. On the same machine it is heard at once, and it costs nothing until then.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from watcher.model.clock_trust import next_beat

if TYPE_CHECKING:
    from pathlib import Path

NAME = "bell"
# The shortest time between two looks, however often it rings.
PAUSE_SECONDS = 0.1
_READ_BYTES = 64 * 1024


class Bell:
    """The receiving end of the bell. For trio, except for `hold`, which blocks."""

    def __init__(self) -> None:
        """Create it without a pipe."""
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether ringing can be heard."""
        return self._descriptor is not None

    def hold(self, folder: Path) -> None:
        """Create the pipe in a folder if needed, and hold it; some file systems have no pipes.

        Args:
            folder: its rights apply to the pipe.
        """
        path = folder / NAME
        with suppress(OSError):
            if self._descriptor is not None and os.path.samestat(os.fstat(self._descriptor), path.lstat()):
                return
        self.close()
        with suppress(OSError):
            os.mkfifo(path)
            path.chmod(stat.S_IMODE(folder.stat().st_mode) & 0o666)
        with suppress(OSError):
            # Also for writing: without any writer the pipe would be at its end all the time.
            self._descriptor = _open_pipe(path, os.O_RDWR)

    async def wait(self, seconds: float) -> None:
        """Wait until the bell rings, for at most so many seconds."""
        began_at = trio.current_time()
        with trio.move_on_at(next_beat(began_at, seconds)):
            if self._descriptor is None:
                await trio.sleep_forever()
            await trio.lowlevel.wait_readable(self._descriptor)
            await trio.sleep_until(began_at + PAUSE_SECONDS)
            with suppress(BlockingIOError):
                os.read(self._descriptor, _READ_BYTES)

    def close(self) -> None:
        """Release the pipe."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def ring(folder: Path) -> None:
    """Ring if a daemon holds the bell; blocks only as long as the file system does."""
    with suppress(OSError):
        descriptor = _open_pipe(folder / NAME, os.O_WRONLY)
        try:
            os.write(descriptor, b"\0")
        finally:
            os.close(descriptor)


def _open_pipe(path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise FileExistsError(str(path))

"""A bell at the spool folder: a command rings when it has left an order, so that the daemon need not look all the time.

It is a pipe with a name, which is heard within a moment on the machine where both run, and costs nothing until then.
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
# However often it is rung, there is a pause between two looks.
PAUSE_SECONDS = 0.1
_READ_BYTES = 64 * 1024


class Bell:
    """The end that hears. It is trio-flavoured, but for `hold`, which blocks."""

    def __init__(self) -> None:
        """Begin without one."""
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether somebody who rings is heard."""
        return self._descriptor is not None

    def hold(self, folder: Path) -> None:
        """See to it that there is a bell in a folder, and hold it; on some file systems there can be none.

        Args:
            folder: whose rights it gets.
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
            # For writing as well: a pipe that nobody else has open would be at its end all the time.
            self._descriptor = _open_pipe(path, os.O_RDWR)

    async def wait(self, seconds: float) -> None:
        """Wait until it is rung, and for so long at most."""
        began_at = trio.current_time()
        with trio.move_on_at(next_beat(began_at, seconds)):
            if self._descriptor is None:
                await trio.sleep_forever()
            await trio.lowlevel.wait_readable(self._descriptor)
            await trio.sleep_until(began_at + PAUSE_SECONDS)
            with suppress(BlockingIOError):
                os.read(self._descriptor, _READ_BYTES)

    def close(self) -> None:
        """Hold it no more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def ring(folder: Path) -> None:
    """Ring, if there is a bell and somebody who hears it; blocks for no longer than the file system does."""
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

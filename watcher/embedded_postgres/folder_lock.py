"""A lock on a folder, held by a process and released when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class FolderLockedError(Exception):
    """Another process holds the lock."""


class FolderLock:
    """An exclusive lock on a file, which names the process that holds it."""

    def __init__(self, path: Path) -> None:
        """Set the file; its folder must exist."""
        self._path = path
        self._file: IO[bytes] | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            FolderLockedError: another process holds it; the message names it.
            OSError: the file cannot be created.
        """
        file = self._path.open("a+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
            file.close()
            raise FolderLockedError(
                f"process {holder} already uses {self._path.parent}; stop it, or set another WATCHER_DATA_DIR"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode("ascii"))
        self._file = file

    def release(self) -> None:
        """Release the lock. The file stays: removing it would let two processes lock two files of one name."""
        if self._file is not None:
            self._file.close()
            self._file = None

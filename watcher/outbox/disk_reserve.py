"""Room on the disk that is held in reserve: on a full disk, SQLite cannot even delete."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RESERVE_BYTES = 4 * 1024 * 1024
# Of a disk that is small, such as a tmpfs of some megabytes, it is but so much, or it could never be held again.
MAX_SHARE_OF_DISK = 1 / 3


class Reserve:
    """A file that is there for its size alone.

    Attributes:
        is_spent: whether the disk was full, and there has been no room for the file since: what room there is, is for
            taking off the outbox, which on a disk that is full to the last byte could never be emptied.
    """

    def __init__(self, path: Path, size_bytes: int = RESERVE_BYTES) -> None:
        """Name the file; nothing is made yet."""
        self._path = path
        self._size_bytes = size_bytes
        self.is_spent = False

    def hold(self) -> None:
        """Make the file where it is not there and the disk has twice the room for it."""
        with suppress(OSError):  # without a reserve all works but a full disk
            if not self._path.exists():
                room = os.statvfs(self._path.parent)
                size_bytes = min(self._size_bytes, int(room.f_blocks * room.f_frsize * MAX_SHARE_OF_DISK))
                if room.f_bavail * room.f_frsize < 2 * size_bytes:
                    return
                self._make(size_bytes)
            self.is_spent = False

    def free(self) -> bool:
        """Give the room back to the disk, and tell whether there was any."""
        self.is_spent = True
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def _make(self, size_bytes: int) -> None:
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size_bytes)
        except OSError:
            self._path.unlink(missing_ok=True)  # half a reserve would be taken for a whole one
            raise

"""Reserves room on the disk: on a full disk, SQLite cannot even delete."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RESERVE_BYTES = 4 * 1024 * 1024
# The limit on a small disk, such as a tmpfs of some megabytes; otherwise the reserve could never be made again.
MAX_SHARE_OF_DISK = 1 / 3


class Reserve:
    """A file that only takes up room.

    Attributes:
        is_spent: whether the disk was full, and had no room for the file since: the remaining room is for deleting
            entries, or an outbox on a completely full disk could never be emptied.
    """

    def __init__(self, path: Path, size_bytes: int = RESERVE_BYTES) -> None:
        """Set the file; it is not created yet."""
        self._path = path
        self._size_bytes = size_bytes
        self.is_spent = False

    def hold(self) -> None:
        """Create the file if it does not exist and the disk has twice the room for it."""
        with suppress(OSError):  # without a reserve, only a full disk is a problem
            if not self._path.exists():
                room = os.statvfs(self._path.parent)
                size_bytes = min(self._size_bytes, int(room.f_blocks * room.f_frsize * MAX_SHARE_OF_DISK))
                if room.f_bavail * room.f_frsize < 2 * size_bytes:
                    return
                self._make(size_bytes)
            self.is_spent = False

    def free(self) -> bool:
        """Delete the file; return whether there was one."""
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
            self._path.unlink(missing_ok=True)  # half a reserve would be mistaken for a whole one
            raise

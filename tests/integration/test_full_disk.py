"""The disk of the outbox is full, as far as possible without a disk of one's own."""

from __future__ import annotations

import resource
import shutil
from typing import TYPE_CHECKING

from tests.integration.full_disk import live_through_a_full_disk

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.integration.daemon import Daemon, Folder
    from watcher.postgres.db import Database

FILE_BYTES = 512 * 1024


class SmallFiles:
    """The nearest to a full disk: no file may grow, and SQLite sees the same error."""

    def daemon(self, folder: Folder) -> AbstractAsyncContextManager[Daemon]:
        """Run the daemon."""
        return folder.daemon()

    def fill(self, daemon: Daemon) -> bool:
        """Limit files to the size that the daemon's logs may reach meanwhile; return whether one was smaller before."""
        limits = (FILE_BYTES, resource.RLIM_INFINITY)
        return resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, limits) != limits

    def make_room(self, daemon: Daemon) -> None:
        """Remove the limit."""
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, unlimited)

    def save(self, daemon: Daemon, folder: Path) -> None:
        """Copy the data folder."""
        shutil.copytree(daemon.log.parent / "data", folder, ignore=shutil.ignore_patterns("bell"))  # not a named pipe


async def test_files_that_cannot_grow_hold_up_no_check_and_lose_nothing(
    test_db: Database, db_config: str, tmp_path: Path
) -> None:
    await live_through_a_full_disk(SmallFiles(), test_db, db_config, tmp_path)

"""Private disks that are full or read-only, and a file that is mounted alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.daemon import COMMAND, Daemon, Folder
from tests.integration.full_disk import live_through_a_full_disk
from tests.peers.mounts import unshared
from tests.peers.small_disk import DISK_BYTES, SMALLER_DISK_BYTES, run_scenario

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from watcher.postgres.db import Database

DATA_DISK_BYTES = 24 * 1024 * 1024
PIECE = bytes(64 * 1024)


class SmallDisk:
    """A separate file system for the data folder, in a mount namespace that ends with the daemon."""

    def daemon(self, folder: Folder) -> AbstractAsyncContextManager[Daemon]:
        """Run the daemon with its data folder on the small disk."""
        (folder.path / "data").mkdir()
        return folder.daemon(unshared(f"mount -t tmpfs -o size={DATA_DISK_BYTES} none data", COMMAND))

    def fill(self, daemon: Daemon) -> bool:
        """Fill the disk to the last byte; return whether there was room."""
        filled = False
        with (self._data(daemon) / "ballast").open("ab", buffering=0) as ballast:
            try:
                while True:
                    filled = bool(ballast.write(PIECE)) or filled
            except OSError:
                return filled

    def make_room(self, daemon: Daemon) -> None:
        """Free everything."""
        (self._data(daemon) / "ballast").unlink()

    def save(self, daemon: Daemon, folder: Path) -> None:
        """Copy the folder, which would end with the daemon."""
        shutil.copytree(self._data(daemon), folder, ignore=shutil.ignore_patterns("bell"))  # not a named pipe

    @staticmethod
    def _data(daemon: Daemon) -> Path:
        # As the daemon, whose namespace it is, sees it.
        return Path(f"/proc/{daemon.process.pid}/root{daemon.log.parent / 'data'}")


async def test_a_full_disk_holds_up_no_check_and_loses_nothing(
    test_db: Database, db_config: str, tmp_path: Path
) -> None:
    await live_through_a_full_disk(SmallDisk(), test_db, db_config, tmp_path)


@pytest.mark.parametrize(
    ("scenario", "disk_bytes"),
    [
        ("fills_itself", DISK_BYTES),
        ("is_filled_by_others", DISK_BYTES),
        ("is_filled_by_others", SMALLER_DISK_BYTES),
        ("is_full_when_the_outbox_is_deleted", DISK_BYTES),
    ],
)
def test_an_outbox_on_a_full_disk_loses_nothing_and_recovers(scenario: str, disk_bytes: int, tmp_path: Path) -> None:
    assert run_scenario(scenario, tmp_path, disk_bytes) == "done\n"


def test_an_outbox_in_a_folder_that_can_only_be_read_is_unavailable(tmp_path: Path) -> None:
    lines = run_scenario("cannot_be_written", tmp_path).splitlines()
    assert set(lines) == {"unable to open database file"}


async def test_a_file_that_is_mounted_alone_is_read_anew_when_it_is_written_on_the_other_side(folder: Folder) -> None:
    dead = {"address": "http://127.0.0.1:1/"}
    folder.configure([dead], POSTGRES_HOST="127.0.0.1", POSTGRES_PORT=1)
    outside = folder.path / "elsewhere" / "outside.yaml"
    outside.parent.mkdir()
    outside.write_text(json.dumps({"urls": [dead]}))
    async with folder.daemon(unshared("mount --bind elsewhere/outside.yaml config.yaml", COMMAND)) as daemon:
        await daemon.until(lambda: daemon.lines("started"))
        outside.write_text(json.dumps({"urls": [dead, {**dead, "name": "comes"}]}))
        await daemon.until(lambda: daemon.lines("reloaded added=comes"))

"""At most one process per folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from watcher.embedded_postgres.folder_lock import FolderLock, FolderLockedError

HOLD = """
import sys
from pathlib import Path
from watcher.embedded_postgres.folder_lock import FolderLock
FolderLock(Path(sys.argv[1])).acquire()
lock = FolderLock(Path(sys.argv[2]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_named_and_its_end_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    command = [sys.executable, "-c", HOLD, str(tmp_path / "other.lock"), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FolderLockedError, match=f"process {holder.pid} already uses {tmp_path}"):
            FolderLock(path).acquire()
        holder.kill()
    lock = FolderLock(path)
    lock.acquire()
    assert lock.held
    lock.release()


def test_a_lock_that_was_given_back_can_be_taken(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path / "lock"), FolderLock(tmp_path / "lock")
    first.acquire()
    with pytest.raises(FolderLockedError):
        second.acquire()
    first.release()
    second.acquire()
    assert second.held
    assert not first.held
    second.release()

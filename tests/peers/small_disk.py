"""Tests that need a disk of their own: run in a process with a small one, which may be filled.

`python -m tests.peers.small_disk NAME FOLDER` runs one of the scenarios; `run_scenario` starts that process.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.peers.mounts import unshared
from tests.unit.outbox.full_disk import PAYLOAD, fill_up, numbers
from watcher.outbox.disk_reserve import RESERVE_BYTES
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.outbox import Outbox

ROOT = Path(__file__).resolve().parents[2]
DISK_BYTES = 12 * 1024 * 1024
SMALLER_DISK_BYTES = 9 * 1024 * 1024  # beside an outbox, twice a whole reserve does not fit
SCENARIO_SECONDS = 180


def run_scenario(name: str, folder: Path, disk_bytes: int = DISK_BYTES) -> str:
    """Run a scenario in its own process, whose folder is on a small disk, and return its output."""
    command = [sys.executable, "-m", "tests.peers.small_disk", name, str(folder)]
    mount = f"mount -t tmpfs -o size={disk_bytes} tmpfs {shlex.quote(str(folder))}"
    done = subprocess.run(
        unshared(mount, command), capture_output=True, text=True, timeout=SCENARIO_SECONDS, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _fill_by_others(folder: Path) -> None:
    """Let another file fill the rest of the disk, to the last block."""
    with (folder / "others").open("ab", buffering=0) as others:
        for size in (65536, 512):
            with suppress(OSError):
                while True:
                    others.write(bytes(size))


def fills_itself(folder: Path) -> None:
    """The outbox alone fills the disk; it is emptied, and everything is as before."""
    outbox = Outbox(folder / "outbox.sqlite")
    assert (folder / "outbox.reserve").stat().st_size == RESERVE_BYTES
    appended = fill_up(outbox)
    assert not (folder / "outbox.reserve").exists(), "the reserve was to be freed"
    assert numbers(outbox) == list(range(appended)), "all or nothing"
    assert outbox.rows == appended
    for _ in range(100):  # the rest of the disk is for deletions
        try:
            outbox.append([("failure", "one more")], now=1.0, minute=0)
        except OutboxUnavailableError:
            continue
        raise AssertionError("nothing more may be appended")
    while entries := outbox.peek(100, 10**12):
        outbox.remove(entries)
    outbox.append([("failure", "0 after")], now=2.0, minute=0)
    outbox.tidy()
    assert (folder / "outbox.reserve").stat().st_size == RESERVE_BYTES
    assert numbers(outbox) == [0]
    assert (folder / "outbox.sqlite").stat().st_size < 100_000, "the room is the disk's again"
    assert fill_up(outbox) > appended / 2, "and so once more"
    outbox.close()
    print("done")


def is_filled_by_others(folder: Path) -> None:
    """Another file fills the disk, and is removed again."""
    outbox = Outbox(folder / "outbox.sqlite")
    outbox.append([("failure", f"{number} {PAYLOAD}") for number in range(400)], now=1.0, minute=0)
    _fill_by_others(folder)
    assert fill_up(outbox) < 2000
    rows = outbox.rows
    outbox.remove(outbox.peek(100, 10**12))
    assert outbox.rows == rows - 100
    (folder / "others").unlink()
    outbox.append([("failure", "1000000 after")], now=2.0, minute=0)
    assert numbers(outbox)[-1] == 1_000_000
    assert len(numbers(outbox)) == rows - 99
    assert (folder / "outbox.reserve").exists()
    outbox.close()
    print("done")


def is_full_when_the_outbox_is_deleted(folder: Path) -> None:
    """Another outbox does not fit in the place of the deleted one, and then it does."""
    outbox = Outbox(folder / "outbox.sqlite")
    outbox.append([("failure", f"{number} {PAYLOAD}") for number in range(400)], now=1.0, minute=0)
    for path in folder.glob("outbox.sqlite*"):
        path.unlink()
    for _ in range(2):  # the first time frees the reserve
        _fill_by_others(folder)
        with pytest.raises(OutboxUnavailableError, match="cannot be restored"):
            outbox.append([("failure", "-1 in vain")], now=1.0, minute=0)
        assert {path.name for path in folder.iterdir()} == {"others"}
        assert numbers(outbox) == list(range(400))
    (folder / "others").unlink()
    outbox.append([("failure", "400 after")], now=2.0, minute=0)
    assert len(outbox.take_notices()) == 1
    again = Outbox(folder / "outbox.sqlite")
    assert numbers(again) == list(range(401))
    print("done")


def cannot_be_written(folder: Path) -> None:
    """The folder is read-only, at the start and later."""
    path = folder / "outbox.sqlite"
    outbox = Outbox(path)
    outbox.append([("failure", "0 before")], now=1.0, minute=0)
    outbox.close()
    assert _remounted(folder, "ro")
    _refused(path)
    _refused(folder / "another.sqlite")
    assert _remounted(folder, "rw")
    outbox = Outbox(path)
    outbox.append([("failure", "1 after")], now=1.0, minute=0)
    assert numbers(outbox) == [0, 1]
    outbox.close()


def _remounted(folder: Path, option: str) -> bool:
    return subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=False).returncode == 0


def _refused(path: Path) -> None:
    try:
        Outbox(path)
    except OutboxUnavailableError as error:
        print(error)
    else:
        raise AssertionError(f"{path} can be written")


def main() -> None:
    """Run the scenario named on the command line."""
    name, folder = sys.argv[1:]
    scenarios = (fills_itself, is_filled_by_others, is_full_when_the_outbox_is_deleted, cannot_be_written)
    {scenario.__name__: scenario for scenario in scenarios}[name](Path(folder))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

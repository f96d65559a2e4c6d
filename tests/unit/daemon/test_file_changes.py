"""Any change of a file by any program is reported once and soon; other changes are not reported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from watcher.daemon.file_changes import SETTLE_SECONDS, watch_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LOOK_SECONDS = 0.05
# Long enough for the slowest machine: reached only by what hangs.
HANG_SECONDS = 120
CLOCK_REALTIME_COARSE = 5
PROJECT = Path(__file__).resolve().parents[3]


class Calls:
    """Counts the reports."""

    def __init__(self) -> None:
        self.count = 0
        self._called = trio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._called.set()

    async def one(self) -> None:
        """Wait for the next report, or return one that came since the last."""
        with trio.fail_after(HANG_SECONDS):
            await self._called.wait()
        self._called = trio.Event()


@asynccontextmanager
async def watching(
    *files: Path,
    read_at: float | None = None,
) -> AsyncIterator[Calls]:
    """Watch these files."""
    calls = Calls()
    watch = partial(watch_files, lambda: files, calls, read_at=read_at, look_seconds=LOOK_SECONDS)
    async with trio.open_nursery() as nursery:
        await nursery.start(watch)
        await next_tick()
        yield calls
        nursery.cancel_scope.cancel()


async def next_tick() -> None:
    """Let the file system's clock advance: two changes within one of its ticks, some ms, look the same."""
    now = time.clock_gettime_ns(CLOCK_REALTIME_COARSE)
    while time.clock_gettime_ns(CLOCK_REALTIME_COARSE) == now:
        await trio.lowlevel.checkpoint()


def replace(path: Path, text: str) -> None:
    """Write a file as most editors do."""
    other = path.with_name(f".{path.name}.swp")
    other.write_text(text)
    other.rename(path)


def make_anew(path: Path, text: str) -> None:
    """Write a file as git checkout does."""
    path.unlink()
    path.write_text(text)


def touch(path: Path, _text: str) -> None:
    """Change only the time."""
    os.utime(path)


def rewrite(path: Path, text: str) -> None:
    """Write in place."""
    path.write_text(text)


async def test_a_file_is_changed_and_changed_again(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        for change in (rewrite, replace, make_anew, touch):
            for name in ("config.yaml", ".env", "secret", "..data"):
                folder = tmp_path / change.__name__ / f"of {name}"
                folder.mkdir(parents=True)
                (folder / name).write_text("a")
                (folder / "other.yaml").write_text("a")
                nursery.start_soon(see_changes_told, folder / name, change)


async def see_changes_told(file: Path, change: Callable[[Path, str], None]) -> None:
    """Change a file three times, and assert that each change is reported."""
    async with watching(file.with_name("other.yaml"), file) as calls:
        assert calls.count == 0
        for text in ("b", "c", "d"):
            change(file, text)
            await calls.one()


async def test_a_file_that_goes_and_comes_again(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("a")
    async with watching(file) as calls:
        file.unlink()
        await calls.one()
        file.write_text("b")
        await calls.one()


def add(folder: Path) -> None:
    """Add a file to a folder."""
    (folder / "new.yaml").write_text("")


def remove(folder: Path) -> None:
    """Remove one of its files."""
    (folder / "old.yaml").unlink()


def rename(folder: Path) -> None:
    """Rename one of its files."""
    (folder / "old.yaml").rename(folder / "old.yaml.off")


def move_in(folder: Path) -> None:
    """Move a file into it."""
    outside = folder.parent / "outside.yaml"
    outside.write_text("")
    outside.rename(folder / "outside.yaml")


@pytest.mark.parametrize("change", [add, remove, rename, move_in])
async def test_changes_in_a_folder_are_reported(tmp_path: Path, change: Callable[[Path], None]) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "old.yaml").write_text("")
    async with watching(folder, folder / "old.yaml") as calls:
        change(folder)
        await calls.one()


async def test_a_file_in_a_folder_counts_when_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "named.yaml").write_text("a")
    (tmp_path / "a.log").write_text("a")
    async with watching(tmp_path, tmp_path / "named.yaml") as calls:
        (tmp_path / "a.log").write_text("b")
        (tmp_path / "named.yaml").write_text("b")
        await calls.one()
        assert calls.count == 1


def update_config_map(volume: Path, text: str) -> None:
    """Act as the kubelet does: a new folder, and a link to it that is renamed over the former link."""
    number = len(list(volume.glob("..20*")))
    new = volume / f"..2026_{number}"
    new.mkdir()
    (new / "config.yaml").write_text(text)
    (volume / "..data_tmp").symlink_to(new.name)
    before = (volume / "..data").readlink() if (volume / "..data").is_symlink() else None
    (volume / "..data_tmp").rename(volume / "..data")
    if before is not None:
        shutil.rmtree(volume / before)
        (volume / f"..2026_gone_{number}").mkdir()  # so that the next has another number


@pytest.mark.parametrize("is_mounted_as_folder", [True, False])
async def test_a_config_map_of_kubernetes(tmp_path: Path, is_mounted_as_folder: bool) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    update_config_map(volume, "a")
    (volume / "config.yaml").symlink_to("..data/config.yaml")
    named = tmp_path / "config.yaml"
    named.symlink_to("volume/config.yaml")
    async with watching(*([volume] if is_mounted_as_folder else []), named) as calls:
        for text in ("b", "c", "d"):
            update_config_map(volume, text)
            await calls.one()
            assert named.read_text() == text


async def test_a_link_to_a_release_is_turned(tmp_path: Path) -> None:
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "config.yaml").write_text(release)
    (tmp_path / "current").symlink_to(tmp_path / "1")
    async with watching(tmp_path / "current" / ".." / "current" / "config.yaml") as calls:
        (tmp_path / "next").symlink_to("2")
        (tmp_path / "next").rename(tmp_path / "current")
        await calls.one()
        (tmp_path / "2" / "config.yaml").write_text("3")
        await calls.one()


async def test_a_file_is_written_by_another_name_from_elsewhere(tmp_path: Path) -> None:
    """As through a mount of the file alone."""
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    file, other_name = tmp_path / "here" / "config.yaml", tmp_path / "elsewhere" / "config.yaml"
    file.write_text("a")
    other_name.hardlink_to(file)
    async with watching(file) as calls:
        other_name.write_text("b")
        await calls.one()


PROGRAM = """
import os, trio
from functools import partial
from pathlib import Path
from watcher.daemon.file_changes import watch_files

async def main():
    async with trio.open_nursery() as nursery:
        changed = lambda: os.write(1, b"changed\\n")
        await nursery.start(partial(watch_files, lambda: [Path("folder/config.yaml")], changed, look_seconds=0.05))
        os.write(1, b"watching\\n")

trio.run(main)
"""


@asynccontextmanager
async def another_process(folder: Path, *prefix: str) -> AsyncIterator[trio.Process]:
    """Watch folder/config.yaml in another process, which writes a line when it starts and one per change."""
    with trio.fail_after(HANG_SECONDS):
        process = await trio.lowlevel.open_process(
            [*prefix, sys.executable, "-c", PROGRAM],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            yield process
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                await process.stdout.aclose()
                await process.stderr.aclose()


async def said(process: trio.Process) -> str:
    """Wait for the next line of the process, and leave later lines unread."""
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        byte = await process.stdout.receive_some(1)
        assert byte, f"the process has ended: {line!r}"
        line += byte
    return line.decode().strip()


async def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    file = tmp_path / "not" / "there" / "config.yaml"
    async with watching(file) as calls:
        assert calls.count == 0
        file.parent.mkdir(parents=True)
        file.write_text("a")
        await calls.one()


async def test_permission_is_lost_and_given_back(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "config.yaml"
    file.parent.mkdir()
    file.write_text("a")
    # Root may read everything: without that right it is an owner like others.
    ordinary = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    async with another_process(tmp_path, *ordinary) as process:
        assert await said(process) == "watching"
        for mode in (0, 0o700, 0, 0o700):
            file.parent.chmod(mode)
            assert await said(process) == "changed"
        file.write_text("b")
        assert await said(process) == "changed"


async def test_a_link_to_itself_and_a_name_that_cannot_be(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    file = tmp_path / "config.yaml"
    file.write_text("a")
    async with watching(loop, tmp_path / "a\0b", Path("x" * 5000), file) as calls:
        file.write_text("b")
        await calls.one()


async def test_other_files_of_the_folder_are_not_reported(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("a")
    (tmp_path / "data").mkdir()
    async with watching(file, tmp_path / ".." / tmp_path.name / "config.yaml") as calls:
        with (tmp_path / "monitor.log").open("a") as log:
            log.write("line\n")
        (tmp_path / "monitor.log").rename(tmp_path / "monitor.log.1")
        (tmp_path / "data" / ".env").write_text("below")
        file.read_text()
        file.open("r+").close()
        file.write_text("b")
        await calls.one()
        assert calls.count == 1


async def test_a_burst_is_reported_once(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.yaml" for number in range(50)]
    async with watching(*files) as calls:
        for file in files:
            file.write_text("a")
            replace(file, "b")
        await calls.one()
        assert calls.count == 1


@pytest.mark.slow
async def test_changes_without_an_end_are_reported_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"

    async def write() -> None:
        while True:
            file.write_text("a")
            await trio.sleep(SETTLE_SECONDS / 10)

    async with watching(file) as calls, trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await calls.one()
        await calls.one()
        nursery.cancel_scope.cancel()


async def test_the_files_may_be_others_after_a_change(tmp_path: Path) -> None:
    files = [tmp_path / "1"]
    calls = Calls()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(watch_files, lambda: files, calls, look_seconds=LOOK_SECONDS))
        files[:] = [tmp_path / "2", tmp_path / "3"]
        (tmp_path / "2").write_text("a")
        await calls.one()
        (tmp_path / "3").write_text("a")
        await calls.one()
        nursery.cancel_scope.cancel()


async def test_changes_during_a_reading_of_the_files_are_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("a")
    async with watching(file, read_at=time.time() - 60) as calls:
        await calls.one()
    os.utime(file, (0, 0))
    async with watching(file, read_at=time.time() + 60) as calls:
        assert calls.count == 0

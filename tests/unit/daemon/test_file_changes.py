"""Whoever changes a file, and however: it is told, once, and soon; and what is no business of ours is not told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from structlog.testing import capture_logs

from watcher.daemon.file_changes import SETTLE_SECONDS, listen_to, watch_files
from watcher.daemon.file_links import MAX_FILES_LISTENED_TO, ways_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from watchfiles._rust_notify import RustNotify

NEVER_SECONDS = 3600.0
POLL_SECONDS = 0.05
# Long enough for the slowest machine: reached only by what hangs.
HANG_SECONDS = 120
CLOCK_REALTIME_COARSE = 5
PROJECT = Path(__file__).resolve().parents[3]


class Calls:
    """Counts what is told."""

    def __init__(self) -> None:
        self.count = 0
        self._called = trio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._called.set()

    async def one(self) -> None:
        """Wait for the next call, or take one that came since the last."""
        with trio.fail_after(HANG_SECONDS):
            await self._called.wait()
        self._called = trio.Event()


@asynccontextmanager
async def watching(
    *files: Path,
    poll_seconds: float = NEVER_SECONDS,
    read_at: float | None = None,
    listen: Callable[[Iterable[str]], RustNotify] = listen_to,
) -> AsyncIterator[Calls]:
    """Watch these files, by what the system tells alone unless told otherwise."""
    calls = Calls()
    watch = partial(watch_files, lambda: files, calls, read_at=read_at, poll_seconds=poll_seconds, listen=listen)
    async with trio.open_nursery() as nursery:
        await nursery.start(watch)
        yield calls
        nursery.cancel_scope.cancel()


async def next_tick() -> None:
    """Let the clock of the file system go on: what is changed twice within a tick of it, some ms, looks the same."""
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
    """Change nothing but the time."""
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
    """Change a file three times, and see each told."""
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
@pytest.mark.parametrize("poll_seconds", [NEVER_SECONDS, POLL_SECONDS])
async def test_what_a_folder_holds_is_changed(
    tmp_path: Path, change: Callable[[Path], None], poll_seconds: float
) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "old.yaml").write_text("")
    listen = listen_to if poll_seconds == NEVER_SECONDS else deaf
    async with watching(folder, folder / "old.yaml", poll_seconds=poll_seconds, listen=listen) as calls:
        if listen is deaf:
            await next_tick()
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
    """Do as the kubelet does: a new folder, and a link to it that is renamed over the former one."""
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


async def test_an_update_comes_while_the_former_is_taken_in(tmp_path: Path) -> None:
    update_config_map(tmp_path, "a")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    listened = 0

    def listen(places: Iterable[str]) -> RustNotify:
        nonlocal listened
        listened += 1
        if listened == 2:
            update_config_map(tmp_path, "c")  # with which a place is gone
        return listen_to(places)

    async with watching(tmp_path / "config.yaml", listen=listen) as calls:
        update_config_map(tmp_path, "b")
        with trio.fail_after(HANG_SECONDS):
            while listened < 3:  # noqa: ASYNC110  # counted in a thread
                await trio.sleep(0.01)
        told = calls.count
        update_config_map(tmp_path, "d")
        with trio.fail_after(HANG_SECONDS):
            while calls.count == told:
                await calls.one()


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
    """A second name of a file is to the system as a mount of it alone: the folder hears nothing."""
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
        options = {"poll_seconds": float(os.environ["POLL_SECONDS"])}
        changed = lambda: os.write(1, b"changed\\n")
        await nursery.start(partial(watch_files, lambda: [Path("folder/config.yaml")], changed, **options))
        os.write(1, b"watching\\n")

trio.run(main)
"""


@asynccontextmanager
async def another_process(
    folder: Path, *prefix: str, before: str = "", poll_seconds: float = NEVER_SECONDS
) -> AsyncIterator[trio.Process]:
    """Watch folder/config.yaml in a process of its own, which writes a line when it does, and one a change."""
    with trio.fail_after(HANG_SECONDS):
        process = await trio.lowlevel.open_process(
            [*prefix, sys.executable, "-c", before + PROGRAM],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "POLL_SECONDS": str(poll_seconds)},
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
    """Wait for the next line of the process; what it may have said after that stays where it is."""
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        byte = await process.stdout.receive_some(1)
        assert byte, f"the process has ended: {line!r}"
        line += byte
    return line.decode().strip()


def deaf(_places: Iterable[str]) -> RustNotify:
    """Fail as the system does when there are too many watches."""
    raise OSError('OS file watch limit reached. about ["/etc"]')


@pytest.mark.parametrize("change", [rewrite, replace, make_anew, touch])
async def test_where_nothing_can_be_heard_the_files_are_looked_at(
    tmp_path: Path, change: Callable[[Path, str], None]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("a")
    with capture_logs() as lines:
        async with watching(file, poll_seconds=POLL_SECONDS, listen=deaf) as calls:
            for text in ("b", "c"):
                await next_tick()
                change(file, text)
                await calls.one()
    [line] = lines
    assert line["log_level"] == "warning"


LIMITED = """
import os, resource, watcher.daemon.file_changes
from watcher.daemon.file_changes import listen_to as unlimited

def listen_to(places):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) - 1, limit[1]))
    try:
        return unlimited(places)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)

watcher.daemon.file_changes.listen_to = listen_to
"""


async def test_the_limit_of_the_system_is_reached(tmp_path: Path) -> None:
    """As it is: no descriptor is left for it."""
    (tmp_path / "folder").mkdir()
    file = tmp_path / "folder" / "config.yaml"
    file.write_text("a")
    async with another_process(tmp_path, before=LIMITED, poll_seconds=POLL_SECONDS) as process:
        told = [await said(process)]  # structlog that nobody configures writes there, too
        while told[-1] != "watching":
            told.append(await said(process))
        replace(file, "b")
        assert await said(process) == "changed"
    assert "Too many open files" in "".join(told)
    assert "".join(told).count("they are looked at instead") == 1


async def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    file = tmp_path / "not" / "there" / "config.yaml"
    async with watching(file, poll_seconds=POLL_SECONDS) as calls:
        assert calls.count == 0
        file.parent.mkdir(parents=True)
        file.write_text("a")
        await calls.one()


async def test_a_folder_is_replaced_and_is_listened_to_again(tmp_path: Path) -> None:
    file = tmp_path / "config" / "config.yaml"
    file.parent.mkdir()
    file.write_text("a")
    listened = []

    def listen(places: Iterable[str]) -> RustNotify:
        listened.append(sorted(places))
        return listen_to(places)

    async with watching(file, poll_seconds=POLL_SECONDS, listen=listen) as calls:
        file.parent.rename(tmp_path / "former")
        file.parent.mkdir()
        file.write_text("b")
        await calls.one()
        with trio.fail_after(HANG_SECONDS):
            # It may have looked when the folder was there already, and the file was not.
            while len(listened) < 2 or listened[-1] != listened[0]:  # noqa: ASYNC110  # appended to in a thread
                await trio.sleep(0.01)


async def test_a_place_that_is_gone_when_it_is_to_be_listened_to(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("a")
    tries = []

    def listen(places: Iterable[str]) -> RustNotify:
        tries.append(places)
        if len(tries) == 1:
            raise FileNotFoundError
        return listen_to(places)

    with capture_logs() as lines:
        async with watching(file, poll_seconds=POLL_SECONDS, listen=listen) as calls:
            file.write_text("bb")
            await calls.one()
    assert lines == []


async def test_permission_is_lost_and_given_back(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "config.yaml"
    file.parent.mkdir()
    file.write_text("a")
    # Root may read all: without that right it is an owner like others.
    ordinary = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    async with another_process(tmp_path, *ordinary, poll_seconds=POLL_SECONDS) as process:
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
    async with watching(loop, tmp_path / "a\0b", Path("x" * 5000), file, poll_seconds=POLL_SECONDS) as calls:
        file.write_text("b")
        await calls.one()


async def test_what_else_is_written_in_the_folder_is_not_told(tmp_path: Path) -> None:
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


async def test_a_burst_is_told_once(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.yaml" for number in range(50)]
    async with watching(*files) as calls:
        for file in files:
            file.write_text("a")
            replace(file, "b")
        await calls.one()
        assert calls.count == 1


@pytest.mark.slow
async def test_what_never_ends_is_told_all_the_same(tmp_path: Path) -> None:
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
        await nursery.start(partial(watch_files, lambda: files, calls, poll_seconds=NEVER_SECONDS))
        # In the same folder, so that the place to listen at stays the same.
        files[:] = [tmp_path / "2", tmp_path / "3"]
        (tmp_path / "1").write_text("a")
        await calls.one()
        (tmp_path / "3").write_text("a")
        await calls.one()
        nursery.cancel_scope.cancel()


async def test_what_was_written_while_the_files_were_read_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("a")
    async with watching(file, read_at=time.time() - 60) as calls:
        await calls.one()
    os.utime(file, (0, 0))
    async with watching(file, read_at=time.time() + 60) as calls:
        assert calls.count == 0


async def test_a_cancellation_leaves_nothing_behind(tmp_path: Path) -> None:
    await nobody_listens()  # neither for a test before
    with trio.fail_after(HANG_SECONDS):
        while await seconds_of_a_cancellation(tmp_path) >= 0.1:  # a busy machine takes longer, but not each time
            pass


async def seconds_of_a_cancellation(folder: Path) -> float:
    """Watch a file, and return how long it takes to stop that, after which nothing is left of it."""
    file, calls = folder / "config.yaml", Calls()
    file.write_text("a")
    async with trio.open_nursery() as nursery:
        await nursery.start(watch_files, lambda: [file], calls)
        file.write_text("b")
        await calls.one()
        assert listeners() > 0
        cancelled_at = trio.current_time()
        nursery.cancel_scope.cancel()
    seconds = trio.current_time() - cancelled_at
    await nobody_listens()
    file.write_text("c")
    await trio.testing.wait_all_tasks_blocked()
    assert calls.count == 1
    return seconds


async def nobody_listens() -> None:
    """Wait for the threads of the library, which end by themselves, in a moment of their own."""
    with trio.fail_after(HANG_SECONDS):
        while listeners():  # noqa: ASYNC110
            await trio.sleep(0.01)


def listeners() -> int:
    """Count the descriptors and threads by which this process listens."""
    names = []
    for entry in (*Path("/proc/self/fd").iterdir(), *Path("/proc/self/task").iterdir()):
        with suppress(FileNotFoundError, ProcessLookupError):  # another thread has just ended, or closed its file
            names.append(str(entry.readlink()) if entry.is_symlink() else (entry / "comm").read_text())
    return sum("inotify" in name for name in names)


async def test_many_secrets_take_few_watches(tmp_path: Path) -> None:
    secrets = [tmp_path / f"secret_{number}" for number in range(2 * MAX_FILES_LISTENED_TO)]
    for secret in secrets:
        secret.touch()
    assert len(ways_to(secrets).places) == MAX_FILES_LISTENED_TO + 1
    async with watching(*secrets) as calls:
        secrets[-1].write_text("a")
        await calls.one()
        replace(secrets[-2], "a")
        await calls.one()

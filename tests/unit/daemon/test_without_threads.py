"""A system without free threads, as a container with a limit of processes: the parts that need one wait."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.doubles import Lines
from watcher.checking.http.resolver import SPARED_THREADS, Resolver
from watcher.daemon.file_changes import watch_files
from watcher.daemon.heartbeat import beat
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.outbox import Outbox
from watcher.outbox.thread import OutboxThread
from watcher.recording.line_writer import LineWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOO_LARGE_BYTES = 1 << 46  # a stack larger than any process's address space


@contextmanager
def no_threads() -> Iterator[None]:
    """Refuse new threads; the idle ones that trio keeps are occupied."""
    former, let_go = threading.stack_size(TOO_LARGE_BYTES), threading.Event()
    try:
        while _starts(let_go.wait):
            pass
        yield
    finally:
        threading.stack_size(former)
        let_go.set()


def _starts(work: Callable[[], object]) -> bool:
    try:
        trio.lowlevel.start_thread_soon(work, lambda _: None)
    except RuntimeError:
        return False
    return True


@pytest.mark.slow
async def test_parts_that_need_threads_continue_when_some_are_free_again(tmp_path: Path) -> None:
    sink, reports = Lines(), list[str]()
    told, is_changed = trio.Event(), trio.Event()

    def report(text: str) -> None:
        reports.append(text)
        told.set()

    writer = LineWriter(sink, report, retry_seconds=0.01)
    writer.put("a line")
    file = tmp_path / "config.yaml"
    file.touch()
    with closing(Outbox(tmp_path / "outbox.sqlite")) as outbox:
        disk = OutboxThread(outbox)
        async with trio.open_nursery() as nursery:
            with no_threads():
                nursery.start_soon(writer.run)
                nursery.start_soon(beat, tmp_path / "heartbeat")
                nursery.start_soon(partial(watch_files, lambda: [file], is_changed.set, read_at=0.0))
                with pytest.raises(OutboxUnavailableError, match="no thread"):
                    await disk.run(lambda outbox: outbox.meta("id"))
                await told.wait()
            await writer.finish()
            await is_changed.wait()
            assert await disk.run(lambda outbox: outbox.meta("id"))
            nursery.cancel_scope.cancel()
    assert sink.lines == ["a line"]
    assert reports[0].startswith("cannot be written: can't start new thread")


async def test_lookups_take_fewer_threads_than_the_system_has() -> None:
    limit, asked = 20, list["Callable[[], None]"]()

    def start(work: Callable[[], object], deliver: Callable[[object], None]) -> None:
        if len(asked) >= limit:
            raise RuntimeError("can't start new thread")
        asked.append(partial(trio.lowlevel.start_thread_soon, work, deliver))

    async def end(count: int) -> None:
        ended = len(done) + count
        for _ in range(count):
            asked.pop(0)()
        while len(done) < ended:
            await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked()

    resolver, done = Resolver(lambda *_, **__: [(2, 1, 6, "", ("192.0.2.1", 80))], start_thread=start), list[object]()

    async def resolve(name: str) -> None:
        done.append(await resolver.resolve(name, 80))

    async with trio.open_nursery() as nursery:
        for number in range(2 * limit):
            nursery.start_soon(resolve, f"{number}.example")
        await trio.testing.wait_all_tasks_blocked()
        assert len(asked) == limit
        await end(SPARED_THREADS)
        assert len(asked) == limit - SPARED_THREADS, "they are left to others"
        while asked:
            await end(1)
    assert len(done) == 2 * limit

"""Lines to a sink that may be slow, full or stuck."""

import errno
import os
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest
import trio
import trio.testing

from tests.doubles import Lines
from watcher.recording.line_writer import MAX_WAITING_LINES, FileSink, LineWriter, StreamSink

FULL = OSError(errno.ENOSPC, "No space left on device")


async def test_lines_come_in_their_order_and_gather_after_the_first(nursery: trio.Nursery) -> None:
    sink = Lines()
    writer = LineWriter(sink, report=str, gather_seconds=3600)
    nursery.start_soon(writer.run)
    writer.put("line 0")
    while not sink.lines:
        await trio.lowlevel.checkpoint()
    for number in range(1, 1000):
        writer.put(f"line {number}")
        await trio.lowlevel.checkpoint()
    await writer.finish()
    assert sink.lines == [f"line {number}" for number in range(1000)]
    assert sink.tries == 2


class Report:
    """What the writer reported, and the moment of its next report."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._next = trio.Event()

    def __call__(self, text: str) -> None:
        self.told.append(text)
        self._next.set()

    async def wait(self) -> None:
        await self._next.wait()
        self._next = trio.Event()


async def test_a_full_disk_is_reported_once_and_loses_nothing_within_the_bound(nursery: trio.Nursery) -> None:
    sink, report = Lines(), Report()
    writer = LineWriter(sink, report, retry_seconds=0.001)
    sink.error = FULL
    nursery.start_soon(writer.run)
    writer.put("first")
    await report.wait()
    writer.put("second")
    while sink.tries < 5:
        await trio.lowlevel.checkpoint()
    assert report.told == ["cannot be written: No space left on device; lines wait"]
    sink.error = None
    await writer.finish()
    assert sink.lines == ["first", "second"]
    assert report.told[1:] == ["can be written again; 0 lines were dropped"]


async def test_past_the_bound_the_oldest_lines_go_and_are_counted(nursery: trio.Nursery) -> None:
    sink, report = Lines(), Report()
    writer = LineWriter(sink, report, retry_seconds=0.001)
    sink.error = FULL
    for number in range(MAX_WAITING_LINES + 3):
        writer.put(f"line {number}")
    nursery.start_soon(writer.run)
    await report.wait()
    sink.error = None
    await writer.finish()
    assert len(sink.lines) == MAX_WAITING_LINES
    assert sink.lines[0] == "line 3"
    assert report.told[-1] == "can be written again; 3 lines were dropped"


async def test_a_sink_that_is_stuck_holds_up_nothing() -> None:
    stuck = threading.Event()

    class Stuck(Lines):
        def write(self, _text: str) -> None:
            stuck.wait()

    writer = LineWriter(Stuck(), report=str)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            writer.put("a line")
            with trio.move_on_after(0.1) as waiting:
                await writer.finish()
            assert waiting.cancelled_caught
            nursery.cancel_scope.cancel()
    finally:
        stuck.set()


def test_a_file_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "monitor.log"
    sink = FileSink(path)
    sink.write("before\n")
    path.rename(tmp_path / "monitor.log.1")
    sink.write("after\n")
    assert (tmp_path / "monitor.log.1").read_text() == "before\n"
    assert path.read_text() == "after\n"
    sink.close()


def test_a_write_that_fails_halfway_leaves_no_broken_line(tmp_path: Path) -> None:
    class HalfFull(FileSink):
        full = False

        def _write_all(self, file: IO[bytes], content: bytes) -> None:
            if self.full:
                file.write(content[: len(content) // 2])
                raise FULL
            super()._write_all(file, content)

    sink = HalfFull(tmp_path / "monitor.log")
    sink.write("a whole line\n")
    sink.full = True
    with pytest.raises(OSError, match="No space"):
        sink.write("a line that does not fit\n")
    sink.full = False
    sink.write("another\n")
    assert (tmp_path / "monitor.log").read_text() == "a whole line\nanother\n"
    sink.close()


def test_a_file_that_cannot_be_opened_anew_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "monitor.log"
    sink = FileSink(path)
    sink.write("before\n")
    path.rename(tmp_path / "monitor.log.1")
    path.mkdir()  # in its way
    for _ in range(2):
        with pytest.raises(OSError, match="Is a directory"):
            sink.write("meanwhile\n")
    path.rmdir()
    sink.write("after\n")
    assert path.read_text() == "after\n"
    sink.close()


async def test_lines_dropped_for_a_slow_sink_are_reported(nursery: trio.Nursery) -> None:
    held, report = threading.Event(), Report()

    class Slow(Lines):
        def write(self, text: str) -> None:
            held.wait()
            super().write(text)

    writer = LineWriter(Slow(), report)
    nursery.start_soon(writer.run)
    writer.put("first")
    await trio.testing.wait_all_tasks_blocked()
    for number in range(MAX_WAITING_LINES + 5):
        writer.put(f"line {number}")
    held.set()
    await writer.finish()
    assert report.told == ["can be written again; 5 lines were dropped"]


def test_a_pipe_that_is_full_and_does_not_block_gets_every_line_once() -> None:
    reader, descriptor = os.pipe()
    os.set_blocking(descriptor, False)
    text = "".join(f"line {number}\n" for number in range(50_000))
    received = bytearray()

    def read() -> None:
        while piece := os.read(reader, 65536):
            received.extend(piece)

    thread = threading.Thread(target=read)
    thread.start()
    StreamSink(descriptor).write(text)
    os.close(descriptor)
    thread.join()
    os.close(reader)
    assert received.decode() == text


def test_another_path_is_taken_at_the_next_write(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "monitor.log")
    sink.write("first\n")
    sink.path = tmp_path / "folder" / "other.log"
    sink.write("second\n")
    sink.close()
    assert (tmp_path / "monitor.log").read_text() == "first\n"
    assert (tmp_path / "folder" / "other.log").read_text() == "second\n"


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe"):
        FileSink(tmp_path / "pipe")


def test_the_error_of_a_device_is_reported() -> None:
    with closing(FileSink(Path("/dev/full"))) as sink, pytest.raises(OSError, match="No space"):
        sink.write("a line\n")


# Its own program, since a process has one stdout; a container reads it by a pipe, systemd by a socket.
TO_STDOUT = """
import sys
from pathlib import Path
from watcher.recording.line_writer import FileSink

for name in sys.argv[2:]:
    sink = FileSink(Path(name))
    sink.write("first\\n")
    sink.path = Path(sys.argv[1])
    sink.write("second\\n")
    sink.path = Path(name)
    sink.write("third\\n")
    sink.close()
"""


def test_stdout_may_be_a_pipe_or_a_socket(tmp_path: Path) -> None:
    names = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"]
    (tmp_path / "link").symlink_to("/dev/stdout")
    command = [sys.executable, "-c", TO_STDOUT, "other.log", *names]
    piped = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True)
    ours, its = socket.socketpair()
    with ours, its:
        subprocess.run(command, cwd=tmp_path, stdout=its.fileno(), check=True)
        its.close()
        received = b"".join(iter(lambda: ours.recv(100), b""))
    assert piped.stdout == received == b"first\nthird\n" * len(names)
    assert (tmp_path / "other.log").read_text() == "second\n" * len(names) * 2

"""The daemon's log: one line per event, whatever is in it."""

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from watcher import log
from watcher.log import lines_through
from watcher.text.log_events import LogEvent, OwnWords

HANG_SECONDS = 120


class Hostile:
    """Raises from every method."""

    def __str__(self) -> str:
        raise RuntimeError("never")

    __repr__ = __iter__ = __len__ = __str__


class HostileError(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("never")


@pytest.fixture
def lines() -> Iterator[list[str]]:
    log.configure()
    yield []
    log.configure()


def test_an_event_is_one_line_with_its_fields(lines: list[str]) -> None:
    with lines_through(lines.append):
        structlog.get_logger().info("started", targets=5, log="a b")
    [line] = lines
    assert line.endswith(' info started targets=5 log="a b"')
    assert line[23] == "Z"


def test_a_hostile_value_breaks_no_line(lines: list[str]) -> None:
    with lines_through(lines.append):
        structlog.get_logger().warning("query\nfailed", error=ValueError("x\r\n\x1b[2Jy"))
    [line] = lines
    assert line.isprintable()
    assert line.endswith(r' warning query\nfailed error="x\\r\\n\\x1b[2Jy"')


def test_a_traceback_is_one_line_too(lines: list[str]) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        with lines_through(lines.append):
            structlog.get_logger().error("check failed", exc_info=error)
    [line] = lines
    assert line.isprintable()
    assert "ZeroDivisionError: division by zero" in line
    assert "test_log.py" in line


def test_warnings_of_libraries_come_the_same_way_and_their_chatter_does_not(lines: list[str]) -> None:
    with lines_through(lines.append):
        logging.getLogger("asyncpg.pool").warning("a %s", "warning")
        logging.getLogger("httpx").info('HTTP Request: GET https://u:secret@h/ "200"')
    [line] = lines
    assert line.endswith(" warning a warning logger=asyncpg.pool")


def test_outside_of_the_daemon_lines_go_to_stderr_at_once(lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().info("stopped")
    assert capsys.readouterr().err.endswith(" info stopped\n")


def test_json_is_one_object_a_line_in_the_order_of_the_call(lines: list[str]) -> None:
    log.configure("json")
    with lines_through(lines.append):
        structlog.get_logger().warning("slow", late=5, share=0.5, path=Path("a b"), nothing=None, names=["a", "b"])
    [line] = lines
    assert line[:10] == '{"time": "'
    assert line[34:] == (
        '", "level": "warning", "event": "slow", "late": 5, "share": 0.5, "path": "a b", "names": ["a", "b"]}'
    )


def test_the_format_changes_at_once_for_loggers_that_are_there_already(lines: list[str]) -> None:
    logger, bound = structlog.get_logger(), structlog.get_logger().bind(target="x")
    with lines_through(lines.append):
        for log_format in ("json", "text", "json"):
            log.configure(log_format)
            logger.info("a")
            bound.info("b")
            logging.getLogger("asyncpg").warning("c")
    assert [line[0] == "{" for line in lines] == [True] * 3 + [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    "value",
    [
        Hostile(),
        HostileError(),
        [Hostile()],
        {"a": Hostile()},
        float("nan"),
        10**5000,
        b"\xff",
        object,
        [[[[[[["deep"]]]]]]],
        range(10**12),
        Path("/"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_logging_raises_nothing_whatever_it_is_given(lines: list[str], value: Any) -> None:
    with lines_through(lines.append):
        for log_format in ("text", "json"):
            log.configure(log_format)
            structlog.get_logger().error("failed", error=value)
            structlog.get_logger().error(value, exc_info=value)
            structlog.get_logger().error("failed %s %d", value)
            logging.getLogger("a").warning("failed %s", value)
    assert len(lines) == 8
    assert all(line.isprintable() for line in lines)
    assert {json.loads(line)["level"] for line in lines[4:]} == {"error", "warning"}


def test_a_value_that_contains_itself_is_one_line(lines: list[str]) -> None:
    ring: list[Any] = []
    ring.append(ring)
    with lines_through(lines.append):
        structlog.get_logger().error("failed", ring=ring)
    assert len(lines) == 1


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_field_takes_the_place_of_nothing_that_every_line_has(lines: list[str], log_format: str) -> None:
    log.configure(log_format)
    fields: dict[str, Any] = {"event": "x", "time": 1, "level": "y", "traceback": "z"}
    with lines_through(lines.append):
        structlog.get_logger().info("started", **fields)
        structlog.get_logger().bind(time=1, level="y").info("started")
    if log_format == "text":
        assert lines[0].endswith(" info started event_=x time_=1 level_=y traceback_=z")
        assert lines[1].endswith(" info started time_=1 level_=y")
    else:
        found = json.loads(lines[0])
        assert (found["event"], found["level"], found["event_"], found["time_"]) == ("started", "info", "x", 1)


def test_arguments_that_do_not_fit_their_message_break_nothing(
    lines: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with lines_through(lines.append):
        logging.getLogger("a.library").warning("%d of %s", "x")
    assert lines[0].endswith(' warning "%d of %s" logger=a.library'.replace('"', ""))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["httpx", "httpcore", "httpcore.http11", "h2", "hpack.hpack", "asyncio", "trio"])
def test_libraries_are_quiet_even_if_their_level_is_lowered(
    lines: list[str], capfd: pytest.CaptureFixture[str], name: str
) -> None:
    logger, handler = logging.getLogger(name), logging.StreamHandler(io.StringIO())
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        with lines_through(lines.append):
            logger.debug("GET https://u:secret@h/")
            logger.info("GET https://u:secret@h/")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert lines == []
    assert handler.stream.getvalue() == ""
    assert capfd.readouterr().err == ""


async def test_a_line_of_another_thread_is_put_in_that_of_trio(lines: list[str]) -> None:
    threads: list[int] = []
    put = trio.Event()

    def put_line(_line: str) -> None:
        threads.append(threading.get_ident())
        put.set()

    with lines_through(put_line):
        await trio.to_thread.run_sync(structlog.get_logger().info, "from a thread")
        with trio.fail_after(HANG_SECONDS):
            await put.wait()
    assert threads == [threading.get_ident()]


def test_a_writer_that_fails_does_not_fail_who_logs(lines: list[str]) -> None:
    def put_line(_line: str) -> None:
        raise OSError("full")

    with lines_through(put_line):
        structlog.get_logger().info("started")
        logging.getLogger("a").warning("b")


UNCAUGHT = """
import sys, threading, warnings, logging
from watcher import log
log.configure(sys.argv[1])
log.take_over_stderr()
log.mask(["hunter2-secret"])
warnings.simplefilter("always")
warnings.warn("a\\nb hunter2-secret")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start(); thread.join()
class Bad:
    def __del__(self): raise ValueError("hunter2-secret")
Bad()
raise ValueError("https://u:pw@h/?a=hunter2-secret hunter2-secret")
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_uncaught_exceptions_are_one_line_too(log_format: str) -> None:
    command = [sys.executable, "-c", UNCAUGHT, log_format]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG_SECONDS)
    lines = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert len(lines) == 4, ended.stderr
    assert "hunter2" not in ended.stderr
    assert "u:pw" not in ended.stderr
    for line in lines:
        assert line.isprintable()
        assert line[23] == "Z" or json.loads(line)["level"] in {"warning", "error", "critical"}


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2> >(exit)"])
def test_without_stderr_nothing_fails(redirection: str) -> None:
    program = "from watcher import log; import structlog; log.configure(); structlog.get_logger().info('a'); print(1)"
    command = ["bash", "-c", f'"$0" -c "$1" {redirection}', sys.executable, program]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG_SECONDS)
    assert ended.stdout == "1\n"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_log_event_is_a_line_for_people_and_fields_for_machines(lines: list[str], log_format: str) -> None:
    log.configure(log_format)
    log.mask(["Zq7x-word"])
    with lines_through(lines.append):
        told = LogEvent(
            "c.yaml:3: is Zq7x-word", "a mistake", file="c.yaml", line=3, column=None, message=OwnWords("Zq7x-word")
        )
        structlog.get_logger().error(told, more=1)
    [line] = lines
    if log_format == "text":
        assert line.endswith(" error c.yaml:3: is Zq7x-word more=1")
    else:
        event = json.loads(line)
        del event["time"]
        expected = {
            "level": "error",
            "event": "a mistake",
            "file": "c.yaml",
            "line": 3,
            "message": "Zq7x-word",
            "more": 1,
        }
        assert event == expected

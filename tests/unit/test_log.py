"""What the daemon says about itself: one line an event, whatever is in it."""

import logging

import pytest
import structlog

from watcher import log
from watcher.log import lines_through


@pytest.fixture
def lines() -> list[str]:
    log.configure()
    return []


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

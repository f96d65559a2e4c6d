"""What the daemon says about itself: one line an event, on stderr."""

from __future__ import annotations

import logging
import sys
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from watcher.model.text import key_values, one_line
from watcher.model.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

MAX_TRACEBACK_CHARS = 4000

_put_line: Callable[[str], None] | None = None


def configure() -> None:
    """Send the events of structlog, and the warnings of libraries that use logging, to stderr."""
    structlog.configure(processors=[_render], logger_factory=_LineLogger, cache_logger_on_first_use=False)
    handler = _LoggingHandler(logging.WARNING)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


@contextmanager
def lines_through(put_line: Callable[[str], None]) -> Iterator[None]:
    """Hand lines to a writer that does not block, while the block runs, instead of writing them at once."""
    global _put_line  # a process has one stderr
    _put_line = put_line
    try:
        yield
    finally:
        _put_line = None


def _write(line: str) -> None:
    if _put_line is not None:
        _put_line(line)
    elif sys.stderr is not None:  # as it is when it was closed before the start
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


class _LineLogger:
    """What structlog calls at the end of its processors."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def msg(self, line: str) -> None:
        _write(line)

    debug = info = warning = error = critical = exception = msg


def _render(_logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    return _line(method, str(event.pop("event")), event.pop("exc_info", None), event)


def _line(level: str, event: str, error: object, fields: MutableMapping[str, Any]) -> str:
    if error is True:
        error = sys.exception()
    if isinstance(error, BaseException):
        text = "".join(traceback.format_exception(error))
        # Its end says what and where.
        fields = {**fields, "traceback": one_line(text[-MAX_TRACEBACK_CHARS:], limit_chars=2 * MAX_TRACEBACK_CHARS)}
    rest = key_values(fields)
    return f"{timestamp(datetime.now(UTC))} {level} {one_line(event)}{' ' if rest else ''}{rest}"


class _LoggingHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        _write(_line(record.levelname.lower(), record.getMessage(), error, {"logger": record.name}))

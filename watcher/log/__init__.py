"""The daemon's log: one line for each event, on stderr, as text for people or as JSON for machines.

The structlog processors in this module handle all of it: the daemon's events, messages of libraries through `logging`
and `warnings`, and uncaught exceptions. `_fit` is the one place that removes secrets.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from watcher.log.stderr import is_the_journal, lines_through, with_priority, write_line
from watcher.model.clock_trust import utc_now
from watcher.secrets.in_logs import Redactor, fit_address
from watcher.text.escaping import json_line, key_values, one_line
from watcher.text.log_events import LogEvent, OwnWords
from watcher.text.loggable import loggable, safe_text
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping
    from types import TracebackType

    from watcher.model.target import Target
    from watcher.text.loggable import Loggable

    Event = MutableMapping[str, Any]

__all__ = ["configure", "is_json", "lines_through", "mask", "redacted", "take_over_stderr", "to_stderr"]

MAX_TRACEBACK_CHARS = 4000

# The fields of every line; another field of such a name gets a `_`.
_OWN_NAMES = ("time", "level", "event", "traceback")
# Fields with text from elsewhere, such as exceptions: any known secret may be in them. The other fields have words of
# this program and names that users gave. Masking every word there that is also a user name or the value of a query
# would leave nothing to read, and would give it away; so only addresses are masked there.
_FOREIGN = frozenset({"error", "errors", "failed", "message", "output"})

_log_format = "text"
_redactor = Redactor()
_is_journal = is_the_journal(os.environ)


def configure(log_format: str = "text") -> None:
    """Send structlog events, and the warnings of libraries that use logging, to stderr.

    May be called again, and then applies to all later lines.

    Args:
        log_format: `text` or `json`.
    """
    global _log_format  # a process has one stderr
    _log_format = log_format
    structlog.configure(
        processors=[_in_order, _fit, _render],
        wrapper_class=_EventLogger,
        logger_factory=_LineLogger,
        cache_logger_on_first_use=False,
    )
    # Debug lines of libraries contain addresses: nothing, not even the libraries themselves, can enable them again.
    logging.disable(logging.INFO)
    logging.raiseExceptions = False
    logging.basicConfig(handlers=[_LoggingHandler(logging.WARNING)], level=logging.WARNING, force=True)


def is_json() -> bool:
    """Whether lines are JSON."""
    return _log_format == "json"


def to_stderr(level: str, line: str) -> str:
    """Return a line for stderr; systemd's journal gets a priority in front.

    Args:
        level: `info`, `warning` or `error`.
        line: without its end.
    """
    return with_priority(level, line) if _is_journal else line


def take_over_stderr() -> None:
    """Log each warning and each uncaught exception as one event, also exceptions that end the process."""
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda failed: _log_uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)
    sys.unraisablehook = lambda failed: _emit(
        "error", "exception ignored", {"message": failed.err_msg, "exc_info": failed.exc_value}
    )


def mask(secrets: Iterable[str] = (), targets: Iterable[Target] = ()) -> None:
    """Mask secrets in all lines from now on, for ever; may be called from a thread.

    Args:
        secrets: such as the password of the database.
        targets: those whose secrets to mask; earlier ones need not be given again.
    """
    _redactor.add(secrets, targets)


def redacted(text: str) -> str:
    """Remove known secrets, and those of addresses, from a text of another program."""
    return _redactor.fit(text)


class _LineLogger:
    """The logger that structlog calls after its processors."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def msg(self, line: str) -> None:
        write_line(line)


class _EventLogger(structlog.BoundLoggerBase):
    """The logger of callers: never raises, whatever it is given."""

    def debug(self, event: object, /, *arguments: object, **fields: object) -> None:
        self._emit("debug", event, fields, arguments)

    def info(self, event: object, /, *arguments: object, **fields: object) -> None:
        self._emit("info", event, fields, arguments)

    def warning(self, event: object, /, *arguments: object, **fields: object) -> None:
        self._emit("warning", event, fields, arguments)

    def error(self, event: object, /, *arguments: object, **fields: object) -> None:
        self._emit("error", event, fields, arguments)

    def critical(self, event: object, /, *arguments: object, **fields: object) -> None:
        self._emit("critical", event, fields, arguments)

    def exception(self, event: object, /, *arguments: object, **fields: object) -> None:
        self._emit("error", event, {"exc_info": True, **fields}, arguments)

    def _emit(
        self, level: str, event: object, fields: Mapping[str, object], arguments: tuple[object, ...] = ()
    ) -> None:
        try:
            named = {**_renamed(fields), "arguments": arguments or None, "event": event}
            [line], _ = self._process_event(level, None, named)
            self._logger.msg(to_stderr(level, line))
        except structlog.DropEvent:
            pass
        except Exception as error:  # noqa: BLE001  # a failing log line must not end its caller
            with suppress(Exception):
                write_line(_RENDERERS[_log_format](_last_resort(type(error).__name__)))


def _emit(level: str, event: str, fields: Mapping[str, object]) -> None:
    getattr(structlog.get_logger(), level, structlog.get_logger().error)(event, **fields)


def _last_resort(error: str) -> dict[str, Loggable]:
    return {"time": timestamp(utc_now()), "level": "error", "event": "log event cannot be formatted", "error": error}


def _renamed(fields: Mapping[str, object]) -> dict[str, object]:
    return {f"{name}_" if name in _OWN_NAMES else name: value for name, value in fields.items()}


def _in_order(_logger: object, level: str, event: Event) -> Event:
    """Put the fields of every line first, and the traceback last."""
    text, error = event.pop("event"), event.pop("exc_info", None)
    if isinstance(text, LogEvent) and is_json():
        event = {**text.fields, **event}
        text = text.event
    return {"time": utc_now(), "level": level, "event": text, **_renamed(event), "traceback": _traceback(error)}


def _traceback(error: object) -> str | None:
    if error is True:
        error = sys.exception()
    if isinstance(error, tuple):
        error = error[1]
    if not isinstance(error, BaseException):
        return None
    return "".join(traceback.format_exception(error))


def _fit(_logger: object, _level: str, event: Event) -> dict[str, Loggable]:
    """Convert the fields to plain values without secrets."""
    of_library = "logger" in event
    fitting: dict[str, Loggable] = {}
    for name, value in event.items():
        if name == "traceback":
            fitting[name] = None if value is None else _redactor.end_of(value, MAX_TRACEBACK_CHARS)
        else:
            is_own = isinstance(value, OwnWords)
            foreign = (name in _FOREIGN and not is_own) or (of_library and name == "event")
            fitting[one_line(name)] = loggable(value, _redactor.fit if foreign else fit_address, _redactor.fit)
    return {name: value for name, value in fitting.items() if value is not None}


def _render(_logger: object, _level: str, event: Mapping[str, Loggable]) -> str:
    return _RENDERERS[_log_format](event)


def _as_text(event: Mapping[str, Loggable]) -> str:
    fields = {name: _shown(value) for name, value in event.items() if name not in {"time", "level", "event"}}
    rest = key_values(fields)
    return f"{event['time']} {event['level']} {one_line(_shown(event['event']))}{' ' if rest else ''}{rest}"


def _shown(value: Loggable) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return json_line(value) if isinstance(value, dict) else str(value)


_RENDERERS: dict[str, Callable[[Mapping[str, Loggable]], str]] = {"text": _as_text, "json": json_line}


class _LoggingHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _emit(record.levelname.lower(), _message(record), {"logger": record.name, "exc_info": record.exc_info})


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage().strip()
    except Exception:  # noqa: BLE001  # the arguments do not fit, or cannot be formatted
        return safe_text(record.msg)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, _at: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _emit("critical", "uncaught exception", {"exc_info": error})

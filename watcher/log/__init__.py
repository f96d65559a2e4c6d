"""The daemon's log on stderr: one line per event, as text for people or as JSON for machines.

The processors below handle every line: the daemon's own events, the warnings of libraries that use `logging` or
`warnings`, and uncaught exceptions. `_mask_fields` is the one place that masks secrets.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from structlog.dev import set_exc_info
from structlog.processors import JSONRenderer, add_log_level, format_exc_info

from watcher.log.stderr import PRIORITIES, is_the_journal, lines_through, with_priority, write_line
from watcher.model.clock_trust import utc_now
from watcher.secrets.in_logs import Redactor
from watcher.text.escaping import json_line, key_values, one_line
from watcher.text.log_events import LogEvent, OwnWords
from watcher.text.loggable import loggable, safe_text
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from structlog.typing import EventDict, Processor

    from watcher.model.target import Target
    from watcher.text.loggable import Loggable

__all__ = ["configure", "is_json", "lines_through", "mask", "redacted", "take_over_stderr", "to_stderr"]

MAX_TRACEBACK_CHARS = 4000

# The keys of every line, and structlog's own; a field with such a name gets a `_`.
_OWN_NAMES = frozenset({"time", "level", "event", "traceback", "exception"})
# Fields with text from elsewhere, such as exceptions: any known secret may be in them. The other fields have words of
# this program and names that users gave. Masking every word there that is also a user name or the value of a query
# would leave nothing to read, and would give it away; so only addresses are masked there.
_FOREIGN = frozenset({"error", "errors", "failed", "message", "output"})

_log_format = "text"
# One list that `configure` changes in place, since bound loggers keep the list that they were made with.
_processors: list[Processor] = []
_redactor = Redactor()
_is_journal = is_the_journal(os.environ)


def configure(log_format: str = "text") -> None:
    """Send the events of structlog, and the warnings of libraries that use logging, to stderr.

    May be called again, and applies to all lines from then on.

    Args:
        log_format: `text` or `json`.
    """
    global _log_format  # a process has one stderr
    _log_format = log_format
    renderer = JSONRenderer(json_line) if is_json() else _as_text
    _processors[:] = [_rename_fields, set_exc_info, add_log_level, format_exc_info, _in_order, _mask_fields, renderer]
    structlog.configure(
        processors=_processors,
        wrapper_class=_Logger,
        logger_factory=structlog.ReturnLoggerFactory(),  # `_Logger` writes the line
        cache_logger_on_first_use=False,
    )
    # Libraries log addresses at INFO; nothing, not even the libraries, can enable that level again.
    logging.disable(logging.INFO)
    logging.raiseExceptions = False
    logging.basicConfig(handlers=[_LoggingHandler(logging.WARNING)], level=logging.WARNING, force=True)


def is_json() -> bool:
    """Whether lines are JSON."""
    return _log_format == "json"


def to_stderr(level: str, line: str) -> str:
    """Return a line for stderr; a line for systemd's journal starts with its priority.

    Args:
        level: `info`, `warning` or `error`.
        line: without a newline at the end.
    """
    return with_priority(level, line) if _is_journal else line


def take_over_stderr() -> None:
    """Log each warning and each uncaught exception as one event, also an exception that ends the process."""
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda failed: _log_uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)
    sys.unraisablehook = lambda failed: _log(
        "error", "exception ignored", {"message": failed.err_msg, "exc_info": failed.exc_value}
    )


def mask(secrets: Iterable[str] = (), targets: Iterable[Target] = ()) -> None:
    """Mask secrets in all lines from now on, until the process ends; may be called from a thread.

    Args:
        secrets: such as the password of the database.
        targets: with their secrets; those of earlier calls need not be passed again.
    """
    _redactor.add(secrets, targets)


def redacted(text: str) -> str:
    """Mask the known secrets, and those of addresses, in foreign text."""
    return _redactor.masked_and_cut(text)


class _Logger(structlog.BoundLogger):
    """structlog's logger, except that it never raises: a line that cannot be written must not end what it is about."""

    def _proxy_to_logger(  # type: ignore[override]  # takes anything
        self, method_name: str, event: Any = None, /, *arguments: object, **fields: Any
    ) -> None:
        try:
            named = {**({"arguments": arguments} if arguments else {}), **_renamed(fields)}
            line = super()._proxy_to_logger(method_name, event, **named)
            if line is not None:  # None if a processor drops the event
                write_line(to_stderr(method_name, line))
        except Exception as error:  # noqa: BLE001  # see above
            with suppress(Exception):
                fields = {"level": "error", "event": "log event cannot be formatted", "error": type(error).__name__}
                write_line(_processors[-1](None, "error", {"time": timestamp(utc_now()), **fields}))  # type: ignore[arg-type]


def _log(level: str, event: str, fields: Mapping[str, object]) -> None:
    getattr(structlog.get_logger(), level if level in PRIORITIES else "error")(event, **fields)


def _renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{name}_" if name in _OWN_NAMES else name: value for name, value in fields.items()}


def _rename_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Rename the fields of bound loggers, and replace a `LogEvent` by its fields in JSON."""
    text = event.pop("event", None)
    if isinstance(text, LogEvent) and is_json():
        event, text = {**text.fields, **event}, text.event
    return {"event": text, **_renamed(event)}


def _in_order(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Put the keys of every line before the fields, and the traceback after them.

    structlog's `TimeStamper` writes microseconds; the lines of checks have milliseconds.
    """
    trace = event.pop("exception", None)
    return {"time": utc_now(), "level": event.pop("level"), "event": event.pop("event"), **event, "traceback": trace}


def _mask_fields(_logger: object, _method: str, event: EventDict) -> dict[str, Loggable]:
    """Convert the values that are not None to JSON types, and mask the secrets in them."""
    foreign = _FOREIGN | {"event"} if "logger" in event else _FOREIGN
    masked: dict[str, Loggable] = {}
    for name, value in event.items():
        if name == "traceback":
            masked[name] = None if value is None else _redactor.end_of(value, MAX_TRACEBACK_CHARS)
        else:
            is_own = name not in foreign or isinstance(value, OwnWords)
            mask_value = partial(_redactor.masked_and_cut, is_own=is_own)
            masked[one_line(name)] = loggable(value, mask_value, _redactor.masked_and_cut)
    return {name: value for name, value in masked.items() if value is not None}


def _as_text(_logger: object, _method: str, event: EventDict) -> str:
    """Write the fields with `key_values`, as in the lines of checks.

    structlog's `LogfmtRenderer` lets control characters through, and raises on a name with a space.
    """
    time, level, text = (_shown(event.pop(name, None)) for name in ("time", "level", "event"))
    fields = key_values({name: _shown(value) for name, value in event.items()})
    return f"{time} {level} {one_line(text)}{' ' if fields else ''}{fields}"


def _shown(value: Loggable) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return json_line(value) if isinstance(value, dict) else str(value)


class _LoggingHandler(logging.Handler):
    """Logs records of `logging`; structlog's `ProcessorFormatter` loses one whose arguments do not fit its message."""

    def emit(self, record: logging.LogRecord) -> None:
        _log(record.levelname.lower(), _message(record), {"logger": record.name, "exc_info": record.exc_info})


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage().strip()
    except Exception:  # noqa: BLE001  # the arguments do not fit, or cannot be shown
        return safe_text(record.msg)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, _at: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log("critical", "uncaught exception", {"exc_info": error})

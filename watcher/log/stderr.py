"""Sends log lines to stderr at once, or to a writer that does not block; adds the priority for systemd's journal."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STDERR = 2
# Syslog priorities in front of a line, see sd-daemon(3); the journal removes them.
_PRIORITIES = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>", "critical": "<2>"}


def is_the_journal(variables: Mapping[str, str], descriptor: int = STDERR) -> bool:
    """Return whether a descriptor leads to the journal: JOURNAL_STREAM names its file, see systemd.exec(5).

    Args:
        variables: of the environment.
        descriptor: may be closed; then it does not lead to the journal.
    """
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return variables.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def with_priority(level: str, line: str) -> str:
    """Put the priority in front of a line.

    Args:
        level: one of structlog's.
        line: for the journal.
    """
    return f"{_PRIORITIES.get(level, '')}{line}"


_put_line: Callable[[str], None] | None = None


@contextmanager
def lines_through(put_line: Callable[[str], None]) -> Iterator[None]:
    """Pass lines to a writer that does not block while the block runs, instead of writing them at once.

    Args:
        put_line: called only in the thread of trio, if there is one, also for lines of other threads.
    """
    global _put_line  # a process has one stderr
    _put_line = _in_this_thread(put_line)
    try:
        yield
    finally:
        _put_line = None


def write_line(line: str) -> None:
    """Write a line, without its end."""
    if _put_line is not None:
        _put_line(line)
    elif sys.stderr is not None:  # None if it was closed before the start
        with suppress(OSError, ValueError):  # its reader has gone, or it was closed since
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def _in_this_thread(put_line: Callable[[str], None]) -> Callable[[str], None]:
    import trio  # most commands have no need of it

    try:
        token = trio.lowlevel.current_trio_token()
    except RuntimeError:
        return put_line
    home = threading.get_ident()

    def put(line: str) -> None:
        if threading.get_ident() == home:
            put_line(line)
        else:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(put_line, line)

    return put

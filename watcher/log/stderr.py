"""Writes log lines to stderr, or hands them to a writer that does not block; adds priorities for systemd's journal."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STDERR = 2
# The prefixes of sd-daemon(3) for structlog's levels; the journal removes them.
PRIORITIES = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>", "exception": "<3>", "critical": "<2>"}


def is_the_journal(variables: Mapping[str, str], descriptor: int = STDERR) -> bool:
    """Return whether a descriptor is systemd's journal: JOURNAL_STREAM names its file, see systemd.exec(5).

    Args:
        variables: the environment variables.
        descriptor: may be closed.
    """
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return variables.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def with_priority(level: str, line: str) -> str:
    """Put the priority of a level in front of a line.

    Args:
        level: the name of the logger's method, such as `info`; an unknown one adds nothing.
        line: a line for the journal.
    """
    return f"{PRIORITIES.get(level, '')}{line}"


_put_line: Callable[[str], None] | None = None


@contextmanager
def lines_through(put_line: Callable[[str], None]) -> Iterator[None]:
    """Hand lines to a writer that does not block, instead of writing them at once, until the `with` block ends.

    Args:
        put_line: called in trio's thread only, also for lines of other threads; in any thread if trio does not run.
    """
    global _put_line  # a process has one stderr
    _put_line = _in_this_thread(put_line)
    try:
        yield
    finally:
        _put_line = None


def write_line(line: str) -> None:
    """Write a line, given without its newline.

    structlog's `WriteLogger` would block on a full pipe, and raise once stderr is closed.
    """
    if _put_line is not None:
        _put_line(line)
    elif sys.stderr is not None:  # None if it was closed before the start
        with suppress(OSError, ValueError):  # its reader has ended, or it is closed
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def _in_this_thread(put_line: Callable[[str], None]) -> Callable[[str], None]:
    import trio  # most commands do not need it

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

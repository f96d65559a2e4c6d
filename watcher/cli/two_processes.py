"""Shares a long computation with a second process."""

from __future__ import annotations

import os
import signal
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

# A second process starts within some 20 ms, the time to write about this many lines.
LEAST_ITEMS = 2000


def written_in_parts(
    write: Callable[[Sequence[T]], str], items: Sequence[T], *, least_items: int = LEAST_ITEMS
) -> list[str]:
    """Write many items as text; a second process writes half of them, or this one if that fails.

    Args:
        write: formats some items; a pure function.
        items: the items to write.
        least_items: fewer items are written in one part.

    Returns:
        the parts, in order.
    """
    middle = len(items) // 2
    second = _Second() if len(items) >= least_items else None
    if second is None or not second.start(write, items[middle:]):
        return [write(items)]
    try:
        part = write(items[:middle])
        text = second.text()
    finally:
        second.end()
    return [part, write(items[middle:]) if text is None else text]


class _Second:
    """A forked process, with a copy of this one's memory."""

    def __init__(self) -> None:
        self._process: int | None = None
        answer, self._writer = os.pipe()
        self._answer = os.fdopen(answer, "rb")

    def start(self, write: Callable[[Sequence[T]], str], items: Sequence[T]) -> bool:
        """Start to write; return False if the system refuses another process."""
        with warnings.catch_warnings(), suppress(OSError):
            # The warning is about threads; the remaining ones are idle, and a computation does not need them.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process = os.fork()
        if self._process == 0:
            self._write_and_exit(write, items)
        os.close(self._writer)
        if self._process is None:
            self._answer.close()
        return self._process is not None

    def text(self) -> str | None:
        """Wait for the text; None if the process failed."""
        assert self._process is not None
        written = self._answer.read()
        process, self._process = self._process, None
        _, status = os.waitpid(process, 0)
        return None if status else written.decode("utf-8", "surrogatepass")

    def end(self) -> None:
        """Kill the process if it is still running."""
        self._answer.close()
        if self._process is not None:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)

    def _write_and_exit(self, write: Callable[[Sequence[T]], str], items: Sequence[T]) -> NoReturn:
        """Write in the second process and exit, so that none of the first one's code runs on there."""
        try:
            self._answer.close()  # otherwise the end of the first process would go unnoticed
            with os.fdopen(self._writer, "wb") as writer:
                writer.write(write(items).encode("utf-8", "surrogatepass"))
            os._exit(0)
        finally:
            os._exit(1)

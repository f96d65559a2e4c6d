"""Work that only computes, shared with a second process where there is much of it."""

from __future__ import annotations

import os
import signal
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

# A second process is there within some 20 ms, in which so many lines or so are written.
LEAST_ITEMS = 2000


def written_in_parts(
    write: Callable[[Sequence[T]], str], items: Sequence[T], *, least_items: int = LEAST_ITEMS
) -> list[str]:
    """Write many items as text: a second process does half of them, and this one all that the second does not.

    Args:
        write: writes some items; it only computes.
        items: what to write.
        least_items: fewer are written in one part.

    Returns:
        the parts, in order.
    """
    middle = len(items) // 2
    second = _Second() if len(items) >= least_items else None
    if second is None or not second.begin(write, items[middle:]):
        return [write(items)]
    try:
        part = write(items[:middle])
        text = second.text()
    finally:
        second.end()
    return [part, write(items[middle:]) if text is None else text]


class _Second:
    """A second process, forked off: it shares the memory of this one, of which neither sees what the other changes."""

    def __init__(self) -> None:
        self._process: int | None = None
        answer, self._writer = os.pipe()
        self._answer = os.fdopen(answer, "rb")

    def begin(self, write: Callable[[Sequence[T]], str], items: Sequence[T]) -> bool:
        """Begin to write; False where there may be no more processes."""
        with warnings.catch_warnings(), suppress(OSError):
            # Of threads: those that are left here wait for work, and what only computes asks nothing of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process = os.fork()
        if self._process == 0:
            self._write_and_exit(write, items)
        os.close(self._writer)
        if self._process is None:
            self._answer.close()
        return self._process is not None

    def text(self) -> str | None:
        """Wait for what was written; None if it did not come to an end."""
        assert self._process is not None
        written = self._answer.read()
        process, self._process = self._process, None
        _, status = os.waitpid(process, 0)
        return None if status else written.decode("utf-8", "surrogatepass")

    def end(self) -> None:
        """End the process, if it is still there."""
        self._answer.close()
        if self._process is not None:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)

    def _write_and_exit(self, write: Callable[[Sequence[T]], str], items: Sequence[T]) -> NoReturn:
        """Do all that the second process is for; whatever happens, nothing else of the first goes on in it."""
        try:
            self._answer.close()  # or the end of the first process would not be noticed
            with os.fdopen(self._writer, "wb") as writer:
                writer.write(write(items).encode("utf-8", "surrogatepass"))
            os._exit(0)
        finally:
            os._exit(1)

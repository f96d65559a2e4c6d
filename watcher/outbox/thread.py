"""Runs the outbox in a thread of its own, and replaces a damaged file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import structlog
import trio

from watcher.outbox.errors import OutboxDamagedError, OutboxUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from watcher.outbox.outbox import Outbox

Result = TypeVar("Result")

log = structlog.get_logger()


@contextmanager
def lack_of_a_thread_mapped(words: str) -> Iterator[None]:
    """Raise `OutboxUnavailableError`, with these words, if the system has no thread for trio."""
    try:
        yield
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
        raise OutboxUnavailableError(f"{words}: {error}") from error


class OutboxThread:
    """Runs calls to an outbox in a thread, one at a time, in the order in which they come."""

    def __init__(self, outbox: Outbox) -> None:
        """Take an outbox; nothing else may call it from now on."""
        self.outbox = outbox
        self._thread = trio.CapacityLimiter(1)

    async def run(self, job: Callable[[Outbox], Result]) -> Result:
        """Run a job in the thread.

        Args:
            job: called in the thread. If the caller is cancelled, it goes on, and its result is lost.

        Returns:
            what the job returns.

        Raises:
            OutboxUnavailableError: the file cannot be used now, or was damaged and has been replaced by an empty one.
        """
        try:
            with lack_of_a_thread_mapped("no thread for the outbox"):
                return await trio.to_thread.run_sync(self._do, job, abandon_on_cancel=True, limiter=self._thread)
        finally:
            for notice in self.outbox.take_notices():
                log.error(notice)

    def _do(self, job: Callable[[Outbox], Result]) -> Result:
        try:
            return job(self.outbox)
        except OutboxDamagedError as error:
            self.outbox.start_anew(error)
            raise OutboxUnavailableError(f"its file was damaged: {error}") from error

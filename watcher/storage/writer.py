"""Failures on their way to PostgreSQL: they wait in a bounded queue while it is away."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Protocol

import structlog
import trio

from watcher.storage.errors import DatabaseRefusedError, DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.model.outcome import Outcome

log = structlog.get_logger()

# The bound of the queue: some 50 MB. The durable queue on disk will take the place of this one.
MAX_WAITING_FAILURES = 50_000
MAX_BATCH_ROWS = 500
# How long a database that is back may go unnoticed: with the 3 s of a connection attempt, below 5 s.
MAX_RETRY_SECONDS = 1.5
MIN_RETRY_SECONDS = 0.5
PING_SECONDS = 3.0


class FailureStore(Protocol):
    """What the writer needs of a `Database`."""

    async def init_db(self) -> None:
        """Create or upgrade the tables."""

    async def log_failures(self, outcomes: Sequence[Outcome]) -> None:
        """Store failures, all or none."""

    async def ping(self) -> None:
        """Find out whether the server answers."""


class FailureWriter:
    """Writes failures to the database in batches, in their order, as soon as it can be reached.

    `put` never blocks. Past the bound the oldest failures are given up, each with a line that says so.
    """

    def __init__(self, database: FailureStore, tell: Callable[[Outcome, bool], None]) -> None:
        """Make a writer.

        Args:
            database: where failures go.
            tell: called once for each failure, when it is stored (True) or given up (False).
        """
        self._database = database
        self._tell = tell
        self._waiting: deque[Outcome] = deque()
        self._wake = trio.Event()
        self._closed = False
        # Unknown until the first try: a database that is there from the start is worth one line too.
        self._up: bool | None = None

    def put(self, outcome: Outcome) -> None:
        """Take a failure."""
        if len(self._waiting) >= MAX_WAITING_FAILURES:
            self._tell(self._waiting.popleft(), False)
        self._waiting.append(outcome)
        self._wake.set()

    def close(self) -> None:
        """Let `run` end when nothing waits any more."""
        self._closed = True
        self._wake.set()

    def give_up(self) -> int:
        """Tell of each failure that still waits that it was not stored, and return how many these were."""
        count = len(self._waiting)
        while self._waiting:
            self._tell(self._waiting.popleft(), False)
        return count

    async def run(self) -> None:
        """Write until the writer is closed and nothing waits, or until cancelled; what is not stored keeps waiting.

        Raises:
            SchemaTooNewError: the tables were made by a newer version.
        """
        while True:
            try:
                if not self._up:
                    await self._database.init_db()
                await self._write_waiting()
                self._note_state(up=True, error=None)
            except DatabaseUnavailableError as error:
                self._note_state(up=False, error=error)
                await trio.sleep(random.uniform(MIN_RETRY_SECONDS, MAX_RETRY_SECONDS))  # noqa: S311
                continue
            if self._closed:
                return
            with trio.move_on_after(PING_SECONDS):
                await self._wake.wait()

    async def _write_waiting(self) -> None:
        self._wake = trio.Event()
        if not self._waiting:
            await self._database.ping()
        singles = 0  # rows to store one by one, since one of them was refused
        while self._waiting:
            rows = 1 if singles else min(MAX_BATCH_ROWS, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(rows)]
            try:
                await self._database.log_failures(batch)
            except DatabaseRefusedError as error:
                if rows == 1:
                    log.error("failure refused by the database", error=error, check_id=batch[0].check_id)
                    self._tell(batch[0], False)
                else:
                    self._waiting.extendleft(reversed(batch))
                    singles = rows + 1
            except BaseException:  # also when cancelled: until the database has said yes, they wait
                self._waiting.extendleft(reversed(batch))
                raise
            else:
                for outcome in batch:
                    self._tell(outcome, True)
            singles = max(singles - 1, 0)

    def _note_state(self, *, up: bool, error: Exception | None) -> None:
        if up == self._up:
            return
        if up:
            log.info("database connected")
        else:
            log.warning("database unavailable, failures wait", error=error)
        self._up = up

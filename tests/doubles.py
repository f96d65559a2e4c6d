"""Values and small doubles for several tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from watcher.checking.check_context import AnyProbe, CheckContext
from watcher.checking.http.tls import TlsContexts
from watcher.checking.scheduling.pauses import Pauses
from watcher.checking.scheduling.shared_timer import SharedTimer
from watcher.checking.scheduling.slot_clock import SlotClock
from watcher.checking.scheduling.worker_lanes import Lanes
from watcher.model.outcome import Fault, Outcome, Phases, Reason
from watcher.model.target import Target
from watcher.outbox.thread import OutboxThread
from watcher.postgres.errors import DatabaseRefusedError, DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from watcher.model.state import Flip
    from watcher.outbox.outbox import Entry, Outbox

Result = TypeVar("Result")

MOMENT = datetime(2026, 11, 23, 15, 20, 55, 857_000, tzinfo=UTC)


def a_target(name: str = "Checkout", **changes: Any) -> Target:
    """Return a target without special options."""
    address = changes.pop("address", "http://127.0.0.1:1/")
    return replace(Target(name=name, address=address, shown_address=address), **changes)


def an_outcome(target: str = "Checkout", *, at: datetime = MOMENT, **changes: Any) -> Outcome:
    """Return the outcome of a successful check."""
    outcome = Outcome(
        target=target,
        address="https://shop.example/health",
        location="default",
        scheduled_at=at,
        started_at=at,
        duration_seconds=0.1432,
        status_code=200,
        body_bytes=1256,
        phases=Phases(resolve=0.0031, connect=0.012, tls=0.0402, processing=0.0801, transfer=0.0078),
    )
    return outcome._replace(**changes)


def a_failure(target: str = "Checkout", *, at: datetime = MOMENT, **changes: Any) -> Outcome:
    """Return the outcome of a failed check."""
    fault = Fault(Reason.STATUS, "503 Service Unavailable")
    return an_outcome(target, at=at, **{"fault": fault, "status_code": 503, **changes})


EPOCH = 1_795_447_255.0


def a_checker(
    probe: Callable[[Target], AnyProbe],
    workers: int = 10,
    pauses: Pauses | None = None,
    ahead: Callable[[], float] = lambda: 0.0,
) -> CheckContext:
    """Return the resources of checks, on trio's clock or a mock one; the wall clock may be ahead of it."""
    clock = SlotClock(lambda: EPOCH + trio.current_time() + ahead(), trio.current_time)
    return CheckContext(
        clock=clock,
        timer=SharedTimer(clock),
        lanes=Lanes(workers),
        location="default",
        probe=probe,
        pauses=pauses or Pauses(lambda: 0.0),
        tls_contexts=TlsContexts(),
        matching_threads=trio.CapacityLimiter(1),
    )


class Lines:
    """A sink that keeps its lines, and fails on demand."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.error: OSError | None = None
        self.tries = 0

    def write(self, text: str) -> None:
        """Keep lines."""
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.lines += text.splitlines()


class Disk(OutboxThread):
    """An outbox that works in the loop itself, so that a mock clock stands still meanwhile; fails on demand.

    Attributes:
        before, after: called around each job.
    """

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self.error: Exception | None = None
        self.before: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        self.after: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint

    async def run(self, job: Callable[[Outbox], Result]) -> Result:
        """Do a job."""
        await self.before()
        if self.error is not None:
            raise self.error
        result = job(self.outbox)
        await self.after()
        return result


class Store:
    """A store of entries in memory, which fails on demand.

    Attributes:
        rows: payloads by the ids of their entries.
        batches: the number of entries in each call, without refused ones.
        refused: payloads that it refuses.
        opened_at: when it was opened, on trio's clock.
        alive_at: the moments of `mark_alive`.
        stored_until: the last entry that it knows; earlier than the last one sent if it went back in time.
        targets: the latest set of watched targets.
    """

    def __init__(self) -> None:
        self.rows: dict[int, str] = {}
        self.batches: list[int] = []
        self.error: Exception | None = None
        self.refused: set[str] = set()
        self.opened_at: list[float] = []
        self.alive_at: list[datetime] = []
        self.stored_until = 0
        self.targets: Sequence[Target] = ()

    async def open(self, _record: Callable[[Sequence[Flip]], Awaitable[None]]) -> int:
        """Record the call."""
        self.opened_at.append(trio.current_time())
        await self._answer()
        return self.stored_until

    def retarget(self, targets: Sequence[Target]) -> None:
        """Record the targets."""
        self.targets = targets

    async def store(self, entries: Sequence[Entry], follows: int | None = None) -> None:
        """Keep entries, all or none."""
        await self._answer()
        self._expect(follows)
        if any(entry.payload in self.refused for entry in entries):
            raise DatabaseRefusedError("a value that it cannot hold")
        self.batches.append(len(entries))
        self.rows.update({entry.id: entry.payload for entry in entries})
        if follows is not None:
            self.stored_until = entries[-1].id

    async def is_known(self) -> bool:
        """Report that nothing was lost."""
        return True

    async def mark_alive(self, moment: datetime, follows: int | None = None) -> None:
        """Record the moment."""
        await self._answer()
        self._expect(follows)
        self.alive_at.append(moment)

    def _expect(self, follows: int | None) -> None:
        if follows is not None and follows != self.stored_until:
            raise DatabaseUnavailableError("it has gone back in time")

    async def _answer(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error


class PiecesWire:
    """A connection that has received these bytes."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)

    async def send_some(self, data: bytes) -> int:
        return len(data)

    async def receive(self) -> bytes:
        return next(self._pieces, b"")

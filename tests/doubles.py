"""Values and small doubles that several tests need."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import trio

from watcher.checking.alarm import Alarm
from watcher.checking.checker import AnyProbe, Checker
from watcher.checking.lanes import Lanes
from watcher.checking.pauses import Pauses
from watcher.checking.schedule import SlotClock
from watcher.model.outcome import Fault, Outcome, Phases, Reason
from watcher.model.target import Target
from watcher.storage.errors import DatabaseRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOMENT = datetime(2026, 11, 23, 15, 20, 55, 857_000, tzinfo=UTC)


def a_target(name: str = "Checkout", **changes: Any) -> Target:
    """Make a target that has nothing special."""
    address = changes.pop("address", "http://127.0.0.1:1/")
    return replace(Target(name=name, address=address, shown_address=address), **changes)


def an_outcome(target: str = "Checkout", *, at: datetime = MOMENT, **changes: Any) -> Outcome:
    """Make the outcome of a check that succeeded."""
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
    return replace(outcome, **changes)


def a_failure(target: str = "Checkout", *, at: datetime = MOMENT, **changes: Any) -> Outcome:
    """Make the outcome of a check that failed."""
    fault = Fault(Reason.STATUS, "503 Service Unavailable")
    return an_outcome(target, at=at, **{"fault": fault, "status_code": 503, **changes})


EPOCH = 1_795_447_255.0


def a_checker(probe: Callable[[Target], AnyProbe], workers: int = 10, pauses: Pauses | None = None) -> Checker:
    """Make what checks need, on trio's clock, be it a mock one; whoever needs the alarm runs it."""
    clock = SlotClock(lambda: EPOCH + trio.current_time(), trio.current_time)
    return Checker(
        clock=clock,
        alarm=Alarm(clock),
        lanes=Lanes(workers),
        location="default",
        probe=probe,
        pauses=pauses or Pauses(lambda: 0.0),
        start_spread_seconds=2.0,
        matching_threads=trio.CapacityLimiter(1),
    )


class Lines:
    """A sink that keeps what it is given, and fails while it is told to."""

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


class Store:
    """A store of failures in memory, which fails while it is told to."""

    def __init__(self) -> None:
        self.rows: dict[str, Outcome] = {}
        self.batches: list[int] = []
        self.error: Exception | None = None
        self.refused: set[str] = set()
        self.initialised = 0
        self.pings = 0

    async def init_db(self) -> None:
        """Count the calls."""
        if self.error is not None:
            raise self.error
        self.initialised += 1

    async def log_failures(self, outcomes: Sequence[Outcome]) -> None:
        """Keep rows, all or none."""
        if self.error is not None:
            raise self.error
        if any(outcome.target in self.refused for outcome in outcomes):
            raise DatabaseRefusedError("a value that it cannot hold")
        self.batches.append(len(outcomes))
        self.rows.update({str(outcome.check_id): outcome for outcome in outcomes})

    async def ping(self) -> None:
        """Count the calls."""
        if self.error is not None:
            raise self.error
        self.pings += 1

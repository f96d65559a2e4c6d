"""Values and small doubles that several tests need."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watcher.model.outcome import Fault, Outcome, Phases, Reason, check_id
from watcher.model.target import Target
from watcher.storage.errors import DatabaseRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

MOMENT = datetime(2026, 11, 23, 15, 20, 55, 857_000, tzinfo=UTC)


def a_target(name: str = "Checkout", **changes: Any) -> Target:
    """Make a target that has nothing special."""
    address = changes.pop("address", "http://127.0.0.1:1/")
    return replace(Target(name=name, address=address, shown_address=address), **changes)


def an_outcome(target: str = "Checkout", *, at: datetime = MOMENT, **changes: Any) -> Outcome:
    """Make the outcome of a check that succeeded."""
    outcome = Outcome(
        check_id=check_id(target, "default", at),
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

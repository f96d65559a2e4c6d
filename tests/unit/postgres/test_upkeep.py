"""The loop of the upkeep, on a mock clock and without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from watcher.postgres.errors import DatabaseRefusedError, DatabaseUnavailableError, StorageError
from watcher.postgres.tables.partitions import KEEP_FAILURES
from watcher.postgres.upkeep.upkeep import upkeep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from watcher.postgres.bridge import Connection

Result = TypeVar("Result")

NOW = datetime(2026, 11, 23, 15, 20, tzinfo=UTC)


class Failing:
    """A database that fails, and counts its queries."""

    def __init__(self, error: StorageError) -> None:
        self.error = error
        self.asked_at: list[float] = []

    async def operate(
        self, operation: Callable[[Connection], Awaitable[Result]], limit_seconds: float | None = None
    ) -> Result:
        """Fail."""
        self.asked_at.append(trio.current_time())
        raise self.error


@pytest.mark.parametrize(
    ("error", "events"),
    [
        (DatabaseUnavailableError("Connection refused"), []),
        (DatabaseRefusedError("no such value"), ["upkeep of the tables refused by the database"] * 3),
    ],
)
async def test_a_database_that_fails_is_asked_again_each_minute(
    error: StorageError, events: list[str], nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    database = Failing(error)
    up = trio.Event()

    async def run() -> None:
        await upkeep(database, KEEP_FAILURES, up=up, clock=lambda: NOW + timedelta(seconds=trio.current_time()))

    with capture_logs() as logs:
        nursery.start_soon(run)
        await trio.sleep(600)
        assert database.asked_at == []
        up.set()
        await trio.sleep(150)
    first, *others = database.asked_at
    assert [at - first for at in others] == pytest.approx([60, 120])
    assert [entry["event"] for entry in logs] == events

"""The tables as the drain sees them, with a database that only has prepared answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pipeline import a_registration, nothing_ended
from watcher.postgres.errors import DatabaseRefusedError, DatabaseUnavailableError
from watcher.postgres.store import TableStore

if TYPE_CHECKING:
    from watcher.postgres.errors import StorageError


class Answers:
    """A database that records its time limits, and fails on demand."""

    def __init__(self) -> None:
        self.error: StorageError | None = None
        self.limits: list[float] = []

    async def init_db(self) -> None:
        pass

    async def fetch(self, query: str, *_arguments: object) -> list[dict[str, object]]:
        return [{"server_encoding": "UTF8"}] if "encoding" in query else []

    async def operate(self, _operation: object, limit_seconds: float | None = None) -> None:
        if limit_seconds is not None:
            self.limits.append(limit_seconds)
        if self.error is not None:
            raise self.error


async def test_registering_targets_gets_little_time_and_more_if_needed() -> None:
    database = Answers()
    store = TableStore(database, a_registration())  # type: ignore[arg-type]  # the double
    database.error = DatabaseUnavailableError("the database does not answer in time")
    for _ in range(7):
        with pytest.raises(DatabaseUnavailableError):
            await store.open(nothing_ended)
    database.error = None
    await store.open(nothing_ended)
    database.error = DatabaseRefusedError("a name that no index takes")
    for _ in range(2):
        await store.open(nothing_ended)
    assert database.limits == [3, 6, 12, 24, 48, 60, 60, 60, 3, 3]

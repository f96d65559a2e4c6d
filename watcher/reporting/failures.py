"""Reads stored failures; their JSON form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.postgres.queries.states_and_flips import present_states
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.postgres.db import Database


async def read_failures(database: Database, target: str | None, **filters: Any) -> list[dict[str, Any]] | None:
    """Read failures, newest first.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        target: only failures of the target with this name; None for all.
        filters: the other filters of `Database.failures`.

    Returns:
        the rows; None if no target with this name was ever watched.
    """
    rows = await database.failures(target=target, **filters)
    if target is None or rows or await present_states(database, [target], with_unwatched=True):
        return rows
    return None


def failure_as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of a failure.

    Args:
        row: from `Database.failures` or `stream_history`.
    """
    times = {key: timestamp(row[key]) for key in ("scheduled_at", "started_at")}
    return {**row, "id": str(row["id"]), **times, "duration_ms": round(row["duration_ms"], 3)}

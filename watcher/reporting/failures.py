"""The JSON form of a stored failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping


def failure_as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of a failure.

    Args:
        row: from `Database.failures` or `stream_history`.
    """
    times = {key: timestamp(row[key]) for key in ("scheduled_at", "started_at")}
    return {**row, "id": str(row["id"]), **times, "duration_ms": round(row["duration_ms"], 3)}

"""The JSON form of a stored flip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping


def flip_as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of a flip.

    Args:
        row: from `stream_history`.
    """
    ids = {key: None if row[key] is None else str(row[key]) for key in ("id", "check_id")}
    return {**row, **ids, **{key: timestamp(row[key]) for key in ("at", "confirmed_at")}}

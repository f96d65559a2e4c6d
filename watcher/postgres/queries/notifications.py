"""Reads messages and their delivery results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.postgres.db import Database

_NOTIFICATIONS = """
SELECT id, channel, kind, created_at, next_try_at, sent_at, given_up_at, tries, error, answer, payload::text
FROM notifications
WHERE created_at >= $1
ORDER BY created_at DESC, id DESC
LIMIT $2
"""


async def read_notifications(database: Database, since: datetime, limit: int) -> list[dict[str, Any]]:
    """Read the rows of messages, newest first. This is a trio-flavoured function.

    Args:
        database: with its tables.
        since: only those created at this moment or later.
        limit: the most messages.

    Returns:
        the columns by their names, `payload` as values of JSON.
    """
    rows = await database.fetch(_NOTIFICATIONS, since, limit)
    return [{**row, "payload": json.loads(row["payload"])} for row in rows]

"""The table `failures`: how rows are written and read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from watcher.model.outcome import Phases

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# Failures as the outbox has them, `joined`. What is stored twice is there once.
INSERT_FAILURES = """
INSERT INTO failures (id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail,
                      status_code, phases_ms, excerpt, headers, notes)
SELECT id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail, status_code, phases_ms,
       excerpt, headers, notes
FROM jsonb_to_recordset($1::jsonb) AS row (
    id uuid, target text, address text, location text, scheduled_at timestamptz, started_at timestamptz,
    duration_ms double precision, reason text, detail text, status_code int, phases_ms jsonb, excerpt text,
    headers jsonb, notes text[]
)
ON CONFLICT DO NOTHING
"""

FAILURE_COLUMNS = """id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail, status_code,
       phases_ms::text, excerpt, headers::text, notes"""


def failures_query(
    *,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    target: str | None = None,
    reason: str | None = None,
    location: str | None = None,
) -> tuple[Any, ...]:
    """Return the query for failures, newest first, and its arguments.

    Of all targets the primary key has the order, of one target the index on (target, started_at).

    Args:
        limit: the most rows.
        since, until: only those whose slot is at `since` or later, and before `until`.
        target, reason, location: only those of which this is true.
    """
    order = "scheduled_at DESC, id DESC" if target is None else "started_at DESC"
    filters = {
        "scheduled_at >= ": since,
        "scheduled_at < ": until,
        "target = ": target,
        "reason = ": reason,
        "location = ": location,
    }
    wanted = {test: value for test, value in filters.items() if value is not None}
    tests = " AND ".join(f"{test}${number}" for number, test in enumerate(wanted, start=1))
    query = f"""
SELECT {FAILURE_COLUMNS}
FROM failures
WHERE {tests or "true"}
ORDER BY {order}
LIMIT ${len(wanted) + 1}
"""  # noqa: S608  # nothing of it comes from outside
    return query, *wanted.values(), limit


def decode_failure(row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a row into plain values; `phases_ms` is a dictionary in the order of the phases, `notes` a list."""
    phases = json.loads(row["phases_ms"])  # jsonb keeps no order
    headers = None if row["headers"] is None else json.loads(row["headers"])
    return {
        **row,
        "phases_ms": {name: phases.get(name) for name in Phases.__slots__},
        "headers": headers,
        "notes": row["notes"] or [],
    }

"""Writes and reads rows of the table `failures`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from watcher.model.outcome import Phases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

# Failures as in the outbox, `joined`. A failure stored twice has one row.
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
    targets: Sequence[str] | None = None,
    reason: str | None = None,
    location: str | None = None,
    before: tuple[datetime, UUID] | None = None,
) -> tuple[Any, ...]:
    """Return the query for failures, newest first, and its arguments.

    The primary key gives the order for all targets, the index on (target, started_at) that for one target.

    Args:
        limit: the most rows.
        since, until: only slots from `since` on and before `until`.
        target, reason, location: only failures that have these values.
        targets: only failures of one of these.
        before: only rows after this time and id in this order; the time is of the slot, or with a target of the start.
    """
    column = "scheduled_at" if target is None else "started_at"
    filters = {
        "scheduled_at >= {}": since,
        "scheduled_at < {}": until,
        "target = {}": target,
        "target = ANY({})": targets,
        "reason = {}": reason,
        "location = {}": location,
        f"({column}, id) < ({{}}, {{}})": before,
    }
    tests, arguments = list[str](), list[Any]()
    for test, value in filters.items():
        if value is not None:
            values = value if isinstance(value, tuple) else (value,)
            arguments += values
            numbers = range(len(arguments) - len(values) + 1, len(arguments) + 1)
            tests.append(test.format(*(f"${number}" for number in numbers)))
    query = f"""
SELECT {FAILURE_COLUMNS}
FROM failures
WHERE {" AND ".join(tests) or "true"}
ORDER BY {column} DESC, id DESC
LIMIT ${len(arguments) + 1}
"""  # noqa: S608  # no part of it comes from outside
    return query, *arguments, limit


def decode_failure(row: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a row to plain values; `phases_ms` is a dictionary in the order of the phases, `notes` a list."""
    phases = json.loads(row["phases_ms"])  # jsonb keeps no order
    headers = None if row["headers"] is None else json.loads(row["headers"])
    return {
        **row,
        "phases_ms": {name: phases.get(name) for name in Phases._fields},
        "headers": headers,
        "notes": row["notes"] or [],
    }

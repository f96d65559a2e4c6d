"""The table `failures`: how an outcome becomes a row, and how rows are written and read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from watcher.model.outcome import Phases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.model.outcome import Outcome

INSERT_FAILURES = """
INSERT INTO failures (id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail,
                      status_code, phases_ms)
SELECT id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail, status_code,
       phases_ms::jsonb
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
            $7::double precision[], $8::text[], $9::text[], $10::int[], $11::text[])
     AS rows (id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail, status_code,
              phases_ms)
ON CONFLICT (id) DO NOTHING
"""

SELECT_FAILURES = """
SELECT id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail, status_code,
       phases_ms::text, excerpt
FROM failures
WHERE ($1::timestamptz IS NULL OR started_at >= $1) AND ($2::text IS NULL OR target = $2)
ORDER BY started_at DESC, id DESC
LIMIT $3
"""


def failure_columns(outcomes: Sequence[Outcome]) -> list[list[object]]:
    """Turn failures into the arrays that INSERT_FAILURES takes, one a column."""
    return [list(column) for column in zip(*map(_row, outcomes), strict=True)]


def decode_failure(row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a row of SELECT_FAILURES into plain values; `phases_ms` becomes a dictionary, in the order of the phases."""
    phases = json.loads(row["phases_ms"])  # jsonb keeps no order
    return {**row, "phases_ms": {name: phases.get(name) for name in Phases.__slots__}}


def _row(outcome: Outcome) -> tuple[object, ...]:
    assert outcome.fault is not None
    return (
        outcome.check_id,
        outcome.target,
        outcome.address,
        outcome.location,
        outcome.scheduled_at,
        outcome.started_at,
        outcome.duration_seconds * 1000,
        str(outcome.fault.reason),
        outcome.fault.detail,
        outcome.status_code,
        json.dumps(outcome.phases.as_milliseconds()),
    )

"""The tables `flips` and `states`: how flips are written to both."""

from __future__ import annotations

# Flips as the outbox has them, `joined`. Of `states`, those that are watched have been put there by the registration.
INSERT_FLIPS = """
WITH rows AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS row (
        id uuid, target text, location text, at timestamptz, confirmed_at timestamptz, state text, before text,
        reason text, detail text, check_id uuid
    )
), inserted AS (
    INSERT INTO flips (id, target, location, at, confirmed_at, state, before, reason, detail, check_id)
    SELECT id, target, location, at, confirmed_at, state, before, reason, detail, check_id FROM rows
    ON CONFLICT DO NOTHING
)
INSERT INTO states (target, location, state, since, reason, detail, watched)
SELECT DISTINCT ON (target, location) target, location, state, at, reason, detail, false
FROM rows
ORDER BY target, location, at DESC
ON CONFLICT (target, location) DO UPDATE
SET state = excluded.state, since = excluded.since, reason = excluded.reason, detail = excluded.detail
WHERE states.since IS NULL OR states.since < excluded.since
"""

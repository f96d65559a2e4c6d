"""The tables `flips` and `states`: how flips are written to both."""

from __future__ import annotations

# Of `states`, those that are watched have been put there by the registration.
INSERT_FLIPS = """
WITH rows AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[],
                         $7::text[], $8::text[], $9::text[], $10::uuid[])
        AS rows (id, target, location, at, confirmed_at, state, before, reason, detail, check_id)
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

"""Writes flips to the tables `flips` and `states`, and corrects those of a clock that was ahead."""

from __future__ import annotations

# Flips as in the outbox, `joined`. The registration has put watched targets into `states`. The newest flip is the one
# with the highest number, whatever times a clock that was ahead gave the others; if another outbox counts from 1 again,
# or if flips have no numbers, it is the latest. A confirmation time from a clock that was ahead is corrected here.
INSERT_FLIPS = """
WITH rows AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS row (
        id uuid, target text, location text, at timestamptz, confirmed_at timestamptz, state text, before text,
        reason text, detail text, check_id uuid, number int
    )
), inserted AS (
    INSERT INTO flips (id, target, location, at, confirmed_at, state, before, reason, detail, check_id, number)
    SELECT id, target, location, at,
        CASE WHEN confirmed_at > now() + interval '1 minute' THEN greatest(at, now()) ELSE confirmed_at END,
        state, before, reason, detail, check_id, number
    FROM rows
    ON CONFLICT DO NOTHING
)
INSERT INTO states (target, location, state, since, reason, detail, flips, watched)
SELECT DISTINCT ON (target, location) target, location, state, at, reason, detail, number, false
FROM rows
ORDER BY target, location, number DESC NULLS LAST, at DESC
ON CONFLICT (target, location) DO UPDATE
SET state = excluded.state, since = excluded.since, reason = excluded.reason, detail = excluded.detail,
    flips = excluded.flips
WHERE states.since IS NULL OR states.since < excluded.since OR states.flips < excluded.flips
"""

# Of some flips, `joined`: whether any is in the future of the server's clock, and whether any comes so late that who
# reads the newest flips may not find it.
TIMES_OF_FLIPS = """
SELECT max(at) > now() + interval '1 minute' AS is_ahead,
    min(confirmed_at) < now() - interval '10 seconds' OR min(at) < now() - interval '50 minutes' AS is_late
FROM jsonb_to_recordset($1::jsonb) AS row (at timestamptz, confirmed_at timestamptz)
"""

# Flips in the future of the server's clock, from a clock that was ahead, happened before now: they are dated in their
# order, as late as possible, and after earlier flips, which may be dated some seconds ahead. A flip keeps its id, so
# that it is not stored again.
PUT_RIGHT = """
WITH ahead AS (
    SELECT id, target, location,
        row_number() OVER (PARTITION BY target, location ORDER BY at, confirmed_at) AS place,
        count(*) OVER (PARTITION BY target, location) AS places
    FROM flips
    WHERE at > now() + interval '1 minute'
), dated AS (
    SELECT id, target, location, greatest(now() - (places + 1) * interval '1 microsecond', (
        SELECT max(at) FROM flips
        WHERE target = ahead.target AND location = ahead.location AND at <= now() + interval '1 minute'
    )) + place * interval '1 microsecond' AS at
    FROM ahead
), moved AS (
    UPDATE flips SET at = dated.at, confirmed_at = greatest(dated.at, now())
    FROM dated
    WHERE flips.id = dated.id
    RETURNING flips.id
), states_moved AS (
    UPDATE states SET since = coalesce(
        (SELECT max(at) FROM dated WHERE target = states.target AND location = states.location),
        now() - interval '1 microsecond'
    )
    WHERE since > now() + interval '1 minute'
    RETURNING target
)
SELECT (SELECT count(*) FROM moved) AS flips, (SELECT count(*) FROM states_moved) AS states
"""

# Late flips: the chain of each target from the flip before the first of them on. Flips of one moment keep the order in
# which they are read elsewhere.
CHAINS = """
SELECT flips.target, flips.location, flips.id, flips.at, flips.state, flips.before
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS late (target, location, at)
    JOIN flips ON flips.target = late.target AND flips.location = late.location AND flips.at >= coalesce((
        SELECT max(past.at) FROM flips AS past
        WHERE past.target = late.target AND past.location = late.location AND past.at < late.at
    ), '-infinity')
ORDER BY flips.at, flips.confirmed_at
"""
INSERT_LATE = """
INSERT INTO flips (id, target, location, at, confirmed_at, state, before, reason, detail, check_id, number)
SELECT id, target, location, at, greatest(at, confirmed_at), state, before, reason, detail, check_id, number
FROM jsonb_to_recordset($1::jsonb) AS row (
    id uuid, target text, location text, at timestamptz, confirmed_at timestamptz, state text, before text,
    reason text, detail text, check_id uuid, number int
)
ON CONFLICT DO NOTHING
"""
LINK_ANEW = """
UPDATE flips SET before = links.before FROM unnest($1::uuid[], $2::text[]) AS links (id, before)
WHERE flips.id = links.id
"""
DROP_CLOSINGS = "DELETE FROM flips WHERE id = ANY ($1::uuid[])"

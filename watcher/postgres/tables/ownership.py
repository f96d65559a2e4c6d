"""SQL for the columns of `states` with the owner of a target and its standing for the next owner."""

from __future__ import annotations

# Every statement that changes these rows locks them first, in this order; otherwise replicas could deadlock.
_LOCKED = "ORDER BY target, location FOR NO KEY UPDATE OF states"
_LEASE_LASTS = """EXISTS (
    SELECT FROM members
    WHERE members.location = states.location AND replica = states.owner AND expires_at > clock_timestamp()
)"""

MAKE_STATES = """
INSERT INTO states (target, location) SELECT name, $1 FROM unnest($2::text[]) AS names (name)
WHERE NOT EXISTS (SELECT FROM states WHERE target = name AND location = $1)
ORDER BY name
ON CONFLICT DO NOTHING
"""
OWNERS = "SELECT target, owner FROM states WHERE location = $1 AND target = ANY ($2::text[]) AND owner IS NOT NULL"
# Locks only targets that can be claimed, or all with $4: the owners of the others go on writing in their rows.
LOCK_TARGETS = f"""
SELECT target FROM states
WHERE location = $1 AND target = ANY ($2::text[])
      AND ($4 OR owner IS NULL OR owner = $3 OR NOT watched OR NOT {_LEASE_LASTS})
{_LOCKED}
"""  # noqa: S608  # no part of it comes from outside

# Claims targets that have no owner, this owner, or one whose lease is over; with $5 all. A target that is not watched
# has no owner. Returns what was known, and how long ago the target was last checked. Of a target of $6 that never had
# an owner, all that is known comes from this replica.
CLAIM = """
UPDATE states
SET owner = $3, watched = true,
    owned_since = CASE WHEN former.owner = $3 THEN former.owned_since ELSE clock_timestamp() END,
    owned_from = CASE WHEN former.owner = $3 THEN former.owned_from ELSE $4 END,
    others_until = CASE
        WHEN former.owner = $3 THEN former.others_until
        -- No other replica has written about it: all pending entries of this outbox count.
        WHEN (former.standing IS NULL AND former.since IS NULL) OR looked.is_own THEN NULL
        ELSE looked.until
    END,
    formers = CASE
        WHEN former.owner = $3 THEN former.formers
        WHEN former.owner IS NOT NULL THEN
            coalesce(former.formers, '{}') || jsonb_build_object(former.owner, clock_timestamp())
        -- Before targets had owners, that outbox watched it.
        WHEN former.owned_since IS NULL AND former.since IS NOT NULL AND replicas.outbox IS NOT NULL
             AND NOT looked.is_own THEN
            jsonb_build_object(replicas.outbox, clock_timestamp())
        ELSE former.formers
    END
FROM states AS former
    LEFT JOIN members ON members.location = former.location AND members.replica = former.owner
    LEFT JOIN outboxes ON outboxes.outbox = former.owner
    LEFT JOIN replicas ON replicas.location = former.location AND replicas.outbox <> $3
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN former.owner IS NOT NULL THEN
                greatest(former.owned_since, coalesce(members.beat_at, outboxes.stored_at))
            ELSE coalesce(former.owned_since, replicas.alive_at)
        END AS until,
        former.owner IS NULL AND former.owned_since IS NULL AND former.target = ANY ($6::text[]) AS is_own
    ) AS looked
WHERE former.location = $1 AND former.target = ANY ($2::text[])
      AND states.target = former.target AND states.location = former.location
      AND (former.owner IS NULL OR former.owner = $3 OR NOT former.watched OR $5
           OR members.expires_at IS NULL OR members.expires_at <= clock_timestamp())
RETURNING states.target, former.standing, former.state, former.since, former.flips,
    greatest(former.checked_until, members.slots_until) AS checked_until,
    extract(epoch FROM CASE
        WHEN former.owner = $3 OR looked.is_own THEN NULL
        ELSE clock_timestamp() - looked.until
    END)::float AS unwatched_seconds
"""

COUNT_OWNED = "SELECT count(*) AS owned FROM states WHERE location = $1 AND owner = $2"
# Targets that this replica has by a valid agreement, but whose row names another owner, as after the database was
# restored from a backup. `others_until` is empty, since no other replica has written anything that counts.
TAKE_BACK = """
UPDATE states SET owner = $3, owned_since = clock_timestamp(), owned_from = 0, others_until = NULL
WHERE location = $1 AND target = ANY ($2::text[]) AND owner IS DISTINCT FROM $3
      AND EXISTS (SELECT FROM agreements WHERE agreements.location = $1 AND epoch = $4)
RETURNING target
"""
# The states of targets by their newest flips, for rows that were deleted from `states`; and until when the location
# was watched.
NEWEST_FLIPS = """
SELECT target, state, at AS since, number AS flips, NULL AS standing,
    (SELECT alive_at FROM replicas WHERE location = $1) AS alive_at
FROM unnest($2::text[]) AS wanted (name) CROSS JOIN LATERAL (
    SELECT target, state, at, number FROM flips
    WHERE target = name AND location = $1
    ORDER BY at DESC, confirmed_at DESC LIMIT 1
) AS newest
"""

# The owners of the targets of some entries; see `watcher.postgres.owned_entries`.
LOCK_OWNED = f"""
SELECT target, location, owner, owned_from, {_LEASE_LASTS} AS lease_lasts,
    (formers ->> $2::text)::timestamptz AS former_until, others_until, clock_timestamp() AS now
FROM states
WHERE (target, location) IN (
    SELECT target, location FROM jsonb_to_recordset($1::jsonb) AS row (target text, location text)
    WHERE target IS NOT NULL
    UNION ALL
    SELECT jsonb_array_elements_text(targets), location
    FROM jsonb_to_recordset($1::jsonb) AS row (targets jsonb, location text)
    WHERE jsonb_typeof(targets) = 'array'
)
{_LOCKED}
"""  # noqa: S608  # no part of it comes from outside

# Entries, `joined`, and the number of each; the last entry of each target counts.
_ROWS = """
    unnest($2::bigint[]) WITH ORDINALITY AS entries (entry, place)
    JOIN jsonb_array_elements($1::jsonb) WITH ORDINALITY AS payloads (payload, place) USING (place)
"""
UPDATE_STANDINGS = f"""
UPDATE states SET standing = row.standing, checked_until = greatest(states.checked_until, row.checked_until)
FROM (
    SELECT DISTINCT ON (target, location) target, location, entry, standing,
        max(checked_until) OVER (PARTITION BY target, location) AS checked_until
    FROM {_ROWS}, jsonb_to_record(payload) AS row (
        target text, location text, standing text, checked_until timestamptz
    )
    ORDER BY target, location, entry DESC
) AS row
WHERE states.target = row.target AND states.location = row.location
      AND owner = $3
      AND (coalesce(owned_from, 0) < entry OR others_until IS NULL OR row.checked_until > others_until)
"""  # noqa: S608  # no part of it comes from outside
# One statement for each entry: without statistics of the table, the server would compare each target of several joined
# entries with each row. `released_at` and $4, the present time, are by the replica's clock.
RELEASE_TARGETS = """
UPDATE states
SET owner = NULL, checked_until = greatest(checked_until, ($1::jsonb ->> 'checked_until')::timestamptz),
    owned_since = clock_timestamp() - greatest($4 - ($1::jsonb ->> 'released_at')::timestamptz, interval '0')
WHERE location = $1::jsonb ->> 'location'
      AND target = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb -> 'targets')))
      AND owner = $3 AND coalesce(owned_from, 0) < $2
"""

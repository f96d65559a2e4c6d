"""Writes silences and acks to their tables, and notifies the daemons."""

from __future__ import annotations

# The channel on which daemons are notified of new silences and acks; they then read the tables.
NEWS = "watcher_orders"
TELL_NEWS = f"SELECT pg_notify('{NEWS}', '')"

# Silences as in the outbox, `joined`. The one that ends a silence wins, in whatever order they come.
INSERT_SILENCES = f"""
WITH written AS (
INSERT INTO silences (id, starts_at, ends_at, why, said_by, targets, group_name)
SELECT DISTINCT ON (id) id, starts_at, ends_at, why, said_by,
    CASE WHEN jsonb_typeof(targets) = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(targets)) END, group_name
FROM jsonb_to_recordset($1::jsonb) AS row (
    id uuid, starts_at timestamptz, ends_at timestamptz, why text, said_by text, targets jsonb, group_name text
)
ORDER BY id, ends_at
ON CONFLICT (id) DO UPDATE SET
    ends_at = least(silences.ends_at, excluded.ends_at),
    -- A target of it may have been renamed meanwhile: the silence applies to both names.
    targets = (SELECT array_agg(DISTINCT name) FROM unnest(silences.targets || excluded.targets) AS name)
RETURNING id
)
{TELL_NEWS} FROM written LIMIT 1
"""  # noqa: S608  # no part of it comes from outside

INSERT_ACKS = f"""
WITH written AS (
INSERT INTO acks (id, target, at, why, said_by)
SELECT id, target, at, why, said_by
FROM jsonb_to_recordset($1::jsonb) AS row (id uuid, target text, at timestamptz, why text, said_by text)
ON CONFLICT DO NOTHING
RETURNING id
)
{TELL_NEWS} FROM written LIMIT 1
"""  # noqa: S608  # no part of it comes from outside

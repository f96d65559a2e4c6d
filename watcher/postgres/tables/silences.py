"""The tables `silences` and `acks`: how what operators have said is written there."""

from __future__ import annotations

# Silences as the outbox has them, `joined`: whoever has ended one has the last word, in whatever order they come.
INSERT_SILENCES = """
INSERT INTO silences (id, starts_at, ends_at, why, said_by, targets, group_name)
SELECT DISTINCT ON (id) id, starts_at, ends_at, why, said_by,
    CASE WHEN jsonb_typeof(targets) = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(targets)) END, group_name
FROM jsonb_to_recordset($1::jsonb) AS row (
    id uuid, starts_at timestamptz, ends_at timestamptz, why text, said_by text, targets jsonb, group_name text
)
ORDER BY id, ends_at
ON CONFLICT (id) DO UPDATE SET
    ends_at = least(silences.ends_at, excluded.ends_at),
    -- A target of it may have got another name meanwhile: it holds for both.
    targets = (SELECT array_agg(DISTINCT name) FROM unnest(silences.targets || excluded.targets) AS name)
"""

INSERT_ACKS = """
INSERT INTO acks (id, target, at, why, said_by)
SELECT id, target, at, why, said_by
FROM jsonb_to_recordset($1::jsonb) AS row (id uuid, target text, at timestamptz, why text, said_by text)
ON CONFLICT DO NOTHING
"""

-- Renamed targets: rows that come late under the old name, from an outbox, follow the rename.
CREATE TABLE IF NOT EXISTS renames (
    old        text PRIMARY KEY,
    new        text NOT NULL,
    renamed_at timestamptz NOT NULL DEFAULT now()
);

-- The daemon that wrote `alive_at` last: two daemons of one location detect each other by it.
ALTER TABLE replicas ADD COLUMN IF NOT EXISTS marked_by text;

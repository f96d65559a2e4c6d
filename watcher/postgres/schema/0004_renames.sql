-- What has another name: what comes late under the old one, out of an outbox, follows it.
CREATE TABLE IF NOT EXISTS renames (
    old        text PRIMARY KEY,
    new        text NOT NULL,
    renamed_at timestamptz NOT NULL DEFAULT now()
);

-- Which daemon wrote `alive_at` last: two of one location find out about each other by it.
ALTER TABLE replicas ADD COLUMN IF NOT EXISTS marked_by text;

"""Writes and reads messages and their delivery results in the table `notifications`."""

from __future__ import annotations

# Rows as in the outbox, `joined`: first a message, then the result of each try. In whatever order and however often
# they come, the final result wins: sent, given up, or that of the newest try.
INSERT_NOTIFICATIONS = """
WITH rows AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS row (
        id uuid, channel text, kind text, created_at timestamptz, next_try_at timestamptz, sent_at timestamptz,
        given_up_at timestamptz, tries int, error text, answer text, payload jsonb
    )
), said AS (
    SELECT DISTINCT ON (id) id, payload FROM rows WHERE payload IS NOT NULL
), newest AS (
    SELECT DISTINCT ON (id) * FROM rows
    ORDER BY id, (sent_at IS NOT NULL OR given_up_at IS NOT NULL) DESC, tries DESC
)
INSERT INTO notifications AS known (id, channel, kind, created_at, next_try_at, sent_at, given_up_at, tries, error,
                                    answer, payload)
SELECT id, channel, kind, created_at, next_try_at, sent_at, given_up_at, tries, error, answer,
       coalesce(said.payload, '{}')
FROM newest LEFT JOIN said USING (id)
ON CONFLICT (id) DO UPDATE
SET next_try_at = excluded.next_try_at, sent_at = excluded.sent_at, given_up_at = excluded.given_up_at,
    tries = excluded.tries, error = coalesce(excluded.error, known.error), answer = excluded.answer,
    payload = CASE WHEN excluded.payload = '{}' THEN known.payload ELSE excluded.payload END
WHERE known.sent_at IS NULL AND known.given_up_at IS NULL
      AND (excluded.sent_at IS NOT NULL OR excluded.given_up_at IS NOT NULL OR excluded.tries > known.tries)
"""

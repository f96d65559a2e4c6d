"""The table `outboxes`: the last stored entry of each outbox, which shows whether the database has gone back."""

from __future__ import annotations

STORED_UNTIL = "SELECT stored_until FROM outboxes WHERE outbox = $1"

COUNT_LATE = "UPDATE outboxes SET late = late + 1 WHERE outbox = $1"
# Returns the former value, NULL if there was none.
NOTE_STORED = f"""
WITH past AS ({STORED_UNTIL})
INSERT INTO outboxes (outbox, stored_until) VALUES ($1, $2)
ON CONFLICT (outbox) DO UPDATE SET stored_until = excluded.stored_until, stored_at = now()
RETURNING (SELECT stored_until FROM past)
"""  # noqa: S608  # no part of it comes from outside

"""The table `outboxes`: until which entry each outbox has been stored, by which a database that went back shows it."""

from __future__ import annotations

STORED_UNTIL = "SELECT stored_until FROM outboxes WHERE outbox = $1"

# Returns what was noted before; NULL where nothing was.
NOTE_STORED = f"""
WITH past AS ({STORED_UNTIL})
INSERT INTO outboxes (outbox, stored_until) VALUES ($1, $2)
ON CONFLICT (outbox) DO UPDATE SET stored_until = excluded.stored_until, stored_at = now()
RETURNING (SELECT stored_until FROM past)
"""  # noqa: S608  # nothing of it comes from outside

"""Writes alert events, and the steps of channels, to the tables that replicas share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.postgres.bridge import Connection

# $1: events as the outbox has them, `joined`. $2: the number of each entry; events get their numbers in this order.
# An event about a target that was taken over since is dropped: the new owner reports the target's present state.
# During a rollout it is kept: a new owner with another file may not have a channel, and both go on checking the target.
# Channels that all places share have the location `*`, so the location of the target comes as `target_location`.
INSERT_ALERT_EVENTS = """
INSERT INTO alert_events (location, origin, origin_number, channel, taken_until, payload)
SELECT location, origin, origin_number, channel, taken_until, row.payload
FROM unnest($2::bigint[]) WITH ORDINALITY AS entries (entry, place)
    JOIN jsonb_array_elements($1::jsonb) WITH ORDINALITY AS payloads (event, place) USING (place),
    jsonb_to_record(event) AS row (
        location text, origin uuid, origin_number bigint, channel text, taken_until bigint, target text,
        target_location text, payload text
    )
WHERE NOT EXISTS (
    SELECT FROM states
    WHERE (states.target, states.location) = (row.target, coalesce(row.target_location, row.location))
          AND (owner <> origin OR owner = origin AND coalesce(owned_from, 0) >= entry)
          AND NOT EXISTS (
              SELECT FROM members AS theirs JOIN members AS own USING (location)
              WHERE (theirs.location, theirs.replica, own.replica) = (states.location, owner, origin)
                    AND theirs.fingerprint <> own.fingerprint AND '' NOT IN (theirs.fingerprint, own.fingerprint)
          )
)
ORDER BY place
ON CONFLICT DO NOTHING
"""
# Settled messages, sent or given up, need not be sent by the channel's next owner.
DROP_SETTLED_MESSAGES = """
DELETE FROM channel_messages USING jsonb_to_recordset($1::jsonb) AS row (
    id uuid, sent_at timestamptz, given_up_at timestamptz
)
WHERE channel_messages.id = row.id AND (row.sent_at IS NOT NULL OR row.given_up_at IS NOT NULL)
"""
_STEP_FORWARD = """
UPDATE channel_owners AS known
SET positions = CASE
        -- From now on the owner dispatches its events itself, until it hands the channel over.
        WHEN step.ending = 'taken_home' THEN known.positions - step.owner::text
        ELSE known.positions || step.positions
    END,
    owner = CASE WHEN step.ending IS NULL THEN known.owner END
FROM jsonb_to_record($1::jsonb) AS step (
    location text, channel text, owner uuid, epoch bigint, positions jsonb, ending text
)
WHERE (known.location, known.channel, known.owner, known.epoch)
      = (step.location, step.channel, step.owner, step.epoch)
RETURNING known.location, known.channel
"""
_DROP_RECORDS = """
DELETE FROM channel_records
WHERE (location, channel) = ($1, $2) AND key IN (SELECT key FROM jsonb_each($3::jsonb) WHERE value = 'null')
"""
_SET_RECORDS = """
INSERT INTO channel_records (location, channel, key, payload)
SELECT $1, $2, key, value FROM jsonb_each_text($3::jsonb) WHERE value IS NOT NULL
ON CONFLICT (location, channel, key) DO UPDATE SET payload = excluded.payload
"""
_ADD_MESSAGES = """
INSERT INTO channel_messages (location, channel, id, number, payload)
SELECT $1, $2, id, number, payload
FROM jsonb_to_recordset($3::jsonb) AS message (id uuid, number bigint, payload text)
WHERE NOT EXISTS (
    SELECT FROM notifications
    WHERE notifications.id = message.id AND (sent_at IS NOT NULL OR given_up_at IS NOT NULL)
)
ON CONFLICT DO NOTHING
"""
_FORGET_RECORDS = "DELETE FROM channel_records WHERE (location, channel) = ($1, $2)"
_FORGET_MESSAGES = "DELETE FROM channel_messages WHERE (location, channel) = ($1, $2)"
# The owner of a channel taken home dispatches its own events. An earlier handover would leave them to others.
_FORGET_HANDOVERS = """
DELETE FROM alert_events
WHERE (location, channel) = ($1, $2) AND origin_number <= ($3::jsonb ->> origin::text)::bigint
"""
_FORGET_CHANNEL = "DELETE FROM channel_owners WHERE (location, channel) = ($1, $2)"
# Characters beyond ASCII stay as they are: a database that is not in UTF-8 cannot convert an escape to a character.
_to_json = json.JSONEncoder(ensure_ascii=False).encode


async def apply_step(connection: Connection, payload: str) -> bool:
    """Apply a step of a channel as a whole, unless another replica has claimed the channel since.

    This is an asyncio-flavoured function.

    Args:
        connection: in a transaction.
        payload: the step, as in the outbox. Its `ending` is `released` for the next owner, `taken_home` by a replica
            that is alone or shares it at another location, or `removed` from the configuration.

    Returns:
        whether it was applied.
    """
    place = await connection.fetchrow(_STEP_FORWARD, payload)
    if place is None:
        return False
    step = json.loads(payload)
    if step["ending"] in {"taken_home", "removed"}:
        await connection.execute(_FORGET_RECORDS, *place)
        await connection.execute(_FORGET_MESSAGES, *place)
        await connection.execute(_FORGET_HANDOVERS, *place, _to_json(step["positions"]))
        if step["ending"] == "removed":
            await connection.execute(_FORGET_CHANNEL, *place)
        return True
    if step["records"]:
        records = _to_json(step["records"])
        await connection.execute(_DROP_RECORDS, *place, records)
        await connection.execute(_SET_RECORDS, *place, records)
    if step["messages"]:
        await connection.execute(_ADD_MESSAGES, *place, _to_json(step["messages"]))
    return True

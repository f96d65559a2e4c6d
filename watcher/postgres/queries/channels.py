"""Channels as replicas share them: whose each is, what has happened, what is known of it; trio-flavoured."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.alerting.policy.incidents import follow
from watcher.model.resumption import RENAMED
from watcher.model.state import state_named
from watcher.postgres.queries.states_and_flips import flip_of_row

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from watcher.alerting.policy.event import Incident
    from watcher.model.state import State
    from watcher.postgres.db import Database

# A channel is free where its owner has released it or is no longer alive, or where the claim is by force. A claim by an
# agreement that is older than that of the last claim fails.
_CLAIM = """
INSERT INTO channel_owners AS known (location, channel, owner, epoch) VALUES ($1, $2, $3, $4)
ON CONFLICT (location, channel) DO UPDATE SET owner = $3, epoch = $4
WHERE known.epoch <= $4 AND (
    known.owner IS NULL OR known.owner = $3
    OR known.epoch < $4 AND ($5 OR NOT EXISTS (
        SELECT FROM members
        WHERE location = $1 AND replica = known.owner AND expires_at > clock_timestamp()
    ))
)
RETURNING positions
"""
_RECORDS = "SELECT key, payload FROM channel_records WHERE location = $1 AND channel = $2"
# With how often each was tried, as far as that is known here.
_MESSAGES = """
SELECT waiting.payload, known.tries, extract(epoch FROM known.next_try_at)::float8 AS next_try_at
FROM channel_messages AS waiting LEFT JOIN notifications AS known USING (id)
WHERE location = $1 AND waiting.channel = $2 AND sent_at IS NULL AND given_up_at IS NULL
ORDER BY number
"""
# An origin is known by what was taken in of it, or else by what it has handed over last: what it had told until then.
_EVENTS = """
WITH taken AS (
    SELECT key::uuid AS origin, value::bigint AS position FROM jsonb_each_text($3::jsonb)
), handed_over AS (
    SELECT DISTINCT ON (origin) origin, taken_until AS position
    FROM alert_events WHERE location = $1 AND channel = $2
    ORDER BY origin, number DESC
), positions AS (
    SELECT origin, coalesce(taken.position, handed_over.position) AS position
    FROM taken FULL JOIN handed_over USING (origin)
)
SELECT origin, origin_number, channel IS NOT NULL AS is_handover, payload
FROM alert_events JOIN positions USING (origin)
WHERE location = $1 AND (channel IS NULL OR channel = $2) AND origin_number > position
ORDER BY number LIMIT $4
"""
_LOOK = """
SELECT channel, owner, epoch, (positions ->> $2::text)::bigint AS taken,
    (SELECT max(number) FROM alert_events WHERE location = $1) AS newest
FROM channel_owners WHERE location = $1
"""
_SETTLED = """
SELECT id FROM notifications
WHERE id = ANY ($1::text[]::uuid[]) AND (sent_at IS NOT NULL OR given_up_at IS NOT NULL)
"""
# What all channels have taken in is kept for as long as anybody may look back.
_FORGET = """
DELETE FROM alert_events AS event
WHERE location = $1 AND written_at < clock_timestamp() - interval '1 hour' AND NOT EXISTS (
    SELECT FROM channel_owners AS known
    WHERE known.location = $1 AND coalesce((positions ->> event.origin::text)::bigint, 0) < event.origin_number
          AND (event.channel IS NULL OR event.channel = known.channel)
)
"""

# Of the targets that others watch: those of which something else is to be known than that they are up.
_OTHERS = """
SELECT target, state, coalesce(position('[["' IN standing) > 0, false) AS is_in_doubt,
    greatest(checked_until, members.slots_until) AS checked_until
FROM states LEFT JOIN members ON members.location = states.location AND members.replica = states.owner
WHERE states.location = $1 AND watched AND owner IS DISTINCT FROM $2
      AND (state <> 'up' OR position('[["' IN standing) > 0)
"""
_CHECKED_UNTIL = """
SELECT min(slots_until) AS checked_until FROM members
WHERE location = $1 AND replica <> $2 AND expires_at > clock_timestamp()
"""
# Where channels are told of all places, what these say together stands for what each of them says of a target.
_OPEN = """
SELECT location, target FROM states
WHERE watched AND state NOT IN ('up', 'paused', 'pending') AND (location = $1 OR $1 = '*' AND NOT EXISTS (
    SELECT FROM states AS combined
    WHERE combined.target = states.target AND combined.location = '*' AND combined.watched
))
ORDER BY location, target
"""
# The flips of some targets since each was up or paused last.
_FLIPS_OF_INCIDENTS = """
SELECT flip.*
FROM unnest($1::text[], $2::text[]) AS wanted (location, target) CROSS JOIN LATERAL (
    SELECT id, target, location, at, confirmed_at, state, before, reason, detail, check_id, number
    FROM flips
    WHERE target = wanted.target AND location = wanted.location AND at > coalesce((
        SELECT max(at) FROM flips
        WHERE target = wanted.target AND location = wanted.location
              AND (state = 'up' OR state = 'paused' AND detail IS DISTINCT FROM $3)
    ), '-infinity')
) AS flip
ORDER BY at, confirmed_at
"""


class SharedEvent(NamedTuple):
    """Something that has happened, or that a replica has handed over: whose, its number there, and the text of it."""

    origin: str
    number: int
    is_handover: bool
    payload: str


class ChannelLook(NamedTuple):
    """Whose a channel is, and until which number it has taken in the events of the replica that looks."""

    owner: uuid.UUID | None
    epoch: int
    taken: int | None


class OtherNow(NamedTuple):
    """Where a target stands that another replica watches.

    Attributes:
        state: the confirmed one.
        checked_at: until when it is known to have been checked; None where nobody knows.
        is_in_doubt: whether its newest checks contradict that.
    """

    state: State
    checked_at: datetime | None
    is_in_doubt: bool


class ChannelLedger:
    """The tables of a location's channels, for one replica. Its methods raise StorageError."""

    def __init__(self, database: Database, location: str, me: uuid.UUID) -> None:
        """Take a database.

        Args:
            database: with its tables.
            location: where the replica stands.
            me: the id of its outbox.
        """
        self._database = database
        self._location = location
        self._me = me

    async def claim(self, channel: str, epoch: int, *, force: bool = False) -> dict[str, int] | None:
        """Claim a channel.

        Args:
            channel: its name.
            epoch: of the agreement by which it is this replica's.
            force: whether it is taken from an owner that lives and does not release it.

        Returns:
            until which number of each origin it has taken in what happened; None where it is not free.
        """
        rows = await self._database.fetch(_CLAIM, self._location, channel, self._me, epoch, force)
        return {str(key): int(value) for key, value in json.loads(rows[0]["positions"]).items()} if rows else None

    async def load(self, channel: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
        """Return what is known of a channel that was claimed: its records, and the messages that wait, oldest first."""
        records = await self._database.fetch(_RECORDS, self._location, channel)
        rows = await self._database.fetch(_MESSAGES, self._location, channel)
        messages = []
        for row in rows:
            message = json.loads(row["payload"])
            if row["tries"]:
                message |= {"tries": row["tries"], "next_try_at": row["next_try_at"] or 0.0}
            messages.append(message)
        return {row["key"]: row["payload"] for row in records}, messages

    async def events(self, channel: str, positions: Mapping[str, int], limit: int) -> list[SharedEvent]:
        """Return the oldest that a channel has not taken in, in the order in which it was stored.

        Args:
            channel: its name.
            positions: until which number of each origin it has.
            limit: the most of them.
        """
        arguments = (self._location, channel, json.dumps(dict(positions)), limit)
        rows = await self._database.fetch(_EVENTS, *arguments)
        return [
            SharedEvent(str(row["origin"]), row["origin_number"], row["is_handover"], row["payload"]) for row in rows
        ]

    async def settled(self, messages: list[str]) -> set[str]:
        """Return the ids of those messages that were sent or given up, of some."""
        return {str(row["id"]) for row in await self._database.fetch(_SETTLED, messages)} if messages else set()

    async def look(self) -> tuple[dict[str, ChannelLook], int]:
        """Return how the channels stand, by name, and the number of the newest event."""
        rows = await self._database.fetch(_LOOK, self._location, str(self._me))
        found = {row["channel"]: ChannelLook(row["owner"], row["epoch"], row["taken"]) for row in rows}
        return found, max((row["newest"] or 0 for row in rows), default=0)

    async def others(self) -> tuple[dict[str, OtherNow], datetime | None]:
        """Return where targets of other replicas stand, by name, but for those that are up and not in doubt.

        Returns:
            those; and until when the rest are known to have been checked, None where nobody knows.
        """
        rows = await self._database.fetch(_OTHERS, self._location, self._me)
        (row,) = await self._database.fetch(_CHECKED_UNTIL, self._location, self._me)
        found = {
            row["target"]: OtherNow(state_named(row["state"]), row["checked_until"], row["is_in_doubt"]) for row in rows
        }
        return found, row["checked_until"]

    async def open_places(self) -> list[tuple[str, str]]:
        """Return the location and name of each target of which an incident may be open, in order."""
        return [(row["location"], row["target"]) for row in await self._database.fetch(_OPEN, self._location)]

    async def incidents(self, targets: Sequence[str]) -> list[Incident]:
        """Return the incidents of targets that are open at the location, as their flips say.

        Args:
            targets: their names.
        """
        return await self.incidents_at([(self._location, target) for target in targets])

    async def incidents_at(self, places: Sequence[tuple[str, str]]) -> list[Incident]:
        """Return the incidents of targets that are open, as their flips say.

        Args:
            places: location and name of each.
        """
        found: dict[tuple[str, str], Incident | None] = {}
        locations, targets = [place[0] for place in places], [place[1] for place in places]
        for row in await self._database.fetch(_FLIPS_OF_INCIDENTS, locations, targets, RENAMED.detail):
            place = row["location"], row["target"]
            before = found.get(place)
            after, _ = follow(before, flip_of_row(row))
            # Of a clock that was ahead, a flip was dated anew, and has the id that it had.
            found[place] = replace(after, id=row["id"]) if before is None and after is not None else after
        return [incident for incident in found.values() if incident is not None]

    async def forget(self) -> None:
        """Delete events that nobody needs any more."""
        await self._database.fetch(_FORGET, self._location)

"""Queries on the channels that replicas share: their owners, events, records and messages; trio-flavoured."""

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

# A channel is free if its owner has released it or is no longer alive, or if the claim is by force. A claim by an
# agreement older than that of the last claim fails.
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
# A replica that will share its channels elsewhere takes home those that no other living replica dispatches.
_BRING_HOME = """
UPDATE channel_owners AS known SET owner = $3
WHERE location = $1 AND channel = $2 AND (owner IS NULL OR owner = $3 OR NOT EXISTS (
    SELECT FROM members WHERE location = $1 AND replica = known.owner AND expires_at > clock_timestamp()
))
RETURNING epoch, positions
"""
_IS_THERE = "SELECT EXISTS (SELECT FROM channel_owners WHERE (location, channel) = ($1, $2)) AS is_there"
_RECORDS = "SELECT key, payload FROM channel_records WHERE location = $1 AND channel = $2"
# With the number of tries of each, as far as known here.
_MESSAGES = """
SELECT waiting.payload, known.tries, extract(epoch FROM known.next_try_at)::float8 AS next_try_at
FROM channel_messages AS waiting LEFT JOIN notifications AS known USING (id)
WHERE location = $1 AND waiting.channel = $2 AND sent_at IS NULL AND given_up_at IS NULL
ORDER BY number
"""
# An origin's events count from the last one taken in, or else from its last handover: it told earlier events itself.
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
# An event that all channels have taken in is kept for as long as a replica may look back.
_FORGET = """
DELETE FROM alert_events AS event
WHERE location = $1 AND written_at < clock_timestamp() - interval '1 hour' AND NOT EXISTS (
    SELECT FROM channel_owners AS known
    WHERE known.location = $1 AND coalesce((positions ->> event.origin::text)::bigint, 0) < event.origin_number
          AND (event.channel IS NULL OR event.channel = known.channel)
)
"""

# The targets that other replicas watch, except those that are up and not in doubt.
_OTHERS = """
SELECT target, state, coalesce(position('[["' IN standing) > 0, false) AS is_in_doubt,
    greatest(checked_until, members.slots_until) AS checked_until
FROM states LEFT JOIN members ON members.location = states.location AND members.replica = states.owner
WHERE states.location = $1 AND watched AND owner IS DISTINCT FROM $2
      AND (state <> 'up' OR position('[["' IN standing) > 0)
"""
_AT_OTHER_PLACES = """
SELECT target, location, state FROM states WHERE watched AND location NOT IN ($1, '*') AND state <> 'up'
"""
_CHECKED_UNTIL = """
SELECT min(slots_until) AS checked_until FROM members
WHERE location = $1 AND replica <> $2 AND expires_at > clock_timestamp()
"""
# For channels that all places share, the combined state of a target replaces the states of its places.
_OPEN = """
SELECT location, target FROM states
WHERE watched AND state NOT IN ('up', 'paused', 'pending') AND (location = $1 OR $1 = '*' AND NOT EXISTS (
    SELECT FROM states AS combined
    WHERE combined.target = states.target AND combined.location = '*' AND combined.watched
))
ORDER BY location, target
"""
# The flips of some targets since each was last up or paused.
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
    """An event, or a handover of a replica: its origin, its number there, and its text."""

    origin: str
    number: int
    is_handover: bool
    payload: str


class ChannelLook(NamedTuple):
    """The owner of a channel, and the number up to which it has taken in the events of the replica that looks."""

    owner: uuid.UUID | None
    epoch: int
    taken: int | None


class OtherNow(NamedTuple):
    """The state of a target that another replica watches.

    Attributes:
        state: the confirmed one.
        checked_at: until when it is known to have been checked; None if unknown.
        is_in_doubt: whether its newest checks contradict that.
    """

    state: State
    checked_at: datetime | None
    is_in_doubt: bool


class ChannelLedger:
    """The channels of a location in the database, for one replica. Its methods raise StorageError."""

    def __init__(self, database: Database, location: str, me: uuid.UUID) -> None:
        """Create the ledger of a location.

        Args:
            database: with its tables.
            location: of the replica.
            me: the id of its outbox.
        """
        self._database = database
        self._location = location
        self._me = me

    async def claim(self, channel: str, epoch: int, *, force: bool = False) -> dict[str, int] | None:
        """Claim a channel.

        Args:
            channel: its name.
            epoch: of the agreement that gives it to this replica.
            force: whether to take it from an owner that lives and does not release it.

            Returns:
                the number up to which it has taken in the events of each origin; None if it is not free.
        """
        rows = await self._database.fetch(_CLAIM, self._location, channel, self._me, epoch, force)
        return {str(key): int(value) for key, value in json.loads(rows[0]["positions"]).items()} if rows else None

    def at(self, location: str) -> ChannelLedger:
        """Return the tables of another location's channels, for the same replica."""
        return ChannelLedger(self._database, location, self._me)

    async def bring_home(self, channel: str) -> tuple[int, dict[str, int]] | None:
        """Claim a channel for this replica alone, to share it elsewhere from then on.

        Args:
            channel: its name.

        Returns:
            the epoch of the claim, and the number up to which it has taken in the events of each origin; the epoch is
            -1 if it was never shared here. None if another living replica has it.
        """
        rows = await self._database.fetch(_BRING_HOME, self._location, channel, self._me)
        if rows:
            positions = json.loads(rows[0]["positions"])
            return rows[0]["epoch"], {str(key): int(value) for key, value in positions.items()}
        (row,) = await self._database.fetch(_IS_THERE, self._location, channel)
        return None if row["is_there"] else (-1, {})

    async def load(self, channel: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
        """Return the records of a claimed channel, and its waiting messages, oldest first."""
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
        """Return the oldest events that a channel has not taken in, in the order in which they were stored.

        Args:
            channel: its name.
            positions: the number up to which it has taken in the events of each origin.
            limit: the most events.
        """
        arguments = (self._location, channel, json.dumps(dict(positions)), limit)
        rows = await self._database.fetch(_EVENTS, *arguments)
        return [
            SharedEvent(str(row["origin"]), row["origin_number"], row["is_handover"], row["payload"]) for row in rows
        ]

    async def settled(self, messages: list[str]) -> set[str]:
        """Return which of some messages were sent or given up, by id."""
        return {str(row["id"]) for row in await self._database.fetch(_SETTLED, messages)} if messages else set()

    async def look(self) -> tuple[dict[str, ChannelLook], int]:
        """Return a look at each channel, by name, and the number of the newest event."""
        rows = await self._database.fetch(_LOOK, self._location, str(self._me))
        found = {row["channel"]: ChannelLook(row["owner"], row["epoch"], row["taken"]) for row in rows}
        return found, max((row["newest"] or 0 for row in rows), default=0)

    async def others(self) -> tuple[dict[str, OtherNow], datetime | None]:
        """Return the states of other replicas' targets, by name, except those that are up and not in doubt.

        Returns:
            the states; and until when the other targets are known to have been checked, None if unknown.
        """
        rows = await self._database.fetch(_OTHERS, self._location, self._me)
        (row,) = await self._database.fetch(_CHECKED_UNTIL, self._location, self._me)
        found = {
            row["target"]: OtherNow(state_named(row["state"]), row["checked_until"], row["is_in_doubt"]) for row in rows
        }
        return found, row["checked_until"]

    async def at_other_places(self) -> dict[tuple[str, str], State]:
        """Return the states of targets at other locations that are not up, by location and target."""
        rows = await self._database.fetch(_AT_OTHER_PLACES, self._location)
        return {(row["location"], row["target"]): state_named(row["state"]) for row in rows}

    async def open_places(self) -> list[tuple[str, str]]:
        """Return the location and name of each target that may have an open incident, in order."""
        return [(row["location"], row["target"]) for row in await self._database.fetch(_OPEN, self._location)]

    async def incidents(self, targets: Sequence[str]) -> list[Incident]:
        """Return the open incidents of targets at the location, from their flips.

        Args:
            targets: their names.
        """
        return await self.incidents_at([(self._location, target) for target in targets])

    async def incidents_at(self, places: Sequence[tuple[str, str]]) -> list[Incident]:
        """Return the open incidents of targets, from their flips.

        Args:
            places: the location and name of each.
        """
        found: dict[tuple[str, str], Incident | None] = {}
        locations, targets = [place[0] for place in places], [place[1] for place in places]
        for row in await self._database.fetch(_FLIPS_OF_INCIDENTS, locations, targets, RENAMED.detail):
            place = row["location"], row["target"]
            before = found.get(place)
            after, _ = follow(before, flip_of_row(row))
            # A flip dated by a clock that was ahead was dated again, and keeps its id.
            found[place] = replace(after, id=row["id"]) if before is None and after is not None else after
        return [incident for incident in found.values() if incident is not None]

    async def forget(self) -> None:
        """Delete events that no channel needs any more."""
        await self._database.fetch(_FORGET, self._location)

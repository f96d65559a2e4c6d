"""Registers a daemon and its targets in the database, and records until when it has watched them."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.model.clock_trust import utc_now
from watcher.model.resumption import NOT_WATCHED
from watcher.model.state import Flip, State, state_named
from watcher.postgres.bridge import transaction
from watcher.postgres.server_encoding import fitting_text, stored_name

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from watcher.model.target import Target
    from watcher.postgres.bridge import Connection

# The longest that registration may take, and the least number of targets a second: a hundred thousand targets that are
# new to the database take three seconds.
REGISTRATION_SECONDS = 60.0
TARGETS_A_SECOND = 20_000

# Rows that are up to date are not locked, since other replicas write in them meanwhile.
_UPSERT_TARGETS = """
INSERT INTO states AS present (target, location, address, group_name, watched)
SELECT target, $1, address, group_name, true
FROM unnest($2::text[], $3::text[], $4::text[]) AS rows (target, address, group_name)
WHERE NOT EXISTS (
    SELECT FROM states AS known
    WHERE known.target = rows.target AND known.location = $1 AND known.watched AND known.address = rows.address
          AND known.group_name IS NOT DISTINCT FROM rows.group_name
)
ORDER BY target
ON CONFLICT (target, location) DO UPDATE
SET address = excluded.address, group_name = excluded.group_name, watched = true
WHERE (present.address, present.group_name, present.watched)
      IS DISTINCT FROM (excluded.address, excluded.group_name, true)
"""
# A lost row, for example one deleted by hand, gets the state of the target's newest flip.
_RESTORE_STATES = """
UPDATE states
SET state = newest.state, since = newest.at, reason = newest.reason, detail = newest.detail
FROM states AS lost CROSS JOIN LATERAL (
    SELECT state, at, reason, detail
    FROM flips
    WHERE flips.target = lost.target AND flips.location = lost.location
    ORDER BY at DESC, confirmed_at DESC
    LIMIT 1
) AS newest
WHERE lost.location = $1 AND lost.since IS NULL
      AND states.target = lost.target AND states.location = lost.location
"""
COUNT_WATCHED = "SELECT count(*) AS watched FROM states WHERE location = $1 AND watched"
# Targets of another living replica stay watched, since it may have another file.
_LIVES = """EXISTS (
    SELECT FROM members
    WHERE members.location = $1 AND replica = {} AND replica <> $2 AND expires_at > clock_timestamp()
)"""
_RELEASE_OTHERS = f"""
UPDATE states SET watched = false
WHERE location = $1 AND watched AND target <> ALL ($3::text[]) AND NOT {_LIVES.format("owner")}
"""  # noqa: S608  # nothing of it comes from outside
# A daemon with a new location no longer watches at the former one.
_RELEASE_FORMER_LOCATIONS = """
UPDATE states SET watched = false
WHERE watched AND location NOT IN ($1, '*')
      AND (owner = $2 OR owner IS NULL AND location IN (SELECT location FROM replicas WHERE outbox = $2))
"""
# A new outbox knows nothing of the past: its targets are unknown from when the former outbox was last heard of. Of
# targets watched now, only the time before the start is: clocks may differ, and the former daemon may still run.
# Targets with an owner are taken over with their state, see `ownership.py`; if nobody watches them now, they end too.
_ENDED = f"""
SELECT target, state, at
FROM (
    SELECT target, state, since, CASE
        WHEN owner IS NOT NULL THEN coalesce(
            (SELECT beat_at FROM members WHERE members.location = $1 AND replica = owner), alive_at
        )
        WHEN owned_since IS NOT NULL THEN owned_since
        WHEN watched THEN least(alive_at, $3)
        ELSE alive_at
    END AS at
    FROM states JOIN replicas USING (location)
    WHERE location = $1 AND state NOT IN ('unknown', 'paused', 'pending') AND CASE
        WHEN owner IS NOT NULL THEN NOT watched AND owner <> $2 AND NOT {_LIVES.format("owner")}
        WHEN owned_since IS NOT NULL THEN NOT watched
        ELSE outbox <> $2 AND NOT {_LIVES.format("outbox")}
    END
) AS known
WHERE since < at
ORDER BY target
"""  # noqa: S608  # nothing of it comes from outside
_UPSERT_REPLICA = """
INSERT INTO replicas AS present (location, outbox, started_at, alive_at) VALUES ($1, $2, $3, $3)
ON CONFLICT (location) DO UPDATE
SET outbox = excluded.outbox, started_at = excluded.started_at
WHERE (present.outbox, present.started_at) IS DISTINCT FROM (excluded.outbox, excluded.started_at)
"""
# A new target that takes a renamed target's old name has its own history from then on.
_FORGET_RENAMES = "DELETE FROM renames WHERE old = ANY ($1::text[])"
# With $5, replicas share targets: a clock that is ahead must not make the right clocks of others look set back.
MARK_ALIVE = """
WITH past AS (
    SELECT marked_by, alive_at > greatest($2, now()) + interval '1 minute' AS was_ahead,
        CASE WHEN $5 THEN least($2, now()) ELSE $2 END AS moment
    FROM replicas WHERE location = $1 FOR UPDATE
)
UPDATE replicas SET alive_at = CASE WHEN was_ahead THEN moment ELSE greatest(alive_at, moment) END, marked_by = $3
FROM past
WHERE location = $1
RETURNING past.marked_by, past.was_ahead, (SELECT stored_until FROM outboxes WHERE outbox = $4) AS stored_until
"""


@dataclass(frozen=True)
class Registration:
    """The registration of a daemon in the database.

    Attributes:
        location: of the daemon.
        outbox: the id of its outbox.
        started_at: when it started.
        targets: those that it watches.
        host: the name of its machine.
    """

    location: str
    outbox: uuid.UUID
    started_at: datetime
    targets: Sequence[Target]
    host: str = field(default_factory=socket.gethostname)

    @property
    def daemon(self) -> str:
        """The name of this daemon, for the operator and for other daemons of the location."""
        return f"{self.host}, since {self.started_at.astimezone(UTC).isoformat(timespec='milliseconds')}"

    async def register(self, connection: Connection, limit_seconds: float = REGISTRATION_SECONDS) -> list[Flip]:
        """Register the targets, all or none; doing so again is harmless. This is an asyncio-flavoured function.

        Returns:
            the flips that end the former outbox's states here; record them before `follow`, which forgets that outbox.
        """
        async with transaction(connection, limit_seconds=limit_seconds):
            await connection.execute(_RELEASE_FORMER_LOCATIONS, self.location, self.outbox)
            names = await tell_targets(connection, self.location, self.outbox, self.targets, limit_seconds)
            await connection.execute(_FORGET_RENAMES, names)
            rows = await connection.fetch(_ENDED, self.location, self.outbox, self.started_at, timeout=limit_seconds)
        now = utc_now()
        return [
            Flip(target, self.location, at, max(at, now), State.UNKNOWN, state_named(state), NOT_WATCHED)
            for target, state, at in rows
        ]

    async def follow(self, connection: Connection) -> None:
        """Make this the outbox of the location. This is an asyncio-flavoured function."""
        async with transaction(connection):  # for poolers, see `Database.fetch`
            await connection.execute(_UPSERT_REPLICA, self.location, self.outbox, self.started_at)


async def tell_targets(
    connection: Connection, location: str, outbox: uuid.UUID, targets: Sequence[Target], limit_seconds: float
) -> list[str]:
    """Register the targets of a location. This is an asyncio-flavoured function.

    Args:
        connection: in the transaction.
        location: of the targets.
        outbox: the id of the replica's; targets that other living replicas watch are left to them.
        targets: all that are watched there.
        limit_seconds: the longest that each statement may take.

    Returns:
        their names, as the database has them.
    """
    encoding = connection.get_settings().server_encoding
    names = [stored_name(one.name, encoding) for one in targets]
    addresses = [fitting_text(target.shown_address, encoding) for target in targets]
    groups = [target.group and fitting_text(target.group, encoding) for target in targets]
    run = connection.execute
    await run(_UPSERT_TARGETS, location, names, addresses, groups, timeout=limit_seconds)
    await run(_RESTORE_STATES, location, timeout=limit_seconds)
    await run(_RELEASE_OTHERS, location, outbox, names, timeout=limit_seconds)
    return names

"""Queries on replicas and their agreements: each step is one statement or one transaction."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.cluster.values import Agreement, Figures, Member, Seat
from watcher.postgres.bridge import transaction
from watcher.postgres.server_encoding import fitting_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watcher.cluster.values import Replica
    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database

# The channel on which replicas learn of changes at once, before their next beat.
CHANNEL = "watcher_members"

# All ages are by the clock of the server, as of one moment. A replica that comes back after the end of its lease, or
# that could not ask, settles again: like a new one, it does not know which others exist. A late beat of a replica that
# has left renews nothing.
_RENEW = """
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now), mine AS (
    UPDATE members
    SET changed_at = CASE WHEN fingerprint <> $6 OR expires_at <= clock.now OR $12 THEN clock.now ELSE changed_at END,
        beat_at = clock.now, expires_at = clock.now + make_interval(secs => $11), name = $4, version = $5,
        fingerprint = $6, epoch = $7, targets = $8, lateness_ms = $9, slots_until = $10
    FROM clock
    WHERE location = $1 AND replica = $2 AND incarnation = $3 AND members.fingerprint <> ''
    RETURNING members.*
)"""
# A start takes the row of another incarnation; anything else waits for the end of its lease.
_JOIN = """
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now), mine AS (
    INSERT INTO members AS present (
        location, replica, incarnation, name, version, fingerprint, joined_at, changed_at, beat_at, expires_at,
        epoch, targets, lateness_ms, slots_until
    )
    SELECT $1, $2, $3, $4, $5, $6, now, now, now, now + make_interval(secs => $11), $7, $8, $9, $10 FROM clock
    ON CONFLICT (location, replica) DO UPDATE
    SET incarnation = excluded.incarnation, name = excluded.name, version = excluded.version,
        fingerprint = excluded.fingerprint, joined_at = excluded.joined_at, changed_at = excluded.changed_at,
        beat_at = excluded.beat_at, expires_at = excluded.expires_at, epoch = excluded.epoch,
        targets = excluded.targets, lateness_ms = excluded.lateness_ms, slots_until = excluded.slots_until
    WHERE present.expires_at <= excluded.beat_at OR $12
    RETURNING present.*
)"""
_ANSWER = """
SELECT member.replica, member.incarnation, member.fingerprint, member.name, member.epoch,
    extract(epoch FROM clock.now - member.changed_at)::float8 AS settled_seconds,
    extract(epoch FROM member.expires_at - clock.now)::float8 AS lease_seconds,
    extract(epoch FROM clock.now)::float8 AS now, agreed.epoch AS agreed_epoch, agreed.seats
FROM clock CROSS JOIN (
    SELECT * FROM mine
    UNION ALL
    SELECT * FROM members WHERE location = $1 AND (replica <> $2 OR NOT EXISTS (SELECT FROM mine))
) AS member LEFT JOIN agreements AS agreed ON agreed.location = $1
"""
# A replica that has been gone for long is no longer shown.
_AGREE = """
WITH changed AS (
    INSERT INTO agreements AS present (location, epoch, seats, changed_at)
    VALUES ($1, $3, $4::jsonb, clock_timestamp())
    ON CONFLICT (location) DO UPDATE
    SET epoch = excluded.epoch, seats = excluded.seats, changed_at = excluded.changed_at
    WHERE present.epoch = $2
    RETURNING epoch
), tidied AS (
    DELETE FROM members
    WHERE location = $1 AND expires_at < clock_timestamp() - interval '7 days'
        AND EXISTS (SELECT FROM changed)
)
SELECT pg_notify('watcher_members', $1) FROM changed
"""
# In one statement, so that no beat of another replica comes between. The lease lasts on, so that the targets are taken
# over only when everything known of them is stored. A replica without a fingerprint is never agreed on.
_LEAVE = """
WITH gone AS (
    UPDATE members
    SET fingerprint = '', changed_at = clock_timestamp(), beat_at = clock_timestamp(),
        slots_until = coalesce($4, slots_until)
    WHERE location = $1 AND replica = $2 AND incarnation = $3
    RETURNING replica
), changed AS (
    UPDATE agreements
    SET epoch = epoch + 1, changed_at = clock_timestamp(), seats = (
        SELECT coalesce(jsonb_agg(seat ORDER BY place) FILTER (WHERE seat ->> 'replica' <> $2::text), '[]')
        FROM jsonb_array_elements(seats) WITH ORDINALITY AS seated (seat, place)
    )
    WHERE location = $1 AND seats @> jsonb_build_array(jsonb_build_object('replica', $2::text))
        AND (EXISTS (SELECT FROM gone)
             OR NOT EXISTS (SELECT FROM members WHERE members.location = $1 AND replica = $2))
    RETURNING epoch
)
SELECT pg_notify('watcher_members', $1) FROM changed
"""
# The row stays for a while: it has the time until which those targets were checked that are not taken over yet.
_END = """
UPDATE members SET expires_at = clock_timestamp()
WHERE location = $1 AND replica = $2 AND incarnation = $3 AND fingerprint = ''
"""
_MEMBERS = """
SELECT location, replica, incarnation, name, version, fingerprint, joined_at, beat_at, epoch, targets, lateness_ms,
    slots_until, extract(epoch FROM clock_timestamp() - changed_at)::float8 AS settled_seconds,
    extract(epoch FROM expires_at - clock_timestamp())::float8 AS lease_seconds
FROM members
WHERE fingerprint <> '' OR expires_at > clock_timestamp()
ORDER BY location, name, replica
"""
_AGREEMENTS = "SELECT location, epoch, seats FROM agreements ORDER BY location"


@dataclass(frozen=True, slots=True)
class Beat:
    """The content of a replica's beat.

    Attributes:
        replica: its identity.
        figures: its figures.
        ttl_seconds: how long its lease lasts from now on.
        epoch: the agreement that it works by.
    """

    replica: Replica
    figures: Figures
    ttl_seconds: float
    epoch: int

    def arguments(self, encoding: str) -> tuple[object, ...]:
        """Return the arguments of the statements, up to $11."""
        seat, figures = self.replica.seat, self.figures
        name = fitting_text(self.replica.name, encoding)
        who = (self.replica.location, seat.replica, seat.incarnation, name, self.replica.version, seat.fingerprint)
        return *who, self.epoch, figures.targets, figures.lateness_ms, figures.slots_until, self.ttl_seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """The database's answer to a beat, as of one moment.

    Attributes:
        members: all known members, also those whose lease is over.
        agreement: that of the location; its epoch is 0 if there is none.
        other: the name of a daemon that uses the same id, and came later; None if there is none.
        seconds: the server's time of that moment, in seconds since 1970; None if it is unknown.
    """

    members: tuple[Member, ...]
    agreement: Agreement
    other: str | None = None
    seconds: float | None = None


async def join(database: Database, beat: Beat) -> Answer:
    """Take the place of the replica that had this id before. This is a trio-flavoured function."""

    async def run(connection: Connection) -> Answer:
        return await _answer(connection, _JOIN, beat, flag=True)

    return await database.operate(run)


async def renew(database: Database, beat: Beat, *, is_back: bool) -> Answer:
    """Renew the lease, or take a new one if the place is free. This is a trio-flavoured function.

    Args:
        database: with its tables.
        beat: to store.
        is_back: whether beats before have failed.
    """

    async def run(connection: Connection) -> Answer:
        answer = await _answer(connection, _RENEW, beat, flag=is_back)
        if _has_row(answer, beat):
            return answer
        return await _answer(connection, _JOIN, beat, flag=False)

    return await database.operate(run)


async def agree(database: Database, location: str, seen_epoch: int, proposed: Agreement) -> bool:
    """Change the agreement of a location. This is a trio-flavoured function.

    Args:
        database: with its tables.
        location: of the agreement.
        seen_epoch: of the agreement to change, 0 if there is none.
        proposed: the new one.

    Returns:
        whether it was changed; False if another replica has changed it meanwhile.
    """
    return bool(await database.fetch(_AGREE, location, seen_epoch, proposed.epoch, _encoded(proposed.seats)))


async def leave(database: Database, location: str, seat: Seat, slots_until: datetime | None = None) -> None:
    """Remove a replica from the agreement. This is a trio-flavoured function.

    Args:
        database: with its tables.
        location: of the replica.
        seat: of the replica.
        slots_until: the last slot that it has checked, if known.
    """
    await database.fetch(_LEAVE, location, seat.replica, seat.incarnation, slots_until)


async def end(database: Database, location: str, seat: Seat) -> None:
    """End the lease of a replica that has left and stored everything. This is a trio-flavoured function."""
    await database.fetch(_END, location, seat.replica, seat.incarnation)


@dataclass(frozen=True, slots=True)
class KnownReplica:
    """A replica as shown in a list of all replicas.

    Attributes:
        location: of the replica.
        member: the replica.
        name: for people.
        version: of its program.
        joined_at: when it joined.
        beat_at: time of its last beat.
        figures: those of that beat.
    """

    location: str
    member: Member
    name: str
    version: str
    joined_at: datetime
    beat_at: datetime
    figures: Figures


async def members_and_agreements(database: Database) -> tuple[list[KnownReplica], dict[str, Agreement]]:
    """Read all replicas, by location and name, and the agreement of each location.

    This is a trio-flavoured function.
    """

    async def run(connection: Connection) -> tuple[Sequence[Any], Sequence[Any]]:
        async with transaction(connection, isolation="REPEATABLE READ", readonly=True):
            return await connection.fetch(_MEMBERS), await connection.fetch(_AGREEMENTS)

    rows, agreed = await database.operate(run)
    agreements = {row["location"]: Agreement(row["epoch"], _decoded(row["seats"])) for row in agreed}
    return [_known(row) for row in rows], agreements


async def _answer(connection: Connection, statement: str, beat: Beat, *, flag: bool) -> Answer:
    """Run one of the statements of a beat. This is an asyncio-flavoured function."""
    arguments = beat.arguments(connection.get_settings().server_encoding)
    async with transaction(connection):  # for poolers, see `Database.fetch`
        rows = await connection.fetch(f"{statement}{_ANSWER}", *arguments, flag)
    if not rows:
        return Answer((), Agreement(0, ()))
    seat = beat.replica.seat
    agreement = Agreement(rows[0]["agreed_epoch"] or 0, _decoded(rows[0]["seats"] or "[]"))
    others = [row["name"] for row in rows if row["replica"] == seat.replica and row["incarnation"] != seat.incarnation]
    return Answer(tuple(_member(row) for row in rows), agreement, others[0] if others else None, rows[0]["now"])


def _has_row(answer: Answer, beat: Beat) -> bool:
    return any(member.seat.incarnation == beat.replica.seat.incarnation for member in answer.members)


def _member(row: Any) -> Member:
    seat = Seat(row["replica"], row["incarnation"], row["fingerprint"])
    return Member(seat, row["settled_seconds"], row["lease_seconds"], row["epoch"])


def _known(row: Any) -> KnownReplica:
    figures = Figures(row["targets"], row["lateness_ms"], row["slots_until"])
    facts = (row["name"], row["version"], row["joined_at"], row["beat_at"])
    return KnownReplica(row["location"], _member(row), *facts, figures)


def _encoded(seats: Sequence[Seat]) -> str:
    return json.dumps(
        [
            {"replica": str(seat.replica), "incarnation": str(seat.incarnation), "fingerprint": seat.fingerprint}
            for seat in seats
        ]
    )


def _decoded(text: str) -> tuple[Seat, ...]:
    return tuple(
        Seat(uuid.UUID(seat["replica"]), uuid.UUID(seat["incarnation"]), seat["fingerprint"])
        for seat in json.loads(text)
    )

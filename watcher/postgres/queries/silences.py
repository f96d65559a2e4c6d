"""Reads and writes silences and acks in PostgreSQL: for commands, and for daemons that were not notified of them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watcher.alerting.policy.incidents import follow
from watcher.alerting.silences.encoding import encode_order, order_of_row
from watcher.alerting.silences.orders import MAX_SILENCES
from watcher.model.alerts.silence import Silence
from watcher.outbox.encoding import ACK, SILENCE, joined
from watcher.postgres.bridge import transaction
from watcher.postgres.queries.states_and_flips import flip_of_row
from watcher.postgres.server_encoding import fitting_json
from watcher.postgres.tables.silences import INSERT_ACKS, INSERT_SILENCES

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from watcher.alerting.policy.event import Incident
    from watcher.model.alerts.silence import Ack
    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database

MAX_ORDERS = 2000
MAX_FORMER_ORDERS = 100_000
# Enough flips to decide whether an incident is open.
MAX_FLIPS = 1000

_SILENCES = """
SELECT id, starts_at, ends_at, why, said_by, targets, group_name
FROM silences
WHERE ends_at > now() OR id = ANY($1::uuid[])
ORDER BY ends_at DESC LIMIT $2
"""
_HAS_NO_ROOM = """
SELECT count(*) >= $2 AND NOT bool_or(id = $1) FROM silences WHERE ends_at > now()
"""
_FORMER_SILENCES = """
SELECT id, starts_at, ends_at, why, said_by, targets, group_name
FROM silences
WHERE ends_at > $1 AND starts_at < $2
ORDER BY ends_at DESC LIMIT $3
"""
_ACKS = "SELECT id, target, at, why, said_by FROM acks WHERE at >= $1 ORDER BY at DESC LIMIT $2"
# From after the last flip that ended an incident, in the order in which they were confirmed. If several places watch
# the target, the combined state decides.
_FLIPS_SINCE_THE_LAST_END = """
SELECT flips.target, flips.location, at, confirmed_at, flips.state, before, flips.reason, flips.detail, check_id, number
FROM states JOIN flips ON flips.target = states.target AND flips.location = states.location
WHERE states.target = $1 AND watched AND (states.location = '*' OR NOT EXISTS (
    SELECT FROM states AS combined WHERE combined.target = $1 AND combined.location = '*' AND combined.watched
)) AND at > coalesce((
    SELECT max(at) FROM flips AS ending
    WHERE ending.target = states.target AND ending.location = states.location AND ending.state IN ('up', 'paused')
), '-infinity')
ORDER BY flips.location, confirmed_at, number, at LIMIT $2
"""
_INSERTS = {SILENCE: INSERT_SILENCES, ACK: INSERT_ACKS}


async def read_orders(database: Database, known: Sequence[uuid.UUID], acks_since: datetime) -> list[Silence | Ack]:
    """Read the silences that have not ended, those that are known, and the acks from a moment on.

    This is a trio-flavoured function.

    Args:
        database: with its tables.
        known: ids of silences to return even if they have ended.
        acks_since: with a time zone.
    """
    silences = await database.fetch(_SILENCES, known, MAX_ORDERS)
    acks = await database.fetch(_ACKS, acks_since, MAX_ORDERS)
    return [*_orders(SILENCE, silences), *_orders(ACK, acks)]


async def known_silences(database: Database) -> list[Silence]:
    """Read the silences that have not ended. This is a trio-flavoured function."""
    orders = _orders(SILENCE, await database.fetch(_SILENCES, [], MAX_ORDERS))
    return [order for order in orders if isinstance(order, Silence)]


async def former_orders(database: Database, since: datetime, until: datetime) -> list[Silence | Ack]:
    """Read the silences that applied within a window, and all acks. This is a trio-flavoured function.

    Args:
        database: with its tables.
        since, until: with a time zone.
    """
    silences = await database.fetch(_FORMER_SILENCES, since, until, MAX_FORMER_ORDERS)
    acks = await database.fetch(_ACKS, datetime.fromtimestamp(0, UTC), MAX_FORMER_ORDERS)
    return [*_orders(SILENCE, silences), *_orders(ACK, acks)]


async def is_in_trouble(database: Database, target: str) -> bool:
    """Return whether a watched target has an open incident at any location. This is a trio-flavoured function."""
    incidents: dict[str, Incident | None] = {}
    for row in await database.fetch(_FLIPS_SINCE_THE_LAST_END, target, MAX_FLIPS):
        flip = flip_of_row(row)
        incidents[flip.location], _ = follow(incidents.get(flip.location), flip)
    return any(incidents.values())


async def write_order(database: Database, order: Silence | Ack) -> bool:
    """Write a silence or an ack when no daemon can be reached. This is a trio-flavoured function.

    Returns:
        whether there was room for it: daemons apply a limited number of silences.
    """
    kind, payload = encode_order(order)

    async def write(connection: Connection) -> bool:
        """Write it durably. This is an asyncio-flavoured function."""
        encoding = connection.get_settings().server_encoding
        async with transaction(connection):
            if kind == SILENCE and await connection.fetchval(_HAS_NO_ROOM, order.id, MAX_SILENCES):
                return False
            await connection.execute(_INSERTS[kind], fitting_json(joined([payload]), encoding))
        return True

    return await database.operate(write)


def _orders(kind: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Silence | Ack]:
    for row in rows:
        with suppress(ValueError):  # written by hand
            yield order_of_row(kind, row)

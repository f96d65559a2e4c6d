"""Reads the views of places and when each place was alive last, and registers targets at `*`; trio-flavoured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.model.places import COMBINED, PlaceView
from watcher.model.state import State, state_named
from watcher.postgres.bridge import transaction
from watcher.postgres.registration import REGISTRATION_SECONDS, tell_targets
from watcher.postgres.server_encoding import fitting_text, stored_name
from watcher.postgres.tables.ownership import LOCK_TARGETS

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from watcher.model.target import Target
    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database

_VIEWS = """
SELECT target, location, state, since, reason, detail, watched
FROM states
WHERE location = ANY ($1::text[]) AND target = ANY ({})
"""
_OF_TARGETS = _VIEWS.format("$2::text[]")
# `at` has an index, `confirmed_at` does not. A flip that took longer than an hour to be confirmed is found by the next
# look at all targets instead.
_RECENT = _VIEWS.format("""ARRAY(
    SELECT DISTINCT target FROM flips
    WHERE location = ANY ($1::text[]) AND at > now() - interval '1 hour'
          AND confirmed_at > now() - $2::float8 * interval '1 second'
)""")
# A place is alive by its replicas' beats, and by the times until which they have stored everything.
_AGES = """
SELECT clock.now, location, min(heard)::float8 AS heard, min(stored)::float8 AS stored,
    (SELECT sum(late) FROM outboxes) AS late
FROM (SELECT clock_timestamp() AS now) AS clock LEFT JOIN (
    SELECT location, extract(epoch FROM clock_timestamp() - beat_at) AS heard, NULL::numeric AS stored FROM members
    UNION ALL
    SELECT location, age, age
    FROM replicas CROSS JOIN LATERAL (SELECT abs(extract(epoch FROM clock_timestamp() - alive_at)) AS age) AS ages
) AS known ON location <> '*'
GROUP BY clock.now, location
"""
_MARK_ALIVE = """
INSERT INTO replicas AS present (location, outbox, started_at, alive_at) VALUES ('*', $1, now(), now())
ON CONFLICT (location) DO UPDATE SET outbox = $1, alive_at = now()
"""
# Only while the row is in that state: the flip to it may still wait in the outbox.
_TELL_CAUSES = """
UPDATE states SET reason = row.reason, detail = row.detail
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) AS row (target, state, reason, detail)
WHERE location = $1 AND owner = $2 AND states.target = row.target AND states.state = row.state
RETURNING states.target
"""


async def views_of_places(
    database: Database, places: Iterable[str], targets: Sequence[str]
) -> list[tuple[str, PlaceView]]:
    """Read the views that places have of targets.

    Args:
        database: with its tables.
        places: of the views; `*` for the combined states.
        targets: their names.

    Returns:
        pairs of a target's name and a view.

    Raises:
        StorageError: the database cannot be read.
    """
    rows = await database.fetch(_OF_TARGETS, list(places), list(targets))
    return [(row["target"], _view_of(row)) for row in rows]


async def recent_views_of_places(
    database: Database, places: Iterable[str], recent_seconds: float
) -> list[tuple[str, PlaceView]]:
    """Read the views of targets with a flip of the last seconds at one of the places; see `views_of_places`.

    Args:
        database: with its tables.
        places: of the views; `*` for the combined states.
        recent_seconds: the oldest confirmation of a flip, in seconds before now.
    """
    rows = await database.fetch(_RECENT, list(places), recent_seconds)
    return [(row["target"], _view_of(row)) for row in rows]


class Age(NamedTuple):
    """How long ago a place was alive, in seconds.

    Attributes:
        heard: since the last beat of one of its replicas, or since `stored`.
        stored: since a replica had stored everything that it knew; None if no replica ever had.
    """

    heard: float
    stored: float | None


async def ages_of_places(database: Database) -> tuple[datetime, dict[str, Age], int]:
    """Return the time by the server's clock, the age of each place by its name, and the number of late batches.

    Flips of a late batch may be too old for `recent_views_of_places`.
    """
    rows = await database.fetch(_AGES)
    ages = {row["location"]: Age(row["heard"], row["stored"]) for row in rows if row["location"] is not None}
    return rows[0]["now"], ages, rows[0]["late"] or 0


async def tell_combined(database: Database, replica: uuid.UUID, targets: Sequence[Target]) -> None:
    """Register the targets with `locations` at the location `*`; registering them again is harmless."""

    async def tell(connection: Connection) -> None:
        """Register them in one transaction. This is an asyncio-flavoured function."""
        async with transaction(connection, limit_seconds=REGISTRATION_SECONDS):
            await tell_targets(connection, COMBINED, replica, targets, REGISTRATION_SECONDS)

    await database.operate(tell, REGISTRATION_SECONDS)


async def tell_causes(database: Database, replica: uuid.UUID, views: Mapping[str, PlaceView]) -> list[str]:
    """Write the present causes of combined states.

    Args:
        database: with its tables.
        replica: the owner of the targets; rows of others stay.
        views: the combined states, with their causes, by target.

    Returns:
        the names of the targets whose rows have the cause now.
    """

    async def tell(connection: Connection) -> list[Any]:
        """Write them in one transaction, locks first. This is an asyncio-flavoured function."""
        encoding = connection.get_settings().server_encoding
        stored.update((stored_name(name, encoding), name) for name in views)
        states = [str(view.state) for view in views.values()]
        reasons, details = [
            [text and fitting_text(text, encoding) for text in texts]
            for texts in ([view.reason for view in views.values()], [view.detail for view in views.values()])
        ]
        async with transaction(connection):
            await connection.execute(LOCK_TARGETS, COMBINED, list(stored), replica, False)
            return await connection.fetch(_TELL_CAUSES, COMBINED, replica, list(stored), states, reasons, details)

    stored: dict[str, str] = {}
    return [stored[row["target"]] for row in await database.operate(tell)]


async def mark_decided(database: Database, replica: uuid.UUID) -> None:
    """Record that a replica decides for all places now."""
    await database.fetch(_MARK_ALIVE, replica)


def _view_of(row: Any) -> PlaceView:
    if not row["watched"]:  # no longer watched there, as with an older file: the state is stale
        return PlaceView(row["location"], State.UNKNOWN)
    return PlaceView(row["location"], state_named(row["state"]), row["since"], row["reason"], row["detail"])

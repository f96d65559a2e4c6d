"""Rows of a history, written directly into the tables, and the settings that lead a command to them."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from tests.unit.history.histories import STATES
from watcher.history.rollup import Rollup, rollup_rows
from watcher.postgres.tables.rollups import INSERT_ROLLUPS

if TYPE_CHECKING:
    from watcher.postgres.db import Database

HOUR = timedelta(hours=1)

_FLIP = """
INSERT INTO flips (id, target, location, at, confirmed_at, state, before, reason, detail)
VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8)
"""
_STATE = """
INSERT INTO states (target, location, address, group_name, state, since, reason, detail, watched)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_FAILURES = """
INSERT INTO failures (id, target, address, location, scheduled_at, started_at, duration_ms, reason, detail,
                      status_code, phases_ms, excerpt, headers)
SELECT gen_random_uuid(), $1, 'https://shop.example/', $2, at, at, 143.2, $3, '503 Service Unavailable', 503,
       '{"connect": 12.0}', repeat('x', $6), '{"server": "nginx"}'
FROM (SELECT $4::timestamptz + number * interval '1 second' AS at FROM generate_series(0, $5 - 1) AS number) AS slots
"""


async def put_flips(
    database: Database,
    target: str,
    letters: str,
    begin: datetime,
    *,
    location: str = "default",
    step: timedelta = timedelta(minutes=1),
) -> None:
    """Insert the flips of a history; see `histories.py`, except for the duration of a letter."""
    changes = [(0, ".", letters[0])]
    changes += [(number, old, new) for number, (old, new) in enumerate(pairwise(letters), start=1) if old != new]
    for number, old, new in changes:
        why = ("status", f"letter {number}") if new == "D" else (None, None)
        moment = begin + number * step
        await database.fetch(_FLIP, uuid.uuid4(), target, location, moment, STATES[new], STATES[old], *why)


async def put_state(
    database: Database,
    target: str,
    state: str = "up",
    *,
    location: str = "default",
    since: datetime | None = None,
    why: tuple[str, str] | None = None,
    watched: bool = True,
) -> None:
    """Insert the state of a target."""
    address = "https://shop.example/"
    await database.fetch(_STATE, target, location, address, "shop", state, since, *(why or (None, None)), watched)


async def put_alive(database: Database, alive_at: datetime | None = None, *, location: str = "default") -> None:
    """Record until when a location has watched, now by default."""
    query = """
INSERT INTO replicas (location, outbox, started_at, alive_at) VALUES ($1, $2, $3, $3)
ON CONFLICT (location) DO UPDATE SET alive_at = excluded.alive_at
"""
    await database.fetch(query, location, uuid.uuid4(), alive_at or datetime.now(UTC))


async def put_failures(
    database: Database,
    target: str,
    count: int,
    begin: datetime,
    *,
    reason: str = "status",
    location: str = "default",
    excerpt_chars: int = 20,
) -> None:
    """Insert failures, one a second."""
    await database.fetch(_FAILURES, target, location, reason, begin, count, excerpt_chars, limit_seconds=600)


async def put_rollup(
    database: Database,
    target: str,
    minute: datetime,
    results: dict[str, int],
    *,
    location: str = "default",
    each_ms: float = 100.0,
) -> None:
    """Insert the rollup of a minute of checks, all of one duration and without phases."""
    checks, no_phases = sum(results.values()), (None,) * 5
    rollup = Rollup(
        results, (checks * each_ms, *no_phases), (each_ms, *no_phases), (each_ms, *no_phases), {100: checks}
    )
    rows = rollup_rows({(target, location): rollup}, minute, part=0)
    await database.fetch(INSERT_ROLLUPS, json.dumps(rows))


def settings_of(url: str) -> dict[str, object]:
    """Return the lines of `.env` that lead to a server."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    return {
        "POSTGRES_HOST": query.get("host", [parts.hostname or ""])[0],
        "POSTGRES_PORT": query.get("port", [str(parts.port or 5432)])[0],
        "POSTGRES_USER": unquote(parts.username or ""),
        "POSTGRES_PASSWORD": unquote(parts.password or ""),
        "POSTGRES_DB": parts.path.removeprefix("/"),
    }

"""`watcher replicas`, as a user runs it on a real PostgreSQL."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.integration.history_rows import settings_of
from watcher.cluster.values import Agreement, Figures, Replica, Seat
from watcher.postgres.queries.membership import Beat, agree, join, leave

if TYPE_CHECKING:
    from tests.integration.daemon import Folder
    from watcher.postgres.db import Database

UNTIL = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def a_seat(number: int, fingerprint: str = "0123456789abcdef") -> Seat:
    return Seat(uuid.UUID(int=number), uuid.UUID(int=100 + number), fingerprint)


async def a_beat(
    database: Database, name: str, seat: Seat, *, ttl_seconds: float = 60.0, location: str = "default"
) -> Seat:
    """Add a replica, with its condition."""
    replica = Replica(location, seat, name, "1.2.3")
    await join(database, Beat(replica, Figures(12, 3.25, UNTIL), ttl_seconds, epoch=7))
    return seat


@pytest.fixture
async def folder(folder: Folder, db_config: str) -> Folder:
    """A folder whose settings lead to the database of the tests."""
    folder.configure([{"address": "https://shop.example/"}], **settings_of(db_config))
    return folder


async def test_each_replica_is_shown_with_its_agreement(test_db: Database, folder: Folder) -> None:
    agreed = await a_beat(test_db, "a", a_seat(1))
    await a_beat(test_db, "b", a_seat(2, "fedcba9876543210"))
    await a_beat(test_db, "c", a_seat(3))
    leaving = await a_beat(test_db, "d", a_seat(4))
    await a_beat(test_db, "e", a_seat(5), ttl_seconds=0.0)
    await leave(test_db, "default", leaving)
    assert await agree(test_db, "default", 0, Agreement(7, (agreed, a_seat(2), a_seat(5))))

    done = await folder.run("replicas", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    [location] = json.loads(done.stdout)
    replicas = location.pop("replicas")
    assert location == {"location": "default", "epoch": 7}
    states = {replica["replica"]: replica["state"] for replica in replicas}
    assert states == {"a": "agreed", "b": "changing", "c": "joining", "d": "leaving", "e": "gone"}
    first = {key: value for key, value in replicas[0].items() if key not in {"joined_at", "beat_at", "lease_ms"}}
    assert first == {
        "replica": "a",
        "id": str(uuid.UUID(int=1)),
        "state": "agreed",
        "version": "1.2.3",
        "epoch": 7,
        "configuration": "0123456789abcdef",
        "targets": 12,
        "lateness_ms": 3.25,
        "checked_until": "2026-11-26T12:00:00.000Z",
    }
    assert 0 < replicas[0]["lease_ms"] <= 60_000

    await a_beat(test_db, "a", a_seat(1), location="*")
    lines = (await folder.run("replicas")).stdout.decode().splitlines()
    assert (lines[0], lines[3]) == (
        "*: 0 of 1 decide for all locations, epoch 0",
        "default: 2 of 5 share the targets, epoch 7",
    )
    assert [line.split()[:5] for line in lines[5:7]] == [
        ["a", "agreed", "12", "3.2", "ms"],
        ["b", "changing", "12", "3.2", "ms"],
    ]


async def test_without_sharing_it_says_so(test_db: Database, folder: Folder) -> None:
    done = await folder.run("replicas")
    text = "no replicas; daemons share targets if POSTGRES_HOST names a common database\n"
    assert (done.returncode, done.stdout.decode()) == (0, text)
    assert json.loads((await folder.run("replicas", "--json")).stdout) == []

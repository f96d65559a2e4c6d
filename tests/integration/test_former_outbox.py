"""An upgrade in place: the outbox of the previous version is sent to PostgreSQL unchanged."""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.doubles import MOMENT, a_failure, a_target, an_outcome
from tests.pipeline import NOW, nothing_ended, open_pipeline
from watcher.model.outcome import Fault, Phases, Reason
from watcher.model.state import State
from watcher.outbox.minutes import ALL_MINUTES, close_minutes
from watcher.outbox.startup import resume_from

if TYPE_CHECKING:
    from watcher.model.outcome import Outcome
    from watcher.postgres.db import Database

pytestmark = pytest.mark.usefixtures("bridge")

FORMER = Path(__file__).parents[1] / "unit" / "outbox" / "former_outbox.sql"
SECOND = timedelta(seconds=1)
FAILURES = [
    a_failure(
        at=MOMENT + 10 * SECOND,
        excerpt="<h1>sorry</h1> naïve 東京",
        headers=(("server", 'a "quoted" word'), ("via", "x\\y")),
    ),
    a_failure(at=MOMENT + 12 * SECOND),
    a_failure(at=MOMENT + 14 * SECOND),
    a_failure(
        "Search",
        at=MOMENT + 15 * SECOND,
        address="http://localhost:1/",
        duration_seconds=0.0001,
        fault=Fault(Reason.CONNECT, "cannot connect: Connection refused"),
        status_code=None,
        phases=Phases(resolve=0.001),
        excerpt=r"NUL \x00, lone surrogate \ud800, ESC \x1b, ",
    ),
]
ALIVE_AT = datetime.fromtimestamp(NOW + 75, UTC)


def row_of(failure: Outcome) -> dict[str, object]:
    """Return a failure as the table should have it."""
    assert failure.fault is not None
    return {
        **{name: getattr(failure, name) for name in ("target", "address", "location", "scheduled_at", "started_at")},
        "id": failure.check_id,
        "duration_ms": failure.duration_seconds * 1000,
        "reason": str(failure.fault.reason),
        "detail": failure.fault.detail,
        "status_code": failure.status_code,
        "phases_ms": failure.phases.as_milliseconds(),
        "excerpt": failure.excerpt,
        "headers": dict(failure.headers) or None,
        "notes": [],
    }


async def test_the_outbox_of_the_previous_version_is_stored_unchanged(tmp_path: Path, test_db: Database) -> None:
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as database:
        database.executescript(FORMER.read_text())
    targets = [a_target(), a_target("Blog"), a_target("Search")]
    with open_pipeline(tmp_path, test_db, *targets) as pipeline:
        assert pipeline.outbox.id == uuid.UUID("e07556ab-c9d1-4b7f-b84b-974b3b71cc1c")
        assert pipeline.outbox.rows == 9
        standings = resume_from(pipeline.outbox, targets, "default", NOW + 3600)
        close_minutes(pipeline.outbox, NOW + 3600, before_minute=ALL_MINUTES)
        await pipeline.drain_all()
        assert pipeline.outbox.rows == 0
        with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as database:
            assert database.execute("SELECT error FROM set_aside").fetchall() == []
    assert {name: (one.state, one.before, one.since) for name, one in standings.items()} == {
        "Checkout": (State.UNKNOWN, State.DOWN, ALIVE_AT),
        "Blog": (State.UNKNOWN, State.UP, ALIVE_AT),
    }
    stored = await test_db.failures()
    assert stored[::-1] == [row_of(failure) for failure in FAILURES]
    assert list(stored[0]["phases_ms"]) == list(Phases._fields)


async def test_the_flips_and_rollups_of_the_version_before(tmp_path: Path, test_db: Database) -> None:
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as database:
        database.executescript(FORMER.read_text())
    with open_pipeline(tmp_path, test_db, a_target(), a_target("Blog")) as pipeline:
        close_minutes(pipeline.outbox, NOW + 3600, before_minute=ALL_MINUTES)
        for _ in range(2):  # stored twice, as after a crash between the commit and the outbox
            entries = pipeline.outbox.peek(100, 10**6)
            await pipeline.store.open(nothing_ended)
            await pipeline.store.store(entries)
    flips = await test_db.fetch("SELECT * FROM flips ORDER BY at, target DESC")
    check_ids = [an_outcome().check_id, an_outcome("Blog").check_id, FAILURES[2].check_id]
    assert [flip["check_id"] for flip in flips] == check_ids
    down = flips[-1]
    assert (down["target"], down["state"], down["before"]) == ("Checkout", "down", "up")
    assert (down["at"], down["confirmed_at"]) == (MOMENT + 10 * SECOND, MOMENT + 14 * SECOND)
    assert (down["reason"], down["detail"]) == ("status", "503 Service Unavailable")
    minutes = await test_db.fetch("SELECT * FROM rollups ORDER BY began_at, target")
    minute = MOMENT.replace(second=0, microsecond=0)
    assert [((row["began_at"] - minute) // SECOND, row["target"], json.loads(row["results"])) for row in minutes] == [
        (0, "Blog", {"up": 1}),
        (0, "Checkout", {"up": 1}),
        (60, "Checkout", {"status": 3}),
        (60, "Search", {"connect": 1}),
        (120, "Blog", {"up": 1}),
        (120, "Checkout", {"degraded": 1}),
    ]
    assert {row["part"] for row in minutes} == {1_022_685_739_257_342_673}
    assert minutes[2]["sums_ms"] == [429.6, 9.3, 36.0, 120.6, 240.3, 23.4]
    assert minutes[2]["counts"] == [3] * 6

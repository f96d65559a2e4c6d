"""The states of other replicas' targets, on the board of this one."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.doubles import a_failure, a_target
from tests.pipeline import open_pipeline
from watcher.cluster.others import Others
from watcher.model.conclusion import Conclusion
from watcher.model.state import Flip, Standing, State
from watcher.postgres.queries.states_of_others import PAGE_ROWS
from watcher.recording.board import Board

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.postgres.db import Database

ME, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
SINCE = datetime(2026, 11, 25, 12, tzinfo=UTC)


async def test_the_board_has_the_targets_of_others_and_its_own(test_db: Database) -> None:
    board, epoch = Board(), 1
    others = Others(test_db, "here", ME, board, lambda: epoch)
    mine = Standing(State.UP, SINCE, State.UP)
    board.place({"mine": mine})
    await _stand(test_db, "mine", "down", ME)
    await _stand(test_db, "theirs", "up", OTHER)
    await _stand(test_db, "elsewhere", "up", OTHER, location="there")
    await others.look()
    assert {one.target: one.standing.state for one in board} == {"mine": State.UP, "theirs": State.UP}
    assert [board.is_elsewhere(name) for name in ("mine", "theirs")] == [False, True]
    changes = board.changes
    await others.look()
    assert board.changes == changes

    await _stand(test_db, "theirs", "down", OTHER, since=SINCE + timedelta(hours=1))
    await test_db.fetch(
        "INSERT INTO flips (id, target, location, at, confirmed_at, state, before)"
        " VALUES ($1, 'theirs', 'here', now(), now(), 'down', 'up')",
        uuid.uuid4(),
    )
    await others.look()
    latest = board.of("theirs")
    assert latest is not None
    assert (latest.standing.state, latest.reason, latest.detail, latest.ok) == (State.DOWN, "status", "500", None)

    board.place({"theirs": Standing(State.DOWN, SINCE, State.DOWN)})  # it moves here
    await others.look()
    assert not board.is_elsewhere("theirs")
    board.drop(["theirs"])  # and away again
    epoch = 2
    await others.look()
    assert board.is_elsewhere("theirs")
    board.put(Conclusion(a_failure("theirs")))  # from a check that was still running
    assert board.newest_of("theirs") is None
    epoch = None  # type: ignore[assignment]
    await others.look()
    assert [one.target for one in board] == ["mine"]


async def test_targets_of_others_are_on_the_board_until_they_are_unwatched(
    test_db: Database,
) -> None:
    board, epoch = Board(), 1
    others = Others(test_db, "here", ME, board, lambda: epoch)
    count = 2 * PAGE_ROWS
    await test_db.fetch(
        "INSERT INTO states (target, location, owner) SELECT 'site ' || n, 'here', $1 FROM generate_series(1, $2) AS n",
        *(OTHER, count),
    )
    await others.look()
    assert {one.target for one in board} == {f"site {number}" for number in range(1, count + 1)}
    await test_db.fetch("UPDATE states SET watched = false WHERE target <> 'site 7'")
    epoch = 2
    await others.look()
    assert [one.target for one in board] == ["site 7"]


@pytest.mark.parametrize("late_seconds", [0, 30])
async def test_what_is_stored_late_is_seen_at_once(late_seconds: int, test_db: Database, tmp_path: Path) -> None:
    """As by a check that times out after half a minute: its flip is dated to when it began."""
    board, now = Board(), datetime.now(UTC)
    others = Others(test_db, "default", ME, board, lambda: 1)
    with open_pipeline(tmp_path, test_db, a_target("theirs")) as pipeline:
        for number, state in enumerate((State.UP, State.DOWN)):
            at = now - timedelta(seconds=0 if number == 0 else late_seconds)
            flip = Flip("theirs", "default", at, at, state, State.PENDING, number=number + 1)
            await pipeline.put(flips=[flip])
            await pipeline.drain_all()
            await others.look()
            assert board.standing_of("theirs") == Standing(state, at, state)


async def _stand(
    database: Database,
    target: str,
    state: str,
    owner: uuid.UUID,
    *,
    location: str = "here",
    since: datetime = SINCE,
) -> None:
    await database.fetch(
        "INSERT INTO states (target, location, state, since, reason, detail, owner) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (target, location) DO UPDATE"
        " SET state = excluded.state, since = excluded.since, reason = excluded.reason, detail = excluded.detail",
        *(target, location, state, since, "status" if state == "down" else None, "500" if state == "down" else None),
        owner,
    )

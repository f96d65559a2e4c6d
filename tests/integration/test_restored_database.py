"""A database that goes back in time, as after a restore, or when a standby without the last rows is promoted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import trio
from structlog.testing import capture_logs

from tests.doubles import MOMENT, a_failure, a_target
from tests.integration.own_server import FAST, IMMEDIATE, OwnServer, running_server
from tests.pipeline import open_pipeline
from watcher.model.outcome import Fault, Reason
from watcher.model.state import Flip, State
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import Database, open_database
from watcher.postgres.drain import Drain
from watcher.postgres.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watcher.outbox.outbox import Outbox

SECOND = timedelta(seconds=1)
UP = Flip("Checkout", "default", MOMENT, MOMENT, State.UP, State.PENDING, number=1)
DOWN = replace(
    UP, at=MOMENT + 60 * SECOND, state=State.DOWN, before=State.UP, cause=Fault(Reason.TIMEOUT, "no answer"), number=2
)
STORED_SECONDS = 30.0


@pytest.fixture
def server(made_server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    with running_server(made_server, tmp_path_factory.mktemp("postgres")) as server:
        yield server


async def stored(database: Database) -> tuple[int, str, str | None] | None:
    """Return the number of failures, and the target's state; nothing while the server is down."""
    query = "SELECT (SELECT count(*) FROM failures) AS failures, state, detail FROM states"
    with suppress(DatabaseUnavailableError):
        for row in await database.fetch(query):
            return row["failures"], row["state"], row["detail"]
    return None


async def until(database: Database, wanted: tuple[int, str, str | None]) -> None:
    """Wait for stored rows."""
    with trio.fail_after(STORED_SECONDS):
        while await stored(database) != wanted:  # noqa: ASYNC110  # nobody tells of it
            await trio.sleep(0.1)


async def until_told(outbox: Outbox) -> None:
    """Wait until the outbox knows, too: it does not miss what it never learned to be stored."""
    with trio.fail_after(STORED_SECONDS):
        while outbox.rows:  # noqa: ASYNC110  # as before
            await trio.sleep(0.02)


@pytest.mark.parametrize(
    ("keep_stored_seconds", "failures"), [(60.0, 3), (0.0, 1)], ids=["within the time", "long after"]
)
async def test_rows_lost_by_a_restore_are_stored_again(
    server: OwnServer, tmp_path: Path, keep_stored_seconds: float, failures: int
) -> None:
    async with open_bridge(), open_database(server.url) as database, trio.open_nursery() as nursery:
        await database.init_db()
        with open_pipeline(tmp_path, database, a_target()) as pipeline, capture_logs() as logs:
            drain = Drain(pipeline.disk, pipeline.store, keep_stored_seconds=keep_stored_seconds)
            await pipeline.put([a_failure()], [UP])
            nursery.start_soon(drain.run, pipeline.ready)
            await until(database, (1, "up", None))
            await server.halt(FAST)
            backup = tmp_path / "backup"
            await trio.run_process(["cp", "--archive", str(server.data), str(backup)])  # with its owner
            await server.start()
            await pipeline.put([a_failure(at=MOMENT + number * SECOND) for number in (60, 70)], [DOWN])
            await until(database, (3, "down", "no answer"))
            await until_told(pipeline.disk.outbox)
            await server.halt(IMMEDIATE)
            server.data.rename(tmp_path / "lost")  # not deleted: the server's remaining processes may still write there
            backup.rename(server.data)
            await server.start()
            await until(database, (failures, "down", "no answer"))
            nursery.cancel_scope.cancel()
        assert len([line for line in logs if "lost" in line["event"]]) == 1

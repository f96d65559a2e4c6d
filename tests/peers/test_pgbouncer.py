"""The daemon's work on the database, through Debian's PgBouncer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.doubles import MOMENT, a_failure, a_target
from tests.integration.daemon import Folder
from tests.integration.history_rows import settings_of
from tests.integration.proxy import open_proxy
from tests.integration.replicas.memberships import all_share, open_replicas, started
from tests.peers.pgbouncer import running_pgbouncer
from tests.pipeline import open_pipeline
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import open_database, open_reading_database
from watcher.postgres.queries.streaming import stream_history
from watcher.postgres.reader import READ_SECONDS
from watcher.postgres.upkeep.upkeep import keep_up
from watcher.reporting.status import read_status

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.postgres.db import Database

STARTS = 3
YEAR = timedelta(days=365)


@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_all_of_it_works_through_a_pooler(mode: str, tmp_path: Path, test_db: Database, db_config: str) -> None:
    """A prepared statement of a lost session, or of another one, made every command fail after a restart."""
    async with open_proxy(db_config) as proxy:
        with running_pgbouncer(proxy.url(), mode) as url:
            for start in range(STARTS):
                async with (
                    open_database(url) as database,
                    open_reading_database(url, connections=2, most_seconds=2.0) as page_database,
                ):
                    await _work(database, page_database, tmp_path, start)
    assert len(await test_db.failures(limit=1000)) == STARTS * 100


async def test_a_command_does_not_wait_for_a_server_behind_it_that_hangs(tmp_path: Path, db_config: str) -> None:
    folder = Folder(tmp_path)
    async with open_proxy(db_config) as proxy:
        with running_pgbouncer(proxy.url(), "transaction") as url:
            folder.configure([], **settings_of(url))
            async with open_bridge(), open_database(url) as database:
                await database.ping()  # it accepts no client before it has connected to the server
            proxy.freeze()
            with trio.fail_after(READ_SECONDS):
                done = await folder.run("status")
            assert (done.returncode, done.stderr) == (3, b"watcher: the database does not answer in time\n")
            proxy.thaw()


async def _work(database: Database, page_database: Database, folder: Path, start: int) -> None:
    seen: list[dict[str, Any]] = []

    async def read() -> None:
        for number in range(10):
            await database.fetch(f"SELECT {number} AS number, count(*) FROM failures WHERE target = $1", "site")
            await read_status(page_database)

    with open_pipeline(folder, database, a_target("site")) as pipeline:
        await pipeline.put(
            a_failure("site", at=MOMENT + timedelta(hours=start, seconds=number)) for number in range(100)
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.drain_all)
            for _ in range(6):
                nursery.start_soon(read)
    assert (await keep_up(database, YEAR, datetime.now(UTC))).failed == []
    await stream_history(database, MOMENT - YEAR, MOMENT + YEAR, lambda _kind, rows: seen.extend(rows))
    assert len(seen) == (start + 1) * 100


@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_replicas_agree_through_a_pooler(mode: str, test_db: Database, db_config: str) -> None:
    """One mode delivers no notifications, so beats must suffice."""
    async with open_proxy(db_config) as proxy:
        with running_pgbouncer(proxy.url(), mode) as url:
            async with open_replicas(url) as make:
                ones = [await started(make()) for _ in range(3)]
                epoch = await all_share(ones)
                ones[0].freeze()
                await ones[0].membership.leave()
                assert await all_share(ones[1:]) == epoch + 1
                ones[1].freeze()
                assert await all_share(ones[2:]) == epoch + 2
                ones[1].thaw()
                assert await all_share(ones[1:], after=epoch + 2) == epoch + 3

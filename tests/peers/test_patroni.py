"""The daemon beside a Patroni cluster whose leader changes: nothing is lost, and the new leader is found."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from tests.integration.evidence import told_ids
from tests.integration.sites import answering, response, serving
from tests.peers.patroni import running_cluster
from watcher.postgres.db import Database, open_database
from watcher.postgres.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    import pytest

    from tests.integration.daemon import Daemon, Folder

INTERVAL_SECONDS = 0.2
# A failure reported as safe is in the new leader's table this soon after it leads.
DRAINED_SECONDS = 15.0


async def test_a_switchover_and_a_leader_that_is_killed_lose_nothing(
    bridge: None, folder: Folder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    failing = answering(response(status="500 Internal Server Error"))
    async with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster, serving(failing) as port:
        urls = [
            {"name": f"failing {n}", "address": f"http://127.0.0.1:{port}/", "interval": INTERVAL_SECONDS}
            for n in range(5)
        ]
        folder.configure(urls, **cluster.settings)
        async with folder.daemon() as daemon, open_database(cluster.url) as database:
            first = await cluster.leader()
            await _all_that_was_told_is_stored(daemon, database)
            await cluster.switch_over(first)
            second = await cluster.leader(other_than=first.name)
            await _all_that_was_told_is_stored(daemon, database)
            await cluster.leader()  # until the former one follows it
            second.kill()
            assert await cluster.leader(other_than=second.name) is first
            await _all_that_was_told_is_stored(daemon, database)
            status, _seconds = await daemon.stop()
            assert status == 0
            assert "waiting=0" in daemon.lines("stopped")[-1]
            rows = await database.fetch("SELECT id, count(*) AS times FROM failures GROUP BY id")
    told = set(told_ids(daemon.log.read_text()))
    assert told <= {str(row["id"]) for row in rows}
    assert {row["times"] for row in rows} == {1}


async def _all_that_was_told_is_stored(daemon: Daemon, database: Database) -> None:
    """Wait until present failures are in the table, and all before them."""
    before = len(told_ids(daemon.log.read_text()))
    await daemon.until(lambda: len(told_ids(daemon.log.read_text())) > before + 10)
    waiting = set(told_ids(daemon.log.read_text()))
    with trio.fail_after(DRAINED_SECONDS):
        while waiting:
            with suppress(DatabaseUnavailableError):  # the daemon creates the tables, and a leader may be on its way
                waiting -= {str(row["id"]) for row in await database.fetch("SELECT id FROM failures")}
            await trio.sleep(0.1)

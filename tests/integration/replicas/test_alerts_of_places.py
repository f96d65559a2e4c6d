"""Daemons at three places share a channel: a combined state is sent once, whichever daemon dispatches the channel."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import trio

from tests.integration.receivers import receiving
from tests.integration.replicas.fleet import PATIENCE_SECONDS
from tests.integration.replicas.place_fleet import PLACES, PlaceFleet, open_places
from tests.integration.replicas.told import Told, outbox_id
from tests.peers.mounts import unshared

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.postgres.db import Database

# Longer leases than elsewhere: a message may come twice where a lease ends, which is not tested here.
BEAT_SECONDS = 1.5
LEASES = (sys.executable, "-m", "tests.integration.replicas.short_leases", str(BEAT_SECONDS))
GONE = f"""
SELECT FROM members JOIN replicas USING (location)
WHERE location = $1 AND greatest(expires_at, alive_at) < now() - interval '{4 * BEAT_SECONDS} s'
"""
COMMAND = unshared("mount --bind hosts /etc/hosts", LEASES)


async def dispatching(fleet: PlaceFleet) -> str:
    """Return the place of the daemon that dispatches the channel."""
    query = "SELECT owner::text FROM channel_owners WHERE location = '*' AND owner IS NOT NULL"
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            owners = {row["owner"] for row in await fleet.database.fetch(query)}
            for place, replica in fleet.at.items():
                if replica.daemon is not None and outbox_id(replica) in owners:
                    return place
            await trio.sleep(0.05)


async def until(database: Database, query: str, *arguments: str) -> None:
    """Wait until a query finds something."""
    with trio.move_on_after(PATIENCE_SECONDS):
        while not await database.fetch(query, *arguments):  # noqa: ASYNC110  # other processes
            await trio.sleep(0.05)
        return
    raise AssertionError(f"{query}: {await database.fetch('SELECT * FROM states')}")


@pytest.mark.slow
async def test_a_combined_state_is_sent_once_by_any_place(
    bridge: None, test_db: Database, db_config: str, tmp_path: Path
) -> None:
    async with receiving() as receiver, open_places(tmp_path, test_db, db_config) as fleet:
        told = Told(receiver)
        webhook = {"url": f"http://127.0.0.1:{receiver.port}/"}
        channels = {"channels": [{"name": "ops", "webhook": webhook, "group_wait": 1, "group_interval": 0.1}]}
        everywhere = {"locations": list(PLACES), "quorum": 2}
        urls = [{"name": "shop", **everywhere}, {"name": "cart", "depends_on": ["shop"], **everywhere}]
        fleet.write([*urls, {"name": "wiki"}], channels)
        for replica in fleet.at.values():
            await replica.start(COMMAND)
        for name in ("shop", "cart"):
            await fleet.until_state(name, "up")
        first = await dispatching(fleet)
        fleet.sites.broken = {("shop", "sgp"), ("wiki", "sgp")}
        await fleet.until_state("shop", "degraded")
        await told.until("wiki", are=["down"])
        fleet.sites.broken -= {("wiki", "sgp")}
        await told.until("wiki", are=["down", "up"])
        # The dependent target goes down together with its parent.
        fleet.sites.broken |= {(name, place) for name in ("shop", "cart") for place in PLACES}
        await told.until("shop", are=["down"])
        titles = [post.document["title"] for post in receiver.posts]
        assert titles[:2] == ["wiki (sgp) is down", "wiki (sgp) is up"]
        assert titles[2].startswith("shop is down at "), titles
        assert receiver.posts[-1].document["targets"][0]["location"] == "*"
        await until(fleet.database, 'SELECT FROM channel_records WHERE payload LIKE \'%cart%"place":"parents"%\'')
        await fleet.at[first].kill()
        # While its place still counts, its last view says that both are down.
        await until(fleet.database, GONE, first)
        fleet.sites.broken = set()
        # On a busy machine, the last place may come up long after the others.
        with trio.fail_after(PATIENCE_SECONDS):
            while len(told.of_all()["shop"]) < 2:  # noqa: ASYNC110  # other processes
                await trio.sleep(0.05)
        assert await dispatching(fleet) != first
        for replica in fleet.at.values():
            if replica.daemon is not None:
                await replica.stop()
        assert told.of_all() in [{"shop": ["down", end], "wiki": ["down", "up"]} for end in ("up", "degraded")]
        assert not [line for line in fleet.said() if "Traceback" in line]

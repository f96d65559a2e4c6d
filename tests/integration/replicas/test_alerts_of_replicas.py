"""Real daemons share a channel: each change is sent once, whichever replica found it and whichever is gone by then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.integration.daemon import settings_for
from tests.integration.receivers import HttpReceiver, receiving
from tests.integration.replicas.fleet import INTERVAL_SECONDS, PATIENCE_SECONDS, Fleet, Replica, open_fleet
from tests.integration.replicas.told import Told, outbox_id

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.postgres.db import Database

NAMES = [f"site{number}" for number in range(12)]


def configure(fleet: Fleet, replica: Replica, receiver: HttpReceiver) -> None:
    common = {"interval": INTERVAL_SECONDS, "failure_threshold": 1, "success_threshold": 1}
    urls = [{"name": name, "address": f"{fleet.root}/{name}", **common} for name in NAMES]
    webhook = {"url": f"http://127.0.0.1:{receiver.port}/"}
    channel = {"name": "ops", "webhook": webhook, "group_wait": 2, "group_interval": 0.1}
    replica.folder.configure(urls, {"channels": [channel]}, **settings_for(*replica.proxies))


async def dispatching(fleet: Fleet) -> Replica:
    """Return the replica that dispatches the channel."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            for row in await fleet.database.fetch("SELECT owner::text FROM channel_owners WHERE owner IS NOT NULL"):
                for replica in fleet.replicas:
                    if replica.daemon is not None and row["owner"] == outbox_id(replica):
                        return replica
            await trio.sleep(0.05)


@pytest.mark.slow
async def test_each_change_is_sent_once_whichever_replica_found_it_or_is_gone(
    bridge: None, test_db: Database, db_config: str, tmp_path: Path
) -> None:
    async with receiving() as receiver, open_fleet(tmp_path, test_db, [db_config], 3, NAMES) as fleet:
        told = Told(receiver)
        for replica in fleet.replicas:
            configure(fleet, replica, receiver)
            await replica.start()
        await fleet.until_settled(3)
        first = await dispatching(fleet)
        fleet.sites.broken = set(NAMES)
        await told.until(*NAMES, are=["down"])
        await first.kill()
        fleet.sites.broken -= set(NAMES[:6])
        await told.until(*NAMES[:6], are=["down", "up"])
        await fleet.until_settled(2)
        await (await dispatching(fleet)).stop()
        fleet.sites.broken -= set(NAMES[6:9])
        await told.until(*NAMES[:9], are=["down", "up"])
        await fleet.until_settled(1)
        fleet.sites.broken -= set(NAMES[9:])
        await told.until(*NAMES, are=["down", "up"])
        await first.start()
        await fleet.until_settled(2)
        fleet.sites.broken = {NAMES[0]}
        await told.until(NAMES[0], are=["down", "up", "down"])
        for replica in fleet.replicas:
            if replica.daemon is not None:
                await replica.stop()
        assert not any("Traceback" in (one.folder.path / "stderr.log").read_text() for one in fleet.replicas)
        assert {name: told.of_all()[name] for name in NAMES[1:]} == {name: ["down", "up"] for name in NAMES[1:]}

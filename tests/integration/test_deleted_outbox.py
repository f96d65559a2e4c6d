"""Somebody deletes the files of a running daemon, while the database is down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.integration.daemon import START_SECONDS, Daemon, Folder, settings_for
from tests.integration.evidence import told_ids

if TYPE_CHECKING:
    from tests.integration.proxy import Proxy
    from watcher.postgres.db import Database

DELETED = "was deleted or replaced"
TARGETS = 5


async def test_an_outbox_that_is_deleted_loses_nothing(folder: Folder, proxy: Proxy, test_db: Database) -> None:
    urls = [{"name": f"dead {number}", "address": "http://127.0.0.1:1/", "interval": 0.2} for number in range(TARGETS)]
    folder.configure(urls, **settings_for(proxy))
    await proxy.shut()
    async with folder.daemon() as daemon:
        await _tell_more(daemon)
        _delete(folder)
        await daemon.until(lambda: len(daemon.lines(DELETED)) == 1)
        await _tell_more(daemon)
        _delete(folder)
        assert (await daemon.stop())[0] == 0
        assert len(daemon.lines(DELETED)) == 2
    told = set(told_ids(daemon.log.read_text()))
    await proxy.open()
    folder.configure([{**url, "enabled": False} for url in urls], **settings_for(proxy))
    async with folder.daemon():
        with trio.fail_after(START_SECONDS):
            while not told <= {str(row["id"]) for row in await test_db.fetch("SELECT id FROM failures")}:  # noqa: ASYNC110
                await trio.sleep(0.1)
    # The known states of targets stay known: none of them started anew.
    flips = await test_db.fetch("SELECT count(*) AS begun FROM flips WHERE before = 'pending'")
    assert flips == [{"begun": TARGETS}]


def _delete(folder: Folder) -> None:
    """Act as `rm data/outbox*`."""
    for path in (folder.path / "data").glob("outbox*"):
        path.unlink()


async def _tell_more(daemon: Daemon) -> None:
    told = len(daemon.lines(" failure "))
    await daemon.until(lambda: len(daemon.lines(" failure ")) > told + 10 * TARGETS)

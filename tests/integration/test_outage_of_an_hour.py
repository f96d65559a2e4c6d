"""An hour's failures and rollups wait in the outbox and reach PostgreSQL: all of them, in order, in little memory."""

from __future__ import annotations

import gc
from datetime import timedelta
from typing import TYPE_CHECKING

import psutil
import trio

from tests.doubles import MOMENT, a_failure, an_outcome
from watcher.model.conclusion import Conclusion
from watcher.outbox.minutes import ALL_MINUTES, close_minutes
from watcher.outbox.outbox import Outbox
from watcher.outbox.thread import OutboxThread
from watcher.outbox.writer import Bounds, OutboxWriter
from watcher.postgres.drain import Drain
from watcher.postgres.registration import Registration
from watcher.postgres.store import TableStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from watcher.model.outcome import Outcome
    from watcher.outbox.outbox import Entry
    from watcher.postgres.db import Database

SECONDS = 3600
FAILURES_A_SECOND = 10
# Written at once, by its own clock.
WRITTEN_SECONDS = 20
TARGETS = 100
MAX_GROWTH_BYTES = 50_000_000
DRAIN_SECONDS = 600.0


class Noting(TableStore):
    """A store that records its entries in order, and the memory of the process."""

    def __init__(self, database: Database, registration: Registration) -> None:
        super().__init__(database, registration)
        self.ids: list[int] = []
        self.most_bytes = 0

    async def store(self, entries: Sequence[Entry], follows: int | None = None) -> None:
        await super().store(entries, follows)
        self.ids += [entry.id for entry in entries]
        self.most_bytes = max(self.most_bytes, resident_bytes())


async def test_an_hour_is_kept_and_drained_in_order_and_in_little_memory(test_db: Database, tmp_path: Path) -> None:
    disk, told = OutboxThread(Outbox(tmp_path / "outbox.sqlite")), 0
    now, due, written = MOMENT, 0, trio.Event()

    def tell(_outcome: Outcome, stored: bool) -> None:
        nonlocal told
        told += stored
        if told == due:
            written.set()

    outbox_writer = OutboxWriter(disk, Bounds(2**30, 1e9), tell, lambda: None, clock=lambda: now.timestamp())
    gc.collect()
    before_bytes = most_bytes = resident_bytes()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox_writer.run)
        for second in range(SECONDS):
            now = MOMENT + timedelta(seconds=second)
            for place in range(FAILURES_A_SECOND):
                outbox_writer.put(Conclusion(a_failure(f"target {place}", at=now)))
            outbox_writer.put(Conclusion(an_outcome(f"target {second % TARGETS}", at=now)))
            if second % WRITTEN_SECONDS == WRITTEN_SECONDS - 1:
                due, written = (second + 1) * FAILURES_A_SECOND, trio.Event()
                await written.wait()
                most_bytes = max(most_bytes, resident_bytes())
        outbox_writer.close()
    await disk.run(lambda outbox: close_minutes(outbox, now.timestamp(), before_minute=ALL_MINUTES))
    waiting = disk.outbox.rows
    assert waiting > SECONDS * FAILURES_A_SECOND, "failures, and rollups"

    store = Noting(test_db, Registration("default", disk.outbox.id, MOMENT, ()))
    drain, ready = Drain(disk, store), trio.Event()
    ready.set()
    drain.close()  # so that it ends when all is stored
    with trio.fail_after(DRAIN_SECONDS):
        await drain.run(ready)
    assert disk.outbox.rows == 0
    await disk.run(Outbox.close)
    assert store.ids == sorted(set(store.ids))
    assert len(store.ids) == waiting
    assert max(most_bytes, store.most_bytes) < before_bytes + MAX_GROWTH_BYTES
    [stored] = await test_db.fetch("SELECT count(*) AS failures, count(DISTINCT id) AS ids FROM failures")
    assert stored == {"failures": SECONDS * FAILURES_A_SECOND, "ids": SECONDS * FAILURES_A_SECOND}
    [measured] = await test_db.fetch(
        "SELECT sum((results->>'status')::int) AS failed, sum((results->>'up')::int) AS succeeded FROM rollups"
    )
    assert measured == {"failed": SECONDS * FAILURES_A_SECOND, "succeeded": SECONDS}


def resident_bytes() -> int:
    """Return the memory of this process."""
    return int(psutil.Process().memory_info().rss)

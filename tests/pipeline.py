"""The path from the outbox to PostgreSQL, without checks, for tests with a real database."""

from __future__ import annotations

import uuid
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import trio

from tests.doubles import MOMENT
from watcher.outbox.encoding import encode_failure
from watcher.outbox.flip_door import record_flips
from watcher.outbox.outbox import Outbox
from watcher.outbox.thread import OutboxThread
from watcher.postgres.drain import Drain
from watcher.postgres.registration import Registration
from watcher.postgres.store import TableStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from watcher.model.outcome import Outcome
    from watcher.model.state import Flip
    from watcher.model.target import Target
    from watcher.postgres.db import Database

NOW = MOMENT.timestamp()


class Pipeline:
    """An outbox, and the drain that empties it into a database.

    Attributes:
        outbox: used by `put` only, and when nothing is drained.
        drain: must be run and closed.
    """

    def __init__(self, outbox: Outbox, database: Database, targets: Sequence[Target]) -> None:
        self.outbox = outbox
        self.disk = OutboxThread(outbox)
        self.store = TableStore(database, a_registration(*targets, outbox=outbox.id))
        self.drain = Drain(self.disk, self.store)
        self.ready = trio.Event()
        self.ready.set()

    async def put(self, failures: Iterable[Outcome] = (), flips: Iterable[Flip] = (), *, now: float = NOW) -> None:
        """Insert failures and flips into the outbox."""
        beside = [encode_failure(failure) for failure in failures]
        await self.disk.run(lambda outbox: record_flips(outbox, flips, now=now, beside=beside))
        self.drain.wake()

    async def put_raw(self, *entries: tuple[str, str]) -> None:
        """Insert kinds and payloads into the outbox."""
        await self.disk.run(lambda outbox: outbox.append(entries, now=NOW, minute=0))

    async def drain_all(self) -> None:
        """Store everything that waits."""
        drain = Drain(self.disk, self.store)
        drain.close()
        await drain.run(self.ready)


async def nothing_ended(flips: Sequence[Flip]) -> None:
    """Adopt what another outbox knew, where this one knows nothing."""
    assert not flips


def a_registration(*targets: Target, location: str = "default", outbox: uuid.UUID | None = None) -> Registration:
    """Return the message of a daemon that started just now to the database."""
    return Registration(location, outbox or uuid.uuid4(), MOMENT, targets)


@contextmanager
def open_pipeline(folder: Path, database: Database, *targets: Target) -> Iterator[Pipeline]:
    """Open the outbox of a folder while the block runs."""
    with closing(Outbox(folder / "outbox.sqlite")) as outbox:
        yield Pipeline(outbox, database, targets)

"""Replicas for tests: a membership each, without a daemon around it."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from watcher.cluster.membership import Membership
from watcher.cluster.values import Figures, Replica, Seat, Timing
from watcher.postgres.db import open_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

TIMING = Timing(ttl_seconds=3.0, beat_seconds=0.5, limit_seconds=0.45)
JOIN_SECONDS = 10.0
# For events that must come, however busy the machine is.
PATIENCE_SECONDS = 30.0
NAMES = tuple(f"site {number}" for number in range(60))


@dataclass
class One:
    """A replica, which may freeze."""

    membership: Membership
    seat: Seat
    nursery: trio.Nursery
    running: trio.CancelScope = field(default_factory=trio.CancelScope)

    async def run(self) -> None:
        self.running = trio.CancelScope()
        with self.running:
            await self.membership.run()

    def freeze(self) -> None:
        self.running.cancel()

    def thaw(self) -> None:
        self.nursery.start_soon(self.run)

    async def shares_with(self, others: Collection[One], after: int = 0) -> int:
        """Wait until it works by an agreement of these replicas later than an epoch, and return its epoch."""
        replicas = {one.seat.replica for one in others}
        with trio.fail_after(PATIENCE_SECONDS):
            while (share := self.membership.share) is None or share.agreed != replicas or share.epoch <= after:
                await self.membership.changed_from(share)
        return share.epoch


@asynccontextmanager
async def open_replicas(url: str) -> AsyncIterator[Callable[..., One]]:
    """Yield a factory of replicas."""
    async with open_database(url, connections=16) as database, trio.open_nursery() as nursery:

        def make(name: str = "one", *, replica: uuid.UUID | None = None, timing: Timing = TIMING) -> One:
            seat = Seat(replica or uuid.uuid4(), uuid.uuid4(), "f")
            figures = Figures(targets=3)
            membership = Membership(database, Replica("default", seat, name), lambda: figures, timing)
            return One(membership, seat, nursery)

        yield make
        nursery.cancel_scope.cancel()


async def started(one: One) -> One:
    assert await one.membership.join(JOIN_SECONDS) is not None
    one.thaw()
    return one


async def all_share(ones: Collection[One], after: int = 0) -> int:
    epochs = {await one.shares_with(ones, after) for one in ones}
    assert len(epochs) == 1
    are_covered(ones)
    return epochs.pop()


def are_covered(ones: Collection[One]) -> None:
    """Assert that each target has one owner among them."""
    shares = [one.membership.share for one in ones]
    assert all(sum(share is not None and share.holds(name) for share in shares) == 1 for name in NAMES)

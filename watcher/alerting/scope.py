"""Defines where channels are shared and with whom, and moves them between locations. Trio."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from watcher.alerting.table_events import Claims
from watcher.outbox.places.scope import leave_scope, open_anew
from watcher.outbox.shared_alerts import Step, take_over

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Mapping, Sequence

    from watcher.outbox.thread import OutboxThread


class Share(Protocol):
    """This replica's part of an agreement; see `watcher.cluster.protocol.Share`."""

    @property
    def epoch(self) -> int:
        """The number of the agreement."""

    @property
    def is_alone(self) -> bool:
        """Whether there is no other replica."""

    @property
    def is_mixed(self) -> bool:
        """Whether the agreement has replicas with different configurations."""

    def dispatches(self, channel: str) -> bool:
        """Whether this replica dispatches a channel."""

    def telling(self, channel: str) -> frozenset[uuid.UUID]:
        """Return the replicas of the agreement that have a channel."""


class Footing(Protocol):
    """The standing of this replica among the others."""

    @property
    def share(self) -> Share | None:
        """The newest agreement; None until the database has answered once."""

    def holds_lease(self) -> bool:
        """Whether no other replica can have claimed this one's work."""

    def is_cut_off(self) -> bool:
        """Whether the lease has ended and the database did not answer the request for another."""

    async def changed_from(self, known: object) -> object:
        """Return once the newest agreement is another than one that is known."""


class ChannelLook(Protocol):
    """The owner of a channel, and the number of the last event of this replica that the channel has read."""

    @property
    def owner(self) -> uuid.UUID | None:
        """The id of its outbox."""

    @property
    def taken(self) -> int | None:
        """None if it has read none."""


class Sending(Protocol):
    """Sends the messages of a channel; see `watcher.alerting.sender`."""

    def wake(self) -> None:
        """Look for new messages to send."""

    async def settle(self) -> None:
        """Wait until deliveries under way have been answered and the answers written."""


class Ledger(Claims, Protocol):
    """The tables of channels; see `watcher.postgres.queries.channels`. All raise StorageError."""

    async def look(self) -> tuple[Mapping[str, ChannelLook], int]:
        """Return the owner and position of each channel by name, and the number of the newest event."""

    async def forget(self) -> None:
        """Delete events that no replica needs any more."""

    def at(self, location: str) -> Ledger:
        """Return the tables of another location's channels."""

    async def bring_home(self, channel: str) -> tuple[int, dict[str, int]] | None:
        """Claim a channel to share it elsewhere; return its epoch and positions, None if another replica has it."""


@dataclass(frozen=True)
class Scope:
    """The location where channels are shared, and the replicas that share them.

    Attributes:
        location: of all replicas that share them; `*` for several places.
        ledger: the tables of its channels.
        footing: the standing of this replica among the others.
    """

    location: str
    ledger: Ledger
    footing: Footing


class Joining:
    """The footing of a replica that has not yet joined the others of its scope."""

    share = None

    def holds_lease(self) -> bool:
        """Whether no other replica can have claimed this one's work."""
        return False

    def is_cut_off(self) -> bool:
        """Whether the lease has ended and the database did not answer the request for another."""
        return False

    async def changed_from(self, _known: object) -> object:
        """Return never: it has none."""
        await trio.sleep_forever()


class Move:
    """Takes the records and messages of channels from the tables into the outbox, to hand them over elsewhere."""

    def __init__(self, disk: OutboxThread, former: Ledger, location: str, clock: Callable[[], float]) -> None:
        """Create one.

        Args:
            disk: the outbox, with no alert event or step left to store.
            former: the tables of the channels at the former location.
            location: the former one.
            clock: seconds since 1970.
        """
        self._disk = disk
        self._former = former
        self._location = location
        self._clock = clock

    async def make(self, channels: Sequence[str], *, must: bool) -> bool:
        """Take the channels that no other living replica has, and leave the former location.

        Args:
            channels: their names.
            must: whether to move even if another replica still has a channel. What that replica has sent is then not
                known here, so that open incidents are sent once more.

        Returns:
            whether they were moved.

        Raises:
            StorageError, OutboxUnavailableError: they were not moved.
        """
        homes = {name: await self._former.bring_home(name) for name in channels}
        is_left = None in homes.values()
        if is_left and not must:
            return False
        # The epoch is -1 where the channel was never shared: then there is nothing to take home.
        found = {name: home for name, home in homes.items() if home is not None and home[0] >= 0}
        steps = [await self._take_up(name, *home) for name, home in found.items()]
        moment = datetime.fromtimestamp(self._clock(), UTC)
        reopened = await self._disk.run(partial(open_anew, now=moment)) if is_left else []
        await self._disk.run(partial(leave_scope, steps=steps, reopened=reopened, now=self._clock()))
        return True

    async def _take_up(self, channel: str, epoch: int, positions: Mapping[str, int]) -> Step:
        """Copy the records and messages of a channel to the outbox; return the step by which the tables drop them."""
        records, messages = await self._former.load(channel)
        position = positions.get(str(self._disk.outbox.id), 0)
        taken = partial(take_over, channel=channel, position=position, records=records, messages=messages)
        await self._disk.run(partial(taken, now=self._clock()))
        return Step(self._location, channel, self._disk.outbox.id, epoch)

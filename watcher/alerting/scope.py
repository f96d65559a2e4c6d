"""Where channels are shared, and with whom; and how what is known of them moves to where they are shared next. Trio."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

from watcher.alerting.table_events import Claims
from watcher.outbox.places.scope import leave_scope, open_anew
from watcher.outbox.shared_alerts import Step, take_over

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Mapping, Sequence

    from watcher.outbox.thread import OutboxThread


class Share(Protocol):
    """What is agreed on; see `watcher.cluster.protocol.Share`."""

    @property
    def epoch(self) -> int:
        """Of the agreement."""

    @property
    def is_alone(self) -> bool:
        """Whether there is no other replica."""

    @property
    def is_mixed(self) -> bool:
        """Whether replicas are agreed on that work by different configurations."""

    def dispatches(self, channel: str) -> bool:
        """Whether a channel is this replica's."""

    def telling(self, channel: str) -> frozenset[uuid.UUID]:
        """Return the replicas that are agreed on and have a channel."""


class Footing(Protocol):
    """How this replica stands with the others."""

    @property
    def share(self) -> Share | None:
        """What is agreed on; None where nobody could be asked yet."""

    def holds_lease(self) -> bool:
        """Whether no other replica may have taken over what this one has."""

    def is_cut_off(self) -> bool:
        """Whether the lease is over, and the database could not be asked for another one."""


class ChannelLook(Protocol):
    """Whose a channel is, and until which number it has taken in the events of this replica."""

    @property
    def owner(self) -> uuid.UUID | None:
        """The id of its outbox."""

    @property
    def taken(self) -> int | None:
        """None where it has taken in none."""


class Sending(Protocol):
    """Who sends the messages of a channel; see `watcher.alerting.sender`."""

    def wake(self) -> None:
        """Say that there may be something new to send."""

    async def settle(self) -> None:
        """Wait until what is being tried has been answered, and that is noted."""


class Ledger(Claims, Protocol):
    """The tables of channels; see `watcher.postgres.queries.channels`. All raise StorageError."""

    async def look(self) -> tuple[Mapping[str, ChannelLook], int]:
        """Return how the channels stand, by name, and the number of the newest event."""

    async def forget(self) -> None:
        """Delete events that nobody needs any more."""

    def at(self, location: str) -> Ledger:
        """Return the tables of another location's channels."""

    async def bring_home(self, channel: str) -> tuple[int, dict[str, int]] | None:
        """Take a channel to share it elsewhere; return the epoch and the positions, None where another has it."""


@dataclass(frozen=True)
class Scope:
    """Where channels are shared, and with whom.

    Attributes:
        location: of all that share them; `*` where several places do.
        ledger: the tables of its channels.
        footing: how this replica stands with the others.
    """

    location: str
    ledger: Ledger
    footing: Footing


class Joining:
    """The footing of a replica that has not asked the others of its scope yet."""

    share = None

    def holds_lease(self) -> bool:
        """Whether no other replica may have taken over what this one has."""
        return False

    def is_cut_off(self) -> bool:
        """Whether the lease is over, and the database could not be asked for another one."""
        return False


class Move:
    """Takes home what is known of channels, so that it can be handed over elsewhere."""

    def __init__(self, disk: OutboxThread, former: Ledger, location: str, clock: Callable[[], float]) -> None:
        """Make one.

        Args:
            disk: the outbox; nothing of it is on its way to the tables.
            former: the tables where the channels were shared until now.
            location: of these.
            clock: seconds since 1970.
        """
        self._disk = disk
        self._former = former
        self._location = location
        self._clock = clock

    async def make(self, channels: Sequence[str], *, must: bool) -> bool:
        """Take home what no other living replica has, and let go of the rest: of that, what is open is told anew.

        Args:
            channels: their names.
            must: whether to do it even where another replica has one.

        Returns:
            whether it was done.

        Raises:
            StorageError, OutboxUnavailableError: it was not.
        """
        homes = {name: await self._former.bring_home(name) for name in channels}
        is_left = None in homes.values()
        if is_left and not must:
            return False
        found = {name: home for name, home in homes.items() if home is not None and home[0] >= 0}
        steps = [await self._take_up(name, *home) for name, home in found.items()]
        moment = datetime.fromtimestamp(self._clock(), UTC)
        reopened = await self._disk.run(partial(open_anew, now=moment)) if is_left else []
        await self._disk.run(partial(leave_scope, steps=steps, reopened=reopened, now=self._clock()))
        return True

    async def _take_up(self, channel: str, epoch: int, positions: Mapping[str, int]) -> Step:
        """Take up what the tables know of a channel; return the step by which they forget it."""
        records, messages = await self._former.load(channel)
        position = positions.get(str(self._disk.outbox.id), 0)
        taken = partial(take_over, channel=channel, position=position, records=records, messages=messages)
        await self._disk.run(partial(taken, now=self._clock()))
        return Step(self._location, channel, self._disk.outbox.id, epoch)

"""Reads the events of all replicas from the tables, for the dispatcher of a shared channel. Trio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog
import trio

from watcher.alerting.messages import Kept, row_of, write_decision
from watcher.alerting.policy.encoding import decode_event, routes_in
from watcher.model.alerts.rows import UnreadableRowError, reading
from watcher.model.clock_trust import wall_seconds
from watcher.outbox.encoding import CHANNEL_STEP
from watcher.outbox.shared_alerts import (
    add_messages,
    decode_handover,
    is_on_its_way,
    rows_for_step,
    take_over,
)
from watcher.postgres.errors import StorageError

if TYPE_CHECKING:
    import uuid
    from collections import Counter
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from watcher.alerting.policy.event import AlertEvent, Handover, Incident
    from watcher.alerting.policy.view import Decision
    from watcher.outbox.outbox import Outbox
    from watcher.outbox.shared_alerts import Step
    from watcher.outbox.thread import OutboxThread

Result = TypeVar("Result")

log = structlog.get_logger()

RETRY_SECONDS = 0.5
# How long a living owner may take to release a channel: three beats.
FORCE_SECONDS = 6.0


class StoredEvent(Protocol):
    """An alert event or a handover of a channel, as stored in the tables."""

    @property
    def origin(self) -> str:
        """The id of the outbox that wrote it."""

    @property
    def number(self) -> int:
        """Its number in that outbox."""

    @property
    def is_handover(self) -> bool:
        """Whether it is a handover."""

    @property
    def payload(self) -> str:
        """Its text."""


class Claims(Protocol):
    """The tables of channels; see `watcher.postgres.queries.channels`. All raise StorageError."""

    async def claim(self, channel: str, epoch: int, *, force: bool = False) -> dict[str, int] | None:
        """Claim a channel; return the number of its last read event by origin, None if another replica has it."""

    async def load(self, channel: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
        """Return the records and the waiting messages of a claimed channel."""

    async def events(self, channel: str, positions: Mapping[str, int], limit: int) -> Sequence[StoredEvent]:
        """Return the oldest events that a channel has not read."""

    async def open_places(self) -> list[tuple[str, str]]:
        """Return the location and name of each target that may have an open incident."""

    async def incidents_at(self, places: Sequence[tuple[str, str]]) -> list[Incident]:
        """Return the open incidents of targets, given by location and name."""

    async def settled(self, messages: list[str]) -> set[str]:
        """Return the ids of those messages that were sent or given up."""


class TableEvents:
    """The events of all replicas that share a channel, for the replica that dispatches it.

    Attributes:
        step: carries the claim of the channel; decisions are written with it.
        has_claimed: whether this replica has the channel.
        is_caught_up: whether the last read returned all events in the tables.
        is_looking: whether the channel lacks an open incident whose event may still come.
        steps: the number of decisions written; `stored_steps`: how many of them are known to be in the tables.
    """

    def __init__(
        self,
        disk: OutboxThread,
        claims: Claims,
        step: Step,
        written: Callable[[], None],
        force_seconds: float = FORCE_SECONDS,
        clock: Callable[[], float] = wall_seconds,
        prepare: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
        tellers: Callable[[], Iterable[uuid.UUID]] = tuple,
        routes: dict[tuple[str, str], float] | None = None,
    ) -> None:
        """Create one without the claim; `kept` makes it.

        Args:
            disk: the outbox.
            claims: the tables.
            step: carries the claim to make.
            written: called when messages were taken from the tables.
            force_seconds: how long a living owner may take to release the channel.
            clock: seconds since 1970.
            prepare: called when the channel is claimed, before anything is decided; may raise StorageError.
            tellers: returns the replicas that have the channel. Until each of them has handed over or sent an event,
                the incidents that the channel lacks are not known.
            routes: filled with the routes of events from the files of others; see `View.routes_elsewhere`.
        """
        self.step = step
        self.has_claimed = self.is_caught_up = self.is_looking = False
        self.steps = self.stored_steps = 0
        self._disk = disk
        self._claims = claims
        self._written = written
        self._force_seconds = force_seconds
        self._clock = clock
        self._prepare = prepare
        self._tellers = tellers
        self._routes = {} if routes is None else routes
        self._positions: dict[str, int] = {}
        self._taken: dict[str, int] = {}
        self._messages: list[dict[str, Any]] = []
        # The location and target of each open incident that the channel lacks, and since when.
        self._lacking: dict[tuple[str, str], float] = {}

    async def kept(self) -> Kept:
        """Claim the channel once it is free, and return its records and position."""
        channel, begun = self.step.channel, trio.current_time()
        self._taken, self._messages = {}, []
        while True:
            # The decisions of a former claim must be stored first: after another claim they would not be applied.
            while await self._disk.run(partial(is_on_its_way, kind=CHANNEL_STEP)):  # noqa: ASYNC110  # a file
                await trio.sleep(RETRY_SECONDS)
            force = trio.current_time() - begun >= self._force_seconds
            positions = await _until_answered(partial(self._claims.claim, channel, self.step.epoch, force=force))
            if positions is not None:
                break
            await trio.sleep(RETRY_SECONDS)
        records, messages = await _until_answered(partial(self._claims.load, channel))
        await _until_answered(self._prepare)
        self._positions = positions
        taken = partial(take_over, channel=channel, position=self._own_position, records=records, messages=messages)
        await self._disk.run(partial(taken, now=self._clock()))
        self.has_claimed = True
        log.info("channel taken over", channel=channel, epoch=self.step.epoch, messages=len(messages))
        self._written()
        return Kept(self._own_position, records)

    async def read(
        self, limit: int, lacks: Callable[[str, str], bool] | None
    ) -> tuple[Sequence[AlertEvent | Handover], Sequence[Incident] | None]:
        """Return the oldest events that the channel has not read, and incidents that it lacks; see `Source`."""
        positions = {**self._positions, **self._taken}
        stored = await _until_answered(partial(self._claims.events, self.step.channel, positions, limit))
        found: list[AlertEvent | Handover] = []
        messages: list[dict[str, Any]] = []
        for one in stored:
            try:
                if one.is_handover:
                    handover, waiting = decode_handover(one.payload)
                    found.append(handover)
                    messages += waiting
                else:
                    found.append(decode_event(one.number, one.payload))
                    self._note_routes(one)
            except UnreadableRowError as error:
                log.error("unreadable alert event skipped", origin=one.origin, error=error)
        settled = await _until_answered(partial(self._claims.settled, [message["id"] for message in messages]))
        # Only now: an interrupted read is repeated.
        self._taken |= {one.origin: one.number for one in stored}
        self._messages += [message for message in messages if message["id"] not in settled]
        self.is_caught_up = len(stored) < limit
        return found, await self._opened(lacks)

    def _note_routes(self, event: StoredEvent) -> None:
        try:
            with reading("routes of an alert event"):
                target, routes = routes_in(event.payload) or ("", {})
        except UnreadableRowError as error:
            log.error("alert event read without its routes", origin=event.origin, error=error)
            return
        if self.step.channel in routes:
            self._routes[self.step.channel, target] = routes[self.step.channel]

    async def _opened(self, lacks: Callable[[str, str], bool] | None) -> Sequence[Incident] | None:
        """Return the open incidents that the channel lacks; None while a replica may have sent some of them itself."""
        if lacks is None:
            return ()
        known = self._positions.keys() | self._taken.keys()
        if not self.is_caught_up or any(str(origin) not in known for origin in self._tellers()):
            return None
        # Read after the events, so that no incident is found here whose end was read before.
        places = await _until_answered(self._claims.open_places)
        now = trio.current_time()
        self._lacking = {place: self._lacking.get(place, now) for place in places if lacks(*place)}
        # A replica that notified the channel itself while cut off hands that over within this time.
        due = [place for place, since in self._lacking.items() if now >= since + self._force_seconds]
        self.is_looking = len(due) < len(self._lacking)
        return await _until_answered(partial(self._claims.incidents_at, due)) if due else ()

    async def write(self, decision: Decision, now: float) -> Counter[str]:
        """Write a decision to the outbox, for this replica and the tables; return the messages given up, by channel."""
        taken, handed_over = dict(self._taken), list(self._messages)
        self._positions |= taken
        rows = rows_for_step([*handed_over, *(row_of(message) for message in decision.messages)])
        step = self.step.entry(taken, decision.changed, rows)
        position = self._own_position

        def write(outbox: Outbox) -> Counter[str]:
            if handed_over:
                add_messages(outbox, handed_over, self.step.entry({}, {}, rows[: len(handed_over)]), now)
            channel, messages = self.step.channel, decision.messages
            return write_decision(outbox, channel, position, messages, decision.changed, now, beside=[step])

        self.steps += 1
        given_up = await self._disk.run(write)
        self._taken, self._messages = {}, []
        self._written()
        return given_up

    @property
    def is_stored(self) -> bool:
        """Whether the tables have every decision: only then would the next owner send the same messages."""
        return self.stored_steps == self.steps

    async def look_for_stored(self) -> None:
        """Find out whether the tables have every decision."""
        steps = self.steps
        if not await self._disk.run(partial(is_on_its_way, kind=CHANNEL_STEP)):
            self.stored_steps = steps

    @property
    def _own_position(self) -> int:
        return self._positions.get(str(self.step.owner), 0)


async def _until_answered(ask: Callable[[], Awaitable[Result]]) -> Result:
    """Query the tables until they answer; `AlertSharing` stops the dispatcher if that takes too long."""
    while True:
        try:
            return await ask()
        except StorageError:  # the drain logs it
            await trio.sleep(RETRY_SECONDS)

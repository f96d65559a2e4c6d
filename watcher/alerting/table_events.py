"""What a dispatcher decides on where replicas share: the events of all, from the tables. Trio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog
import trio

from watcher.alerting.messages import Kept, row_of, write_decision
from watcher.alerting.policy.encoding import decode_event
from watcher.model.alerts.rows import UnreadableRowError
from watcher.model.clock_trust import wall_seconds
from watcher.outbox.encoding import CHANNEL_STEP
from watcher.outbox.shared_alerts import add_messages, decode_handover, is_on_its_way, rows_for_step, take_over
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
# For so long an owner that lives may take to release a channel: three beats.
FORCE_SECONDS = 6.0


class StoredEvent(Protocol):
    """Something that has happened, or that a replica has handed over."""

    @property
    def origin(self) -> str:
        """The id of the outbox that it is from."""

    @property
    def number(self) -> int:
        """Its number there."""

    @property
    def is_handover(self) -> bool:
        """Whether it was handed over."""

    @property
    def payload(self) -> str:
        """Its text."""


class Claims(Protocol):
    """The tables of channels; see `watcher.postgres.queries.channels`. All raise StorageError."""

    async def claim(self, channel: str, epoch: int, *, force: bool = False) -> dict[str, int] | None:
        """Claim a channel; return until which number of each origin it is told, None where it is not free."""

    async def load(self, channel: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
        """Return the records of a channel that was claimed, and the messages that wait."""

    async def events(self, channel: str, positions: Mapping[str, int], limit: int) -> Sequence[StoredEvent]:
        """Return the oldest that a channel has not taken in."""

    async def open_places(self) -> list[tuple[str, str]]:
        """Return the location and name of each target of which an incident may be open."""

    async def incidents_at(self, places: Sequence[tuple[str, str]]) -> list[Incident]:
        """Return the incidents of targets that are open, by their locations and names."""

    async def settled(self, messages: list[str]) -> set[str]:
        """Return the ids of those messages that were sent or given up, of some."""


class TableEvents:
    """The events of all replicas of a location, for the one that dispatches a channel.

    Attributes:
        step: by which claim.
        has_claimed: whether the channel is this replica's.
        is_caught_up: whether all that is in the tables was taken in when they were asked last.
        is_looking: whether something is open that the channel lacks, and that may be on its way.
        steps: how many steps were decided on; `stored_steps`: of how many it is known that the tables have them.
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
    ) -> None:
        """Make one that has claimed nothing yet.

        Args:
            disk: the outbox.
            claims: the tables.
            step: by which claim.
            written: called when messages were taken over.
            force_seconds: for how long an owner that lives is waited for.
            clock: seconds since 1970.
            prepare: called when the channel is claimed, before anything is decided; may raise StorageError.
            tellers: returns the replicas that have the channel. Until it is known what each of them has told itself,
                nobody can say what the channel lacks.
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
        self._positions: dict[str, int] = {}
        self._taken: dict[str, int] = {}
        self._messages: list[dict[str, Any]] = []
        self._lacking: dict[
            tuple[str, str], float
        ] = {}  # what is open and the channel lacks, and since when that is known

    async def kept(self) -> Kept:
        """Claim the channel, when it is free, and return what is known of it."""
        channel, begun = self.step.channel, trio.current_time()
        self._taken, self._messages = {}, []
        while True:
            # What was decided by a former claim comes first: it would not be applied after another one.
            while await self._disk.run(partial(is_on_its_way, kind=CHANNEL_STEP)):  # noqa: ASYNC110  # a file
                await trio.sleep(RETRY_SECONDS)
            force = trio.current_time() - begun >= self._force_seconds
            positions = await _asked(partial(self._claims.claim, channel, self.step.epoch, force=force))
            if positions is not None:
                break
            await trio.sleep(RETRY_SECONDS)
        records, messages = await _asked(partial(self._claims.load, channel))
        await _asked(self._prepare)
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
        """Return the oldest that the channel has not taken in, at most `limit`, and what is open and it lacks."""
        positions = {**self._positions, **self._taken}
        stored = await _asked(partial(self._claims.events, self.step.channel, positions, limit))
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
            except UnreadableRowError as error:
                log.error("an alert event that cannot be read is passed over", origin=one.origin, error=error)
        settled = await _asked(partial(self._claims.settled, [message["id"] for message in messages]))
        # Only now: what is cut off before is read once more.
        self._taken |= {one.origin: one.number for one in stored}
        self._messages += [message for message in messages if message["id"] not in settled]
        self.is_caught_up = len(stored) < limit
        return found, await self._opened(lacks)

    async def _opened(self, lacks: Callable[[str, str], bool] | None) -> Sequence[Incident] | None:
        """Return what is open and the channel lacks; None while it may have been told of it by who has not said so."""
        if lacks is None:
            return ()
        known = self._positions.keys() | self._taken.keys()
        if not self.is_caught_up or any(str(origin) not in known for origin in self._tellers()):
            return None
        # After the events: what has ended by one that was taken in is not open here.
        places = await _asked(self._claims.open_places)
        now = trio.current_time()
        self._lacking = {place: self._lacking.get(place, now) for place in places if lacks(*place)}
        # Whoever has found it, and may have told of it while cut off, says so within some time.
        due = [place for place, since in self._lacking.items() if now >= since + self._force_seconds]
        self.is_looking = len(due) < len(self._lacking)
        return await _asked(partial(self._claims.incidents_at, due)) if due else ()

    async def write(self, decision: Decision, now: float) -> Counter[str]:
        """Write a decision as a whole, here and for the tables; return how many messages were given up, by channel."""
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
        """Whether the tables have all that was decided: whoever comes next sends the same messages, not others."""
        return self.stored_steps == self.steps

    async def look_for_stored(self) -> None:
        """Find out whether the tables have all that was decided."""
        steps = self.steps
        if not await self._disk.run(partial(is_on_its_way, kind=CHANNEL_STEP)):
            self.stored_steps = steps

    @property
    def _own_position(self) -> int:
        return self._positions.get(str(self.step.owner), 0)


async def _asked(ask: Callable[[], Awaitable[Result]]) -> Result:
    """Ask the tables until they answer: whoever is cut off for too long is told to go on alone."""
    while True:
        try:
            return await ask()
        except StorageError:  # the drain tells of it
            await trio.sleep(RETRY_SECONDS)

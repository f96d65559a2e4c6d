"""Other targets while the daemon runs: loops, outbox and database are told, in the order in which nothing is lost."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.model.resumption import reassign
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.startup import note, standings_of
from watcher.recording.recorder import GATHER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.checking.roster import Roster
    from watcher.model.conclusion import Conclusion
    from watcher.model.difference import Difference
    from watcher.model.resumption import Resumption
    from watcher.model.state import Standing
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread
    from watcher.outbox.writer import OutboxWriter
    from watcher.postgres.drain import Drain
    from watcher.postgres.store import TableStore

log = structlog.get_logger()

# How long a disk that is stuck or full may hold up the checks, each time it is asked.
SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class Books:
    """Where it is written down which targets are watched.

    Attributes:
        location: where this replica stands.
        conclusions: the channel to the recorder.
        outbox_writer: takes what the recorder has.
        disk: the outbox.
        drain, store: to the database.
        clock: seconds since 1970.
    """

    location: str
    conclusions: trio.MemorySendChannel[Conclusion]
    outbox_writer: OutboxWriter
    disk: OutboxThread
    drain: Drain
    store: TableStore
    clock: Callable[[], float] = time.time

    async def take_over(self, roster: Roster, found: Difference, targets: Sequence[Target]) -> None:
        """Begin, end and begin anew what has changed; what has not is not touched.

        Args:
            roster: the loops.
            found: the difference.
            targets: all that are to be watched from now on.
        """
        ended = await roster.end([target.name for target in (*found.removed, *found.changed)])
        beginning = (*found.added, *found.changed)
        now = datetime.fromtimestamp(self.clock(), UTC)
        past = {**await self._past_of(found.added), **ended}
        resumption = reassign(beginning, (target.name for target in found.removed), past, self.location, now)
        standings = {**past, **resumption.standings}
        await roster.begin([target for target in beginning if target.name not in resumption.news], standings)
        if resumption.news:
            if not await self._note(resumption, now):
                # Who is paused no more still is to its first check, which says so when all can be written again.
                enabled = (target.name for target in beginning if target.enabled)
                standings |= {name: past[name] for name in enabled if name in past}
            await roster.begin([target for target in beginning if target.name in resumption.news], standings)
        self.store.registration = replace(self.store.registration, targets=targets)
        self.drain.open_again()

    async def _past_of(self, added: Sequence[Target]) -> dict[str, Standing]:
        """Find out where targets stand that come back, paused as they are since they went."""
        if not added:
            return {}
        names = [target.name for target in added]
        with suppress(OutboxUnavailableError), trio.move_on_after(SETTLE_SECONDS):
            return await self.disk.run(lambda outbox: standings_of(outbox, names, self.location))
        return {}

    async def _note(self, resumption: Resumption, now: datetime) -> bool:
        """Write down who is paused and who no more, after what the last checks came to: flips form a chain.

        Returns:
            whether that is known to be written.
        """
        with trio.move_on_after(SETTLE_SECONDS):
            while not self._is_settled():  # noqa: ASYNC110  # what settles has its own tasks, each with its own time
                await trio.sleep(GATHER_SECONDS)
        try:
            with trio.fail_after(SETTLE_SECONDS):
                await self.disk.run(lambda outbox: note(outbox, resumption, self.location, now.timestamp()))
        except (OutboxUnavailableError, trio.TooSlowError) as error:
            log.error("the outbox cannot be told what is no longer watched, the next start will", error=error)
            return False
        return True

    def _is_settled(self) -> bool:
        # The recorder hands on what it takes out of the channel in the same step.
        return self.conclusions.statistics().current_buffer_used == 0 and self.outbox_writer.is_idle

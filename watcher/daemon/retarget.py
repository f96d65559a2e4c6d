"""Other targets while the daemon runs: all who must know are told, in the order in which nothing is lost."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.model.resumption import reassign
from watcher.model.state import NEVER_CHECKED, Standing, State
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.startup import note, standings_of
from watcher.recording.recorder import GATHER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watcher.checking.check_context import CheckContext
    from watcher.checking.roster import Roster
    from watcher.model.conclusion import Conclusion
    from watcher.model.difference import Difference
    from watcher.model.resumption import Resumption
    from watcher.model.target import Target
    from watcher.outbox.outbox import Outbox
    from watcher.outbox.thread import OutboxThread
    from watcher.outbox.writer import OutboxWriter
    from watcher.postgres.drain import Drain
    from watcher.recording.board import Board

log = structlog.get_logger()

# How long a disk that is stuck or full may hold up the checks, each time it is asked.
SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class WatchedTargets:
    """The targets that are watched, and all who must know which they are.

    Attributes:
        context: what checks need.
        roster: the loops.
        conclusions: the channel to the recorder.
        outbox_writer: takes what the recorder has.
        disk: the outbox.
        drain: to the database.
        board: has the newest of each.
        clock: seconds since 1970.
    """

    context: CheckContext
    roster: Roster
    conclusions: trio.MemorySendChannel[Conclusion]
    outbox_writer: OutboxWriter
    disk: OutboxThread
    drain: Drain
    board: Board
    clock: Callable[[], float] = time.time

    async def begin(self, targets: Sequence[Target], standings: Mapping[str, Standing]) -> None:
        """Begin to watch targets that are not watched yet.

        Args:
            targets: with names of their own.
            standings: where they stand, by name; what is not among them was never checked.
        """
        self.board.place({target.name: standings.get(target.name, NEVER_CHECKED) for target in targets})
        await self.roster.begin(targets, standings)

    async def change(self, found: Difference, moved: frozenset[str] = frozenset()) -> dict[str, Standing]:
        """Begin, end and begin anew what has changed; what has not is not touched.

        Args:
            found: the difference, whoever has found it.
            moved: the names of those that are not removed altogether, but watched elsewhere from now on: they are not
                paused, and what this outbox knows of them is forgotten.

        Returns:
            where those stand that moved, by name.
        """
        ended = await self.roster.end([target.name for target in (*found.removed, *found.changed)])
        removed = [target.name for target in found.removed if target.name not in moved]
        beginning = (*found.added, *found.changed)
        now = datetime.fromtimestamp(self.clock(), UTC)
        past = {**_going_on(found.renamed, ended, now), **await self._past_of(found.added), **ended}
        resumption = reassign(beginning, removed, past, self.context.location, now, found.renamed)
        standings = {**past, **resumption.standings}
        await self.begin([target for target in beginning if target.name not in resumption.news], standings)
        if (resumption.news or moved) and not await self._note(resumption, moved, found.renamed, now):
            # Who is paused no more still is to its first check, which says so when all can be written again.
            enabled = (target.name for target in beginning if target.enabled)
            standings |= {name: past[name] for name in enabled if name in past}
        await self.begin([target for target in beginning if target.name in resumption.news], standings)
        self.drain.retarget(found.targets)
        self.context.forget_all_but(found.targets)
        self.board.drop(target.name for target in found.removed)
        return {name: ended[name] for name in moved}

    async def _past_of(self, added: Sequence[Target]) -> dict[str, Standing]:
        """Find out where targets stand that come back, paused as they are since they went."""
        if not added:
            return {}
        names = [target.name for target in added]
        with suppress(OutboxUnavailableError), trio.move_on_after(SETTLE_SECONDS):
            return await self.disk.run(lambda outbox: standings_of(outbox, names, self.context.location))
        return {}

    async def _note(
        self, resumption: Resumption, moved: frozenset[str], renamed: Mapping[str, str], now: datetime
    ) -> bool:
        """Write down who is paused and who no more, after what the last checks came to: flips form a chain.

        Returns:
            whether that is known to be written.
        """
        location = self.context.location

        def write(outbox: Outbox) -> None:
            note(outbox, resumption, location, now.timestamp(), renamed)
            outbox.forget_standings(location, moved)

        with trio.move_on_after(SETTLE_SECONDS):
            while not self._is_settled():  # noqa: ASYNC110  # what settles has its own tasks, each with its own time
                await trio.sleep(GATHER_SECONDS)
        try:
            with trio.fail_after(SETTLE_SECONDS):
                await self.disk.run(write)
        except (OutboxUnavailableError, trio.TooSlowError) as error:
            log.error("the outbox cannot be told what is no longer watched, the next start will", error=error)
            return False
        return True

    def _is_settled(self) -> bool:
        # The recorder hands on what it takes out of the channel in the same step.
        return self.conclusions.statistics().current_buffer_used == 0 and self.outbox_writer.is_idle


def _going_on(renamed: Mapping[str, str], ended: Mapping[str, Standing], now: datetime) -> dict[str, Standing]:
    """Return where targets begin that have another name: what is in trouble still is, as after a restart.

    Args:
        renamed: new names, by the former ones.
        ended: where those stood that are watched no more.
        now: the moment, with a time zone.
    """
    interrupted = {new: ended[old].interrupted(now) for old, new in renamed.items() if old in ended}
    return {
        new: Standing(State.UNKNOWN, now, before)
        for new, standing in interrupted.items()
        if (before := (standing.shadow or standing).before) in {State.DOWN, State.DEGRADED}
    }

"""Other targets while the daemon runs: all who must know are told, in the order in which nothing is lost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
import trio

from watcher.checking.roster import NOBODY_CHECKED
from watcher.model.clock_trust import wall_seconds
from watcher.model.resumption import reassign, take_over
from watcher.model.state import NEVER_CHECKED, Standing, State
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.startup import note, release, standings_of
from watcher.recording.recorder import GATHER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watcher.checking.check_context import CheckContext
    from watcher.checking.roster import Roster
    from watcher.model.conclusion import Conclusion
    from watcher.model.difference import Difference
    from watcher.model.resumption import Resumption, Taken
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
    clock: Callable[[], float] = wall_seconds

    async def begin(
        self,
        targets: Sequence[Target],
        standings: Mapping[str, Standing],
        checked_until: Mapping[str, float] = NOBODY_CHECKED,
    ) -> None:
        """Begin to watch targets that are not watched yet; the arguments are those of `Roster.begin`."""
        self.board.place({target.name: standings.get(target.name, NEVER_CHECKED) for target in targets})
        await self.roster.begin(targets, standings, checked_until)

    async def change(
        self,
        found: Difference,
        moved: frozenset[str] = frozenset(),
        taken: Mapping[str, Taken] | None = None,
        configured: Sequence[Target] | None = None,
    ) -> dict[str, Standing]:
        """Begin, end and begin anew what has changed; what has not is not touched.

        Args:
            found: the difference, whoever has found it.
            moved: the names of those that are not removed altogether, but watched elsewhere from now on: they are not
                paused, and what this outbox knows of them is forgotten.
            taken: what the database knows of those that begin and were watched elsewhere, by name.
            configured: what the database is to be told of, here and elsewhere; None where that has not changed.

        Returns:
            where those stand that moved, by name.
        """
        taken = taken or {}
        looked_until = self._checked_until()
        ended = await self.roster.end([target.name for target in (*found.removed, *found.changed)])
        removed = [target.name for target in found.removed if target.name not in moved]
        beginning = (*found.added, *found.changed)
        now = datetime.fromtimestamp(self.clock(), UTC)
        past = {**_going_on(found.renamed, ended, now), **await self._past_of(found.added), **ended}
        resumption = self._resumption_of(beginning, removed, past, taken, now, found.renamed)
        standings = {**past, **resumption.standings}
        checked_until = checked_until_of(taken)
        await self.begin([one for one in beginning if one.name not in resumption.news], standings, checked_until)
        left = [target.name for target in found.removed] if self.disk.outbox.shares else []
        # What goes on under a new name elsewhere is not known here under that.
        here = {target.name for target in found.targets} if found.renamed else set[str]()
        forgotten = moved.union(name for name in found.renamed.values() if name not in here)
        leaving = _Leaving(forgotten, left, looked_until, found.renamed)
        if (resumption.news or found.removed) and not await self._note(resumption, leaving, now, after=ended):
            # What was paused stays so until its first check, which tells of it once the outbox can be written again.
            enabled = (target.name for target in beginning if target.enabled and target.name not in taken)
            standings |= {name: past[name] for name in enabled if name in past}
        await self.begin([one for one in beginning if one.name in resumption.news], standings, checked_until)
        if configured is not None:
            self.drain.retarget(configured)
        if found.removed or found.changed:
            self.context.forget_all_but(found.targets)
        self.board.drop(target.name for target in found.removed)
        return {name: ended[name] for name in moved}

    def _resumption_of(
        self,
        beginning: Sequence[Target],
        removed: Sequence[str],
        past: Mapping[str, Standing],
        taken: Mapping[str, Taken],
        now: datetime,
        renamed: Mapping[str, str],
    ) -> Resumption:
        location = self.context.location
        here = reassign([one for one in beginning if one.name not in taken], removed, past, location, now, renamed)
        if not taken:
            return here
        own = {name: standing for name, standing in past.items() if name in taken}
        return here.and_also(take_over([one for one in beginning if one.name in taken], taken, location, now, own=own))

    def _checked_until(self) -> float | None:
        gate = self.context.gate
        return None if gate is None else gate.checked_until(self.context.clock.now(), self.context.timer.next_due)

    async def _past_of(self, added: Sequence[Target]) -> dict[str, Standing]:
        """Find out where targets stand that come back, paused as they are since they went."""
        if not added:
            return {}
        names = [target.name for target in added]
        with suppress(OutboxUnavailableError), trio.move_on_after(SETTLE_SECONDS):
            return await self.disk.run(lambda outbox: standings_of(outbox, names, self.context.location))
        return {}

    async def _note(
        self, resumption: Resumption, leaving: _Leaving, now: datetime, *, after: Mapping[str, Standing]
    ) -> bool:
        """Write down who is paused and who no more, and who moves; flips form a chain.

        Args:
            resumption: who is paused and who no more.
            leaving: who is left to other replicas.
            now: a moment with a time zone.
            after: those of which the last checks are to be written down before.

        Returns:
            whether that is known to be written.
        """
        location = self.context.location

        def write(outbox: Outbox) -> None:
            note(outbox, resumption, location, now.timestamp(), leaving.renamed)
            if leaving.left:
                release(outbox, leaving.left, location, now.timestamp(), leaving.checked_until)
            # Not before, or a crash between the two would leave them to nobody.
            outbox.forget_standings(location, leaving.forgotten)

        with trio.move_on_after(SETTLE_SECONDS):
            while after and not self._is_settled():  # what settles has its own tasks and times
                self.outbox_writer.hurry()
                await trio.sleep(GATHER_SECONDS)
        try:
            with trio.fail_after(SETTLE_SECONDS):
                await self.disk.run(write)
        except (OutboxUnavailableError, trio.TooSlowError) as error:
            log.error("the outbox cannot be told what is no longer watched, the next start will", error=error)
            return False
        if leaving.left:
            self.drain.wake()
        return True

    def _is_settled(self) -> bool:
        # The recorder hands on what it takes out of the channel in the same step.
        return self.conclusions.statistics().current_buffer_used == 0 and self.outbox_writer.is_idle


@dataclass(frozen=True, slots=True)
class _Leaving:
    """Who is left to other replicas.

    Attributes:
        forgotten: the names of those that others watch from now on.
        left: the names of all that are watched here no more, where others may be there.
        checked_until: the last slot in which they were checked here, in seconds since 1970.
        renamed: the new names of those that go on under another one, by the former names.
    """

    forgotten: frozenset[str]
    left: Sequence[str]
    checked_until: float | None
    renamed: Mapping[str, str]


def checked_until_of(taken: Mapping[str, Taken]) -> dict[str, float]:
    """Return the last slots in which others have checked what was taken from them, in seconds since 1970."""
    return {
        name: known.checked_until.timestamp()
        for name, known in taken.items()
        if known.until is not None and known.checked_until is not None
    }


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

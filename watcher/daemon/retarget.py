"""Applies a new set of targets to the running daemon: check loops, outbox, then database, so that nothing is lost."""

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
from watcher.model.target import watched_at
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.startup import note, release, standings_of
from watcher.recording.recorder import GATHER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

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

# How long a stuck or full disk may delay the checks, for each call.
SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class WatchedTargets:
    """The watched targets, and the parts of the daemon that must know them.

    Attributes:
        context: of the checks.
        roster: the check loops.
        conclusions: the channel to the recorder.
        outbox_writer: writes conclusions to the outbox.
        disk: the outbox.
        drain: to the database.
        board: has the newest outcome of each target.
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
        """Start to watch targets that are not watched yet; the arguments are those of `Roster.begin`."""
        self.board.place({target.name: standings.get(target.name, NEVER_CHECKED) for target in targets})
        await self.roster.begin(targets, standings, checked_until)

    async def change(
        self,
        found: Difference,
        moved: frozenset[str] = frozenset(),
        taken: Mapping[str, Taken] | None = None,
        configured: Sequence[Target] | None = None,
    ) -> dict[str, Standing]:
        """Start, end and restart the targets that have changed; the others are not touched.

        Args:
            found: the difference.
            moved: names of removed targets that are now watched elsewhere: not paused, and forgotten by this outbox.
            taken: what the database knows of starting targets that were watched elsewhere, by name.
            configured: all targets of the file, at this location and elsewhere; None if unchanged.

        Returns:
            the standings of moved targets, by name.
        """
        taken = taken or {}
        looked_until = self._checked_until()
        ended = await self.roster.end([target.name for target in (*found.removed, *found.changed)])
        removed = [target.name for target in found.removed if target.name not in moved]
        beginning = (*found.added, *found.changed)
        now = datetime.fromtimestamp(self.clock(), UTC)
        past = {**_going_on(found.renamed, ended, now), **await self._past_of(found.added), **ended}
        elsewhere = set(removed).intersection(target.name for target in configured or ())
        resumption = self._resumption_of(beginning, removed, past, taken, now, found.renamed, elsewhere)
        standings = {**past, **resumption.standings}
        checked_until = checked_until_of(taken)
        await self.begin([one for one in beginning if one.name not in resumption.news], standings, checked_until)
        left = [target.name for target in found.removed] if self.disk.outbox.shares else []
        # A renamed target that goes on elsewhere is not known here by its new name.
        here = {target.name for target in found.targets} if found.renamed else set[str]()
        forgotten = moved.union(name for name in found.renamed.values() if name not in here)
        leaving = _Leaving(forgotten, left, looked_until, found.renamed)
        if (resumption.news or found.removed) and not await self._note(resumption, leaving, now, after=ended):
            # A paused target stays so until its first check, which records the change once the outbox works again.
            enabled = (target.name for target in beginning if target.enabled and target.name not in taken)
            standings |= {name: past[name] for name in enabled if name in past}
        await self.begin([one for one in beginning if one.name in resumption.news], standings, checked_until)
        if configured is not None:
            self.drain.retarget(watched_at(configured, self.context.location))
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
        elsewhere: Collection[str],
    ) -> Resumption:
        location = self.context.location
        known_here = [one for one in beginning if one.name not in taken]
        here = reassign(known_here, removed, past, location, now, renamed, elsewhere)
        if not taken:
            return here
        own = {name: standing for name, standing in past.items() if name in taken}
        return here.and_also(take_over([one for one in beginning if one.name in taken], taken, location, now, own=own))

    def _checked_until(self) -> float | None:
        gate = self.context.gate
        return None if gate is None else gate.checked_until(self.context.clock.now(), self.context.timer.next_due)

    async def _past_of(self, added: Sequence[Target]) -> dict[str, Standing]:
        """Return the standings of targets that come back; they are paused since they were removed."""
        if not added:
            return {}
        names = [target.name for target in added]
        with suppress(OutboxUnavailableError), trio.move_on_after(SETTLE_SECONDS):
            return await self.disk.run(lambda outbox: standings_of(outbox, names, self.context.location))
        return {}

    async def _note(
        self, resumption: Resumption, leaving: _Leaving, now: datetime, *, after: Mapping[str, Standing]
    ) -> bool:
        """Record which targets are paused, resumed or moved; flips form a chain.

        Args:
            resumption: paused and resumed targets.
            leaving: targets left to other replicas.
            now: with a time zone.
            after: targets whose last checks must be written first.

        Returns:
            whether it is known to be written.
        """
        location = self.context.location

        def write(outbox: Outbox) -> None:
            note(outbox, resumption, location, now.timestamp(), leaving.renamed)
            if leaving.left:
                release(outbox, leaving.left, location, now.timestamp(), leaving.checked_until)
            # Last, or a crash in between would leave the targets without an owner.
            outbox.forget_standings(location, leaving.forgotten)

        with trio.move_on_after(SETTLE_SECONDS):
            while after and not self._is_settled():  # no event tells when they are idle
                self.outbox_writer.hurry()
                await trio.sleep(GATHER_SECONDS)
        try:
            with trio.fail_after(SETTLE_SECONDS):
                await self.disk.run(write)
        except (OutboxUnavailableError, trio.TooSlowError) as error:
            log.error("removed targets not written to the outbox, the next start will retry", error=error)
            return False
        if leaving.left:
            self.drain.wake()
        return True

    def _is_settled(self) -> bool:
        # The recorder hands on each conclusion in the step in which it receives it.
        return self.conclusions.statistics().current_buffer_used == 0 and self.outbox_writer.is_idle


@dataclass(frozen=True, slots=True)
class _Leaving:
    """The targets left to other replicas.

    Attributes:
        forgotten: names of targets that others watch from now on.
        left: names of all targets no longer watched here, if other replicas may exist.
        checked_until: the last slot in which they were checked here, in seconds since 1970.
        renamed: new names of renamed targets, by the former ones.
    """

    forgotten: frozenset[str]
    left: Sequence[str]
    checked_until: float | None
    renamed: Mapping[str, str]


def checked_until_of(taken: Mapping[str, Taken]) -> dict[str, float]:
    """Return the last slots in which others checked the taken targets, in seconds since 1970."""
    return {
        name: known.checked_until.timestamp()
        for name, known in taken.items()
        if known.until is not None and known.checked_until is not None
    }


def _going_on(renamed: Mapping[str, str], ended: Mapping[str, Standing], now: datetime) -> dict[str, Standing]:
    """Return the standings with which renamed targets start: one in trouble stays so, as after a restart.

    Args:
        renamed: new names, by the former ones.
        ended: the standings of ended targets.
        now: with a time zone.
    """
    interrupted = {new: ended[old].interrupted(now) for old, new in renamed.items() if old in ended}
    return {
        new: Standing(State.UNKNOWN, now, before)
        for new, standing in interrupted.items()
        if (before := (standing.shadow or standing).before) in {State.DOWN, State.DEGRADED}
    }

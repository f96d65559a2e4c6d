"""Starts and ends the loops of targets, one for each, while the others continue."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import trio

from watcher.checking.first_checks import FirstChecks
from watcher.checking.monitor import Watch, monitor_url
from watcher.checking.scheduling.schedule import start_spread_seconds
from watcher.model.state import NEVER_CHECKED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from watcher.checking.check_context import CheckContext
    from watcher.model.conclusion import Conclusion
    from watcher.model.state import Standing
    from watcher.model.target import Target

# After starting or ending this many loops, some milliseconds' work, the checks of others get a turn.
LOOPS_A_TURN = 100
NOBODY_CHECKED: Mapping[str, float] = MappingProxyType({})


class Roster:
    """The loops of all targets; targets that are not enabled are known, but have no loop."""

    def __init__(
        self, context: CheckContext, conclusions: trio.MemorySendChannel[Conclusion], nursery: trio.Nursery
    ) -> None:
        """Start without targets.

        Args:
            context: the shared parts of checks.
            conclusions: receives the conclusion of each check.
            nursery: runs the loops.
        """
        self._context = context
        self._conclusions = conclusions
        self._nursery = nursery
        self._watches: dict[str, Watch] = {}
        self._paused: dict[str, Standing] = {}
        self._first_checks: FirstChecks | None = None  # of the start; targets added by a reload do not count

    @property
    def running(self) -> frozenset[str]:
        """The names of the targets that have a loop."""
        return frozenset(self._watches)

    def check_soon(self, name: str) -> None:
        """Check a target before its next slot; does nothing if it has no loop."""
        if watch := self._watches.get(name):
            watch.check_soon()

    async def begin(
        self,
        targets: Sequence[Target],
        standings: Mapping[str, Standing],
        checked_until: Mapping[str, float] = NOBODY_CHECKED,
    ) -> None:
        """Start to watch targets that are not on the roster.

        Args:
            targets: with unique names.
            standings: their standings, by name; a target without one was never checked.
            checked_until: for targets that another replica has checked so far, the last slot in which it did, in
                seconds since 1970.
        """
        spread_seconds = start_spread_seconds(len(targets))
        first_checks = None
        if self._first_checks is None:
            first_checks = self._first_checks = FirstChecks(sum(target.enabled for target in targets))
        for number, target in enumerate(targets, 1):
            standing = standings.get(target.name, NEVER_CHECKED)
            if target.enabled:
                watch = self._watches[target.name] = Watch(standing)
                # The existing name is passed: trio would create a text of 170 bytes for each.
                until = checked_until.get(target.name)
                arguments = target, self._context, self._conclusions, watch, spread_seconds, first_checks, until
                self._nursery.start_soon(monitor_url, *arguments, name=target.name)
            else:
                self._paused[target.name] = standing
            if number % LOOPS_A_TURN == 0:
                await trio.lowlevel.checkpoint()

    async def end(self, names: Iterable[str]) -> dict[str, Standing]:
        """End the loops of targets, and wait until all their conclusions have been handed over.

        Args:
            names: of targets that are on the roster.

        Returns:
            the standing of each of them.
        """
        standings: dict[str, Standing] = {}
        ending: dict[str, trio.Event] = {}
        for number, name in enumerate(names, 1):
            if watch := self._watches.get(name):
                ending[name] = watch.end()
            else:
                standings[name] = self._paused.pop(name)
            if number % LOOPS_A_TURN == 0:
                await trio.lowlevel.checkpoint()
        for name, ended in ending.items():
            await ended.wait()
            standings[name] = self._watches.pop(name).standing
        return standings

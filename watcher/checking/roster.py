"""Which loops run: one a target, begun and ended while the others go on."""

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

# So many loops are begun or ended before the checks of others get a turn: some milliseconds' work.
LOOPS_A_TURN = 100
NOBODY_CHECKED: Mapping[str, float] = MappingProxyType({})


class Roster:
    """The loops of all targets; those that are not enabled have none, and are known all the same."""

    def __init__(
        self, context: CheckContext, conclusions: trio.MemorySendChannel[Conclusion], nursery: trio.Nursery
    ) -> None:
        """Begin with none.

        Args:
            context: what checks need.
            conclusions: where what each check came to goes.
            nursery: in which the loops run.
        """
        self._context = context
        self._conclusions = conclusions
        self._nursery = nursery
        self._watches: dict[str, Watch] = {}
        self._paused: dict[str, Standing] = {}
        self._first_checks: FirstChecks | None = None  # of the start; what a reload brings has others beside it

    @property
    def running(self) -> frozenset[str]:
        """The names of the targets that have a loop."""
        return frozenset(self._watches)

    def check_soon(self, name: str) -> None:
        """Have a target checked before its next slot; nothing, where it has no loop."""
        if watch := self._watches.get(name):
            watch.check_soon()

    async def begin(
        self,
        targets: Sequence[Target],
        standings: Mapping[str, Standing],
        checked_until: Mapping[str, float] = NOBODY_CHECKED,
    ) -> None:
        """Begin to watch targets that are not on the roster.

        Args:
            targets: with names of their own.
            standings: where they stand, by name; what is not among them was never checked.
            checked_until: of those that another replica has checked so far, the last slot in which it did, in seconds
                since 1970.
        """
        spread_seconds = start_spread_seconds(len(targets))
        first_checks = None
        if self._first_checks is None:
            first_checks = self._first_checks = FirstChecks(sum(target.enabled for target in targets))
        for number, target in enumerate(targets, 1):
            standing = standings.get(target.name, NEVER_CHECKED)
            if target.enabled:
                watch = self._watches[target.name] = Watch(standing)
                # The name is one that is there already: trio would make a text of 170 bytes for each.
                until = checked_until.get(target.name)
                arguments = target, self._context, self._conclusions, watch, spread_seconds, first_checks, until
                self._nursery.start_soon(monitor_url, *arguments, name=target.name)
            else:
                self._paused[target.name] = standing
            if number % LOOPS_A_TURN == 0:
                await trio.lowlevel.checkpoint()

    async def end(self, names: Iterable[str]) -> dict[str, Standing]:
        """End the watch over targets, and wait until all that their checks came to has been handed on.

        Args:
            names: of targets that are on the roster.

        Returns:
            where each of them stands.
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

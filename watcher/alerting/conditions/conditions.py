"""Creates, configures and runs the conditions of alerts together. Trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from watcher.alerting.conditions.certificates import CertificateWatch
from watcher.alerting.conditions.dead_man import DeadMan, Vitals
from watcher.alerting.conditions.maintenance import MaintenanceKeeper
from watcher.alerting.conditions.network import watch_network
from watcher.model.clock_trust import wall_seconds
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from watcher.checking.check_context import CheckContext
    from watcher.checking.roster import Roster
    from watcher.model.alerts.of_target import Dependency
    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.conclusion import Conclusion
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread
    from watcher.recording.recorder import Tally

# Members of a group that are checked at once when a target that depends on it fails.
MAX_PARENTS = 20
# Targets looked at before other tasks get a turn.
TARGETS_A_TURN = 2000


class Conditions:
    """Maintenance, this machine's network, certificates, the heartbeat, and the parents of failing targets."""

    def __init__(
        self,
        context: CheckContext,
        roster: Roster,
        disk: OutboxThread,
        tally: Tally,
        outbox_written_at: Callable[[], float],
        recorded: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = wall_seconds,
    ) -> None:
        """Create them without configuration.

        Args:
            context: shared by checks.
            roster: the check loops.
            disk: the outbox.
            tally: counts the checks.
            outbox_written_at: returns the moment of the last write to the outbox, in seconds since 1970.
            recorded: called when the outbox has new alert events.
            clock: seconds since 1970.
        """
        self._context = context
        self._roster = roster
        self._disk = disk
        self._recorded = recorded
        self._clock = clock
        self._keeper = MaintenanceKeeper(context.holds, clock, roster.check_soon)
        self._certificates = CertificateWatch(disk, context.location, recorded, clock)
        self._vitals = Vitals(tally, outbox_written_at, clock)
        self._dead_man = DeadMan(context, self._vitals)
        self._targets: Mapping[str, Target] = {}
        self._members: Mapping[str, Sequence[str]] = {}
        self._options: AlertingOptions | None = None

    async def use(self, targets: Mapping[str, Target], options: AlertingOptions) -> None:
        """Apply a configuration, before the first check by it.

        Args:
            targets: all, by name.
            options: the alerting options of the file.
        """
        connectivity = options.connectivity
        if self._options is None or connectivity != self._options.connectivity:
            addresses = () if connectivity is None else connectivity.targets
            self._context.network.use(addresses, 0.0 if connectivity is None else connectivity.interval_seconds)
        if self._options is None or options.channels != self._options.channels:
            await self._certificates.begin()
        await self._keeper.take(targets, options.maintenance)
        self._dead_man.use(options.heartbeat)
        self._targets, self._options = targets, options
        self._vitals.longest_seconds, self._members = await _in_steps(targets.values(), self._context.location)

    def rename(self, renamed: Mapping[str, str]) -> None:
        """Apply new names of targets, by former ones, before their checks."""
        self._certificates.rename(renamed)

    def take(self, conclusions: Iterable[Conclusion]) -> None:
        """Take the results of checks that are on disk; takes no time."""
        self._certificates.take(conclusions)
        parents = dict[str, None]()
        for conclusion in conclusions:
            if conclusion.flips and conclusion.standing.state is State.DOWN:
                target = self._targets.get(conclusion.outcome.target)
                if target is not None and target.alerts.depends_on:
                    parents |= dict.fromkeys(_parents_of(target.alerts.depends_on, self._members))
        for name in parents:
            self._roster.check_soon(name)

    async def run(self) -> None:
        """Run until cancelled; the context and the roster must live as long."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keeper.run)
            nursery.start_soon(self._certificates.run)
            nursery.start_soon(self._dead_man.run)
            nursery.start_soon(
                watch_network, self._context, self._disk, self._context.location, self._recorded, self._clock
            )


async def _in_steps(targets: Iterable[Target], location: str) -> tuple[float, Mapping[str, Sequence[str]]]:
    """Return the longest interval plus timeout of an enabled target, in seconds, and the names of each group."""
    longest_seconds, members = 0.0, dict[str, list[str]]()
    for number, target in enumerate(targets, 1):
        if target.enabled and target.is_watched_at(location):
            longest_seconds = max(longest_seconds, target.interval_seconds + target.timeout_seconds)
        if target.group is not None:
            members.setdefault(target.group, []).append(target.name)
        if number % TARGETS_A_TURN == 0:
            await trio.lowlevel.checkpoint()
    return longest_seconds or float("inf"), members


def _parents_of(depends_on: Iterable[Dependency], members: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for one in depends_on:
        if one.target is not None:
            yield one.target
        elif one.group is not None:
            yield from members.get(one.group, ())[:MAX_PARENTS]

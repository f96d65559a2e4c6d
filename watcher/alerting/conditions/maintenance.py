"""Opens and closes maintenance windows while the daemon runs: one task for all of them."""

from __future__ import annotations

import heapq
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

import structlog
import trio

from watcher.alerting.policy.maintenance import MaintenancePlan
from watcher.alerting.policy.windows import is_open, next_change
from watcher.model.clock_trust import next_beat, wall_seconds
from watcher.model.conclusion import Hold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from watcher.checking.holds import Holds
    from watcher.model.alerts.windows import Maintenance
    from watcher.model.target import Target

log = structlog.get_logger()

# The longest time between two looks at the clock: it may be set, or the machine may sleep.
MAX_NAP_SECONDS = 1.0
# Targets or windows looked at before other tasks get a turn.
TARGETS_A_TURN = 500
WINDOWS_A_TURN = 5
# A target with a longer interval is checked at once when its maintenance starts or ends.
LONG_INTERVAL_SECONDS = 30.0
MAX_STEP_BACK = timedelta(seconds=1)


class _Schedule:
    """The windows of a configuration: the open ones, and the next change of each."""

    def __init__(self, plan: MaintenancePlan, former: dict[Maintenance, datetime]) -> None:
        self.plan = plan
        self.former = former
        self.opened: dict[Maintenance, datetime] = {}
        self.holds: dict[str, Hold] = {}
        self._changes: list[tuple[datetime, int, Maintenance]] = []  # a heap

    @property
    def next_change(self) -> datetime | None:
        return self._changes[0][0] if self._changes else None

    async def begin(self, targets: Iterable[Target], now: datetime) -> None:
        """Add targets and find the open windows."""
        for number, target in enumerate(targets, 1):
            self.plan.add(target)
            if number % TARGETS_A_TURN == 0:
                await trio.lowlevel.checkpoint()
        for number, window in enumerate(self.plan.windows, 1):
            change = next_change(window.window, now)
            if change is not None:
                heapq.heappush(self._changes, (change, number, window))
            if is_open(window.window, now):
                self.opened[window] = self.former.get(window, now)
                await self._hold(window)
            if number % WINDOWS_A_TURN == 0:
                await trio.lowlevel.checkpoint()

    async def advance(self, now: datetime) -> list[str]:
        """Open and close windows that are due; return the names of their targets with long intervals."""
        names: list[str] = []
        while self._changes and self._changes[0][0] <= now:
            due, number, window = heapq.heappop(self._changes)
            change = next_change(window.window, now)
            if change is not None:
                heapq.heappush(self._changes, (change, number, window))
            names += await self._turn(window, due, opens=is_open(window.window, now))
        return names

    async def _turn(self, window: Maintenance, due: datetime, *, opens: bool) -> list[str]:
        if opens is (window in self.opened):
            return []  # a window without an end, or one that passed between two looks
        if opens:
            self.opened[window] = due
        else:
            del self.opened[window]
        count, seldom = await self._hold(window)
        log.info(f"maintenance {'began' if opens else 'ended'}", why=window.why, targets=count)
        return seldom

    async def _hold(self, window: Maintenance) -> tuple[int, list[str]]:
        count, seldom = 0, list[str]()
        for count, name in enumerate(self.plan.names_of(window), 1):  # counted
            target = self.plan.targets[name]
            covering = [one for one in self.opened if self.plan.covers(one, target)]
            found = min(covering, key=self.opened.__getitem__, default=None)
            if found is None:
                self.holds.pop(name, None)
            else:
                self.holds[name] = Hold(self.opened[found], found.why)
            if target.interval_seconds > LONG_INTERVAL_SECONDS:
                seldom.append(name)
            if count % TARGETS_A_TURN == 0:
                await trio.lowlevel.checkpoint()
        return count, seldom


class MaintenanceKeeper:
    """Maintains the set of targets in maintenance, which checks read."""

    def __init__(
        self,
        holds: Holds,
        clock: Callable[[], float] = wall_seconds,
        check_soon: Callable[[str], object] = lambda _name: None,
    ) -> None:
        """Create one without windows.

        Args:
            holds: read by checks.
            clock: seconds since 1970.
            check_soon: checks a target before its next slot; takes its name.
        """
        self._holds = holds
        self._clock = clock
        self._check_soon = check_soon
        self._schedule = _Schedule(MaintenancePlan(()), {})
        self._changed = trio.Event()
        holds.end_of = self._end_of

    async def take(self, targets: Mapping[str, Target], windows: Sequence[Maintenance]) -> None:
        """Apply other targets or windows; call it before their first check.

        Args:
            targets: all watched ones, by name.
            windows: of the whole file.
        """
        schedule = _Schedule(MaintenancePlan(windows), dict(self._schedule.opened))
        await schedule.begin(targets.values(), self._now())
        self._schedule, self._holds.by_name = schedule, schedule.holds
        self._changed.set()

    async def run(self) -> NoReturn:
        """Open and close windows until cancelled."""
        looked_at = self._now()
        while True:
            schedule = self._schedule
            change, now = schedule.next_change, self._now()
            if now < looked_at - MAX_STEP_BACK and schedule.plan.windows:
                # The clock was set back: past windows open again.
                await self.take(schedule.plan.targets, schedule.plan.for_all)
            elif change is not None and change <= now:
                for name in await schedule.advance(now):
                    self._check_soon(name)
            else:
                await self._wait(change, now)
            looked_at = now

    async def _wait(self, change: datetime | None, now: datetime) -> None:
        self._changed = trio.Event()
        moment = trio.current_time()
        wake_at = math.inf
        if change is not None:
            wake_at = min(moment + (change - now).total_seconds(), next_beat(moment, MAX_NAP_SECONDS))
        with trio.move_on_at(wake_at):
            await self._changed.wait()

    def _end_of(self, target: Target, since: datetime) -> datetime | None:
        return self._schedule.plan.end_of(target, since, self._now())

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

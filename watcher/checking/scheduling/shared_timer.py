"""Wakes many sleepers with one timer."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, NoReturn

import trio

from watcher.model.clock_trust import next_beat

if TYPE_CHECKING:
    from watcher.checking.scheduling.slot_clock import SlotClock

# Sleepers due within one tick are woken together: a loop that wakes for each alone spends more time on waking than on
# checking.
TICK_SECONDS = 0.005
# The longest time without a look at the clock: it may have jumped, as after a suspend.
MAX_NAP_SECONDS = 1.0


class Sleeper:
    """A sleeping task, or none after it was woken; a class, since a closure takes three times the memory."""

    __slots__ = ("task", "ticket")

    def __init__(self) -> None:
        """Start awake."""
        self.task: trio.lowlevel.Task | None = None
        self.ticket = 0  # of the newest sleep: an earlier sleep, ended before its time, must not wake the task again

    def wake(self) -> None:
        """Wake the task, if it sleeps."""
        if self.task is not None:
            trio.lowlevel.reschedule(self.task)
            self.task = None

    def abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        """Allow the task to be cancelled."""
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED


class SharedTimer:
    """Lets a hundred thousand tasks sleep, each until a moment of its own.

    A task in `trio.sleep` takes 2 KB more than one that waits here, and trio would wake up for each alone.
    """

    def __init__(self, clock: SlotClock) -> None:
        """Create a timer on this clock; no task is woken before `run` runs."""
        self._clock = clock
        self._sleepers: list[tuple[float, int, Sleeper]] = []  # a heap; entries of ended loops stay until their time
        self._count = 0
        self._set_back_seconds = clock.set_back_seconds
        self._nap = trio.CancelScope()

    @property
    def next_due(self) -> float:
        """The next moment for which a task is to be woken, in seconds since 1970; ended tasks count as well."""
        return self._sleepers[0][0] if self._sleepers else math.inf

    async def wait_until(self, due: float, sleeper: Sleeper | None = None) -> None:
        """Sleep until a moment on the clock, at most a tick longer.

        Args:
            due: in seconds since 1970, on the clock of `SlotClock.now`.
            sleeper: lets others wake this task sooner.
        """
        self._follow()
        sleeper = sleeper or Sleeper()
        self._count += 1  # unique, or sleepers would be compared
        sleeper.ticket = self._count
        heapq.heappush(self._sleepers, (due, self._count, sleeper))
        if self._sleepers[0][2] is sleeper:  # the nap ends in time for all others
            wake_at = trio.current_time() + max(due - self._clock.now(), 0)
            if wake_at < self._nap.deadline:
                self._nap.deadline = wake_at
        sleeper.task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(sleeper.abort)  # called here, since each further call takes 200 bytes

    async def run(self) -> NoReturn:
        """Wake sleepers until cancelled."""
        while True:
            now = self._clock.now()
            self._follow()
            while self._sleepers and self._sleepers[0][0] <= now:
                _, ticket, sleeper = heapq.heappop(self._sleepers)
                if ticket == sleeper.ticket:
                    sleeper.wake()
            nap = max(self._sleepers[0][0] - now, TICK_SECONDS) if self._sleepers else MAX_NAP_SECONDS
            moment = trio.current_time()
            wake_at = min(moment + nap, next_beat(moment, MAX_NAP_SECONDS))
            with trio.CancelScope(deadline=wake_at) as self._nap:
                await trio.sleep_forever()

    def _follow(self) -> None:
        """Keep the remaining sleep of all sleepers after the clock was set back."""
        step = self._clock.set_back_seconds - self._set_back_seconds
        if step:
            self._set_back_seconds += step
            self._sleepers = [(due - step, count, sleeper) for due, count, sleeper in self._sleepers]
            heapq.heapify(self._sleepers)  # two times that nearly differed may now be equal

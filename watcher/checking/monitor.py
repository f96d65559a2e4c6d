"""Runs the check loop of one target."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import trio

from watcher.checking.check import check_slot
from watcher.checking.scheduling.schedule import MIN_START_SPREAD_SECONDS, Schedule
from watcher.checking.scheduling.shared_timer import Sleeper
from watcher.model.conclusion import GAP_INTERVALS, GAP_SECONDS, conclude
from watcher.model.outcome import Reason
from watcher.model.state import NEVER_CHECKED

if TYPE_CHECKING:
    from watcher.checking.check_context import AnyProbe, CheckContext
    from watcher.checking.first_checks import FirstChecks
    from watcher.checking.scheduling.schedule import Slot
    from watcher.model.conclusion import Conclusion
    from watcher.model.outcome import Outcome
    from watcher.model.state import Standing
    from watcher.model.target import Target

# For conclusions made while the daemon stops and the channel is full; the recorder empties it many times a second.
# A rung of the stop; watcher/daemon/stop_ladder.py lists all rungs.
HAND_OVER_SECONDS = 0.2


class Watch(Sleeper):
    """The handle of a loop; one object, since there are a hundred thousand.

    Attributes:
        standing: the present standing of its target; only the loop changes it.
        scope: around the loop; it also breaks off a slow check for the sake of others. It lasts, since one scope for
            each check would take about a tenth of the check's processor time.
        ended: set when a loop that was told to end has ended; None before it is told.
        is_wanted: whether the next check is to start before its slot.
    """

    __slots__ = ("ended", "is_wanted", "scope", "standing")

    def __init__(self, standing: Standing = NEVER_CHECKED) -> None:
        """Create the handle of a loop.

        Args:
            standing: the standing of its target.
        """
        super().__init__()
        self.standing = standing
        self.scope: trio.CancelScope | None = None
        self.ended: trio.Event | None = None
        self.is_wanted = False

    def check_soon(self) -> None:
        """Check the target at once, or after the running check."""
        self.is_wanted = True
        self.wake()

    def goes_on(self) -> bool:
        """Return whether the loop has not been told to end."""
        return self.ended is None

    def end(self) -> trio.Event:
        """Tell the loop to end, and cancel its running check.

        Returns:
            an event that is set when the loop has ended and handed over all its conclusions.
        """
        self.ended = trio.Event()
        if self.scope is not None:
            self.scope.cancel()
        return self.ended


async def monitor_url(
    target: Target,
    context: CheckContext,
    conclusions: trio.MemorySendChannel[Conclusion],
    watch: Watch | None = None,
    spread_seconds: float = MIN_START_SPREAD_SECONDS,
    first_checks: FirstChecks | None = None,
    checked_until: float | None = None,
) -> None:
    """Check one target in each of its slots, never twice at once, and sooner while a change is unconfirmed.

    Args:
        target: the target to check.
        context: the shared parts of checks.
        conclusions: receives the conclusion of each check; while it is full, the loop waits.
        watch: the handle of the loop, with the standing of the target at the start.
        spread_seconds: the time over which the first checks of all starting targets are spread.
        first_checks: records the first check.
        checked_until: the last slot in which another replica has checked it, in seconds since 1970; None for a target
            that was not checked just before.

    Returns:
        when `watch` is told to end, otherwise never; a check cancelled by that, or by other means, has no outcome.
    """
    schedule = Schedule.of(target.name, target.interval_seconds)
    watch = watch or Watch()
    slot, last_at = _first_slot(schedule, context.clock.now(), watch.standing, target, spread_seconds, checked_until)
    probe: AnyProbe | None = None  # created on first use: creating a hundred thousand at the start would take seconds
    failing = is_checking = slow = False
    try:
        while watch.goes_on():
            with trio.CancelScope() as watch.scope:
                while watch.goes_on():
                    if not watch.is_wanted and not slow:  # the clock may have been set back since its slot
                        await context.timer.wait_until(slot.due, watch)
                    if watch.is_wanted:
                        watch.is_wanted, slot = False, schedule.sooner(slot, context.clock.now())
                    probe, is_checking = probe or context.probe(target), True
                    last_at, failing = await _check_slot(
                        probe, slot, context, conclusions, watch, last_at, first_checks, failing=failing, slow=slow
                    )
                    first_checks, is_checking, slow = None, False, False
                    slot = schedule.next(slot, context.clock.now(), _recheck_seconds(watch.standing, target))
            slow = is_checking  # a check that was broken off is repeated, in the lane of failing targets
    finally:
        _end_loop(probe, context, watch)


async def _check_slot(
    probe: AnyProbe,
    slot: Slot,
    context: CheckContext,
    conclusions: trio.MemorySendChannel[Conclusion],
    watch: Watch,
    last_at: datetime | None,
    first_checks: FirstChecks | None,
    *,
    failing: bool,
    slow: bool,
) -> tuple[datetime, bool]:
    """Check once, store the standing, and hand the conclusion over; return the check's start, and if the site fails.

    A separate function, so that no part of a check stays in memory until the next.
    """
    if context.gate is not None:
        await context.gate.enter(watch, probe.target.name, slot.due)
    # The worker is taken outside the check's deadline, or waiting for it would count as the site's slowness. It is
    # given back before the outcome is handed over, or a slow store would delay checks.
    check, scope = partial(check_slot, probe, slot, context), watch.scope
    if failing or slow or scope is None:
        report = await context.lanes.run_among_failing(check)
    else:
        report = await context.lanes.run_within(scope, check)
    outcome = await context.network.judged(probe.target, report.outcome, watch.standing)
    if first_checks is not None:
        first_checks.note(outcome.fault)
    hold, ended_at = context.holds.of(probe.target, watch.standing)
    conclusion = conclude(probe.target, outcome, watch.standing, last_at, hold, ended_at)
    try:
        conclusions.send_nowait(conclusion)  # no checkpoint: a finished check is not lost to a cancellation
    except trio.WouldBlock:
        with trio.move_on_after(HAND_OVER_SECONDS, shield=True) as in_time:
            await conclusions.send(conclusion)
        if in_time.cancelled_caught:
            await conclusions.send(conclusion)
    watch.standing = conclusion.standing  # not before: nothing may build on a lost conclusion
    if context.gate is not None:
        context.gate.leave(watch)
    return outcome.started_at, _is_failing(outcome, failing=failing)


def _end_loop(probe: AnyProbe | None, context: CheckContext, watch: Watch) -> None:
    """Release the resources of a loop; a check cancelled by the stop of the daemon counts as not done."""
    if probe is not None:
        probe.close()
    if watch.ended is not None:
        if context.gate is not None:
            context.gate.leave(watch)
        watch.ended.set()


def _first_slot(
    schedule: Schedule,
    now: float,
    standing: Standing,
    target: Target,
    spread_seconds: float,
    checked_until: float | None,
) -> tuple[Slot, datetime | None]:
    """Return the first slot, and when the last check before it was, if known."""
    gap_seconds = GAP_INTERVALS * target.interval_seconds + GAP_SECONDS
    if checked_until is None or not now - gap_seconds <= checked_until <= now + target.interval_seconds:
        return schedule.first(now, spread_seconds), None
    slot = schedule.resumed(checked_until, now, _recheck_seconds(standing, target))
    return slot, datetime.fromtimestamp(checked_until, UTC)


def _recheck_seconds(standing: Standing, target: Target) -> float | None:
    """Return after how long a target is rechecked before its next slot; None without a recheck."""
    return None if standing.is_confirmed else target.recheck_interval_seconds


def _is_failing(outcome: Outcome, *, failing: bool) -> bool:
    """Return whether the site fails; faults of this machine change nothing."""
    if outcome.fault is None:
        return False
    return failing if outcome.fault.reason in {Reason.LOCAL, Reason.INTERNAL} else True

"""The loop of one target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NoReturn

import trio

from watcher.checking.check import check
from watcher.checking.schedule import Schedule
from watcher.model.outcome import Reason

if TYPE_CHECKING:
    from watcher.checking.checker import AnyProbe, Checker
    from watcher.checking.schedule import Slot
    from watcher.model.outcome import Outcome
    from watcher.model.target import Target


async def monitor_url(target: Target, checker: Checker, outcomes: trio.MemorySendChannel[Outcome]) -> NoReturn:
    """Check one target in each of its slots, never two checks of it at once.

    Args:
        target: what to check.
        checker: what checks need.
        outcomes: where each outcome goes; when it is full, the loop waits.

    Returns:
        never, unless cancelled; a check that is cut off by the cancellation has no outcome.
    """
    schedule = Schedule.of(target.name, target.interval_seconds)
    slot = schedule.first(checker.clock.now(), checker.start_spread_seconds)
    probe: AnyProbe | None = None  # made when it is needed: a hundred thousand at the start would take seconds
    failing = False
    try:
        while True:
            await checker.alarm.wait_until(slot.due)
            probe = probe or checker.probe(target)
            failing = await _check_slot(probe, slot, checker, outcomes, failing=failing)
            slot = schedule.next(slot, checker.clock.now())
    finally:
        if probe is not None:
            probe.close()


async def _check_slot(
    probe: AnyProbe, slot: Slot, checker: Checker, outcomes: trio.MemorySendChannel[Outcome], *, failing: bool
) -> bool:
    """Check once and hand the outcome on; tell whether the target fails now.

    A function of its own, so that nothing of a check stays in memory until the next.
    """
    # The worker is taken outside the check's deadline, or waiting for it would count as the site's slowness, and given
    # back before the outcome is handed on, or a slow store would hold up the checks.
    report = await checker.lanes.run(partial(check, probe, slot, checker), failing=failing)
    outcome = report.outcome
    try:
        outcomes.send_nowait(outcome)  # no checkpoint: a check that is done is not lost to a cancellation
    except trio.WouldBlock:
        await outcomes.send(outcome)
    return _is_failing(outcome, failing=failing)


def _is_failing(outcome: Outcome, *, failing: bool) -> bool:
    """Tell whether the site fails; what this machine is to blame for changes nothing."""
    if outcome.fault is None:
        return False
    return failing if outcome.fault.reason in {Reason.LOCAL, Reason.INTERNAL} else True

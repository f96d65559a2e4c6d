"""The loop of one target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NoReturn

import trio

from watcher.checking.check import check
from watcher.checking.schedule import Schedule
from watcher.model.conclusion import conclude
from watcher.model.outcome import Reason
from watcher.model.state import NEVER_CHECKED, Standing

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.checking.checker import AnyProbe, Checker
    from watcher.checking.schedule import Slot
    from watcher.model.conclusion import Conclusion
    from watcher.model.outcome import Outcome
    from watcher.model.target import Target

# For what is concluded while the daemon stops and the channel is full; the recorder empties it many times a second.
HAND_OVER_SECONDS = 0.5


async def monitor_url(
    target: Target,
    checker: Checker,
    conclusions: trio.MemorySendChannel[Conclusion],
    standing: Standing = NEVER_CHECKED,
) -> NoReturn:
    """Check one target in each of its slots, never two checks of it at once, and sooner while a change is unconfirmed.

    Args:
        target: what to check.
        checker: what checks need.
        conclusions: where what each check came to goes; when it is full, the loop waits.
        standing: where the target stands at the start.

    Returns:
        never, unless cancelled; a check that is cut off by the cancellation has no outcome.
    """
    schedule = Schedule.of(target.name, target.interval_seconds)
    slot = schedule.first(checker.clock.now(), checker.start_spread_seconds)
    probe: AnyProbe | None = None  # made when it is needed: a hundred thousand at the start would take seconds
    failing, last_at = False, None
    try:
        while True:
            await checker.alarm.wait_until(slot.due)
            probe = probe or checker.probe(target)
            standing, last_at, failing = await _check_slot(
                probe, slot, checker, conclusions, standing, last_at, failing=failing
            )
            recheck_seconds = None if standing.is_confirmed else target.recheck_interval_seconds
            slot = schedule.next(slot, checker.clock.now(), recheck_seconds)
    finally:
        if probe is not None:
            probe.close()


async def _check_slot(
    probe: AnyProbe,
    slot: Slot,
    checker: Checker,
    conclusions: trio.MemorySendChannel[Conclusion],
    standing: Standing,
    last_at: datetime | None,
    *,
    failing: bool,
) -> tuple[Standing, datetime, bool]:
    """Check once and hand on what it came to; return where the target stands, when it was checked, and if it fails now.

    A function of its own, so that nothing of a check stays in memory until the next.
    """
    # The worker is taken outside the check's deadline, or waiting for it would count as the site's slowness, and given
    # back before the outcome is handed on, or a slow store would hold up the checks.
    report = await checker.lanes.run(partial(check, probe, slot, checker), failing=failing)
    outcome = report.outcome
    conclusion = conclude(probe.target, outcome, standing, last_at)
    try:
        conclusions.send_nowait(conclusion)  # no checkpoint: a check that is done is not lost to a cancellation
    except trio.WouldBlock:
        with trio.move_on_after(HAND_OVER_SECONDS, shield=True) as in_time:
            await conclusions.send(conclusion)
        if in_time.cancelled_caught:
            await conclusions.send(conclusion)
    return conclusion.standing, outcome.started_at, _is_failing(outcome, failing=failing)


def _is_failing(outcome: Outcome, *, failing: bool) -> bool:
    """Tell whether the site fails; what this machine is to blame for changes nothing."""
    if outcome.fault is None:
        return False
    return failing if outcome.fault.reason in {Reason.LOCAL, Reason.INTERNAL} else True

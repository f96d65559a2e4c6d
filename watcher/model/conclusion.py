"""Turns a check result into the target's next state. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from watcher.model.outcome import Fault, Reason
from watcher.model.state import NEVER_CHECKED, Flip, Standing, State, sighting_of

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.model.outcome import Outcome
    from watcher.model.target import Target

# A check result holds until the next one. If none comes for so many intervals, and the delay of a busy machine, the
# state in between is unknown.
GAP_INTERVALS = 3
GAP_SECONDS = 1.0

_GOOD = frozenset({State.UP, State.DEGRADED})
_FOUND_MEANWHILE = Fault(Reason.INTERNAL, "found down by the checks during the maintenance")


class Hold(NamedTuple):
    """A maintenance in progress.

    Attributes:
        since: when it started.
        why: a sentence for people, or None.
    """

    since: datetime
    why: str | None = None


class Conclusion(NamedTuple):
    """The result of one check for its target.

    Attributes:
        outcome: of the check.
        standing: the target's standing after it.
        is_news: whether the standing has changed.
        flips: the changes of state that it confirms, oldest first.
    """

    outcome: Outcome
    standing: Standing = NEVER_CHECKED
    is_news: bool = False
    flips: tuple[Flip, ...] = ()


def conclude(
    target: Target,
    outcome: Outcome,
    before: Standing,
    last_at: datetime | None,
    hold: Hold | None = None,
    ended_at: datetime | None = None,
) -> Conclusion:
    """Apply an outcome to a target's standing.

    Args:
        target: what was checked.
        outcome: of the check.
        before: the standing before the check.
        last_at: when the target's last check started; None for the first one.
        hold: the maintenance in progress; None without one.
        ended_at: when the last maintenance ended; None for the moment of the check.
    """
    steps = _Steps(outcome, before)
    if before.state is State.PAUSED:  # it is checked again, which was not stored, as on a full disk
        steps.take(before.released(outcome.started_at))
    if last_at is not None:
        gap_seconds = GAP_INTERVALS * target.interval_seconds + GAP_SECONDS
        if (outcome.started_at - last_at).total_seconds() > gap_seconds:
            steps.take(steps.standing.interrupted(last_at + timedelta(seconds=target.interval_seconds)))
    if hold is not None or steps.standing.state is State.MAINTENANCE:
        _apply_maintenance(steps, last_at, hold, ended_at)
    gone, sighting = steps.standing, sighting_of(outcome)
    if gone.state in _GOOD and gone.is_confirmed and sighting.state is not gone.state:
        sighting = replace(sighting, up_until=last_at)
    after = gone.after(sighting, target.thresholds)
    if after is gone is before:
        return Conclusion(outcome, before)
    steps.take(after, outcome.fault, outcome)
    if gone.state in _GOOD and after.state is not gone.state:
        steps.flips[-1] = replace(steps.flips[-1], last_up_at=(*gone.unconfirmed, sighting)[0].up_until)
    return Conclusion(outcome, after, is_news=True, flips=tuple(steps.flips))


class _Steps:
    """Collects the flips from one standing to that after the outcome."""

    def __init__(self, outcome: Outcome, before: Standing) -> None:
        self.outcome = outcome
        self.standing = before
        self.flips: list[Flip] = []

    def take(self, after: Standing, cause: Fault | None = None, found_by: Outcome | None = None) -> None:
        outcome = self.outcome
        self.flips += flips_of_change(
            outcome.target, outcome.location, self.standing, after, outcome.started_at, cause, found_by
        )
        self.standing = after


def _apply_maintenance(steps: _Steps, last_at: datetime | None, hold: Hold | None, ended_at: datetime | None) -> None:
    """Start or end a maintenance: at its own moment, unless later checks have decided already."""
    outcome = steps.outcome
    moment = (ended_at or outcome.started_at) if hold is None else hold.since
    if moment > outcome.started_at or (last_at is not None and moment < last_at):
        moment = outcome.started_at
    if hold is not None:
        cause = Fault(Reason.INTERNAL, f"in maintenance: {hold.why}" if hold.why else "in maintenance")
        steps.take(steps.standing.held(State.MAINTENANCE, moment), cause)
        return
    after = steps.standing.released(moment)
    if after.state is State.DOWN:
        steps.take(after, outcome.fault or _FOUND_MEANWHILE, None if outcome.fault is None else outcome)
    else:
        steps.take(after)


def flips_of_change(
    target: str,
    location: str,
    before: Standing,
    after: Standing,
    confirmed_at: datetime,
    cause: Fault | None = None,
    outcome: Outcome | None = None,
) -> list[Flip]:
    """Return the flip from one standing to the next; none if the state is the same."""
    if after.state is before.state or after.since is None:
        return []
    check_id = None if outcome is None else outcome.check_id
    moment = max(confirmed_at, after.since)
    up_since = before.since if before.state is State.UP else None
    flip = Flip(target, location, after.since, moment, after.state, before.state, cause, check_id, after.flips)
    return [flip if up_since is None else replace(flip, up_since=up_since)]

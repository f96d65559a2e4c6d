"""What an outcome means for its target: the pure step from what a check found to where the target stands."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from watcher.model.state import NEVER_CHECKED, Flip, Standing, State, sighting_of

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.model.outcome import Fault, Outcome
    from watcher.model.target import Target

# What a check found holds until the next one. Where none has come after so many intervals, and what a busy machine may
# take, nobody knows what was meanwhile.
GAP_INTERVALS = 3
GAP_SECONDS = 1.0


class Conclusion(NamedTuple):
    """What one check came to.

    Attributes:
        outcome: of the check.
        standing: where the target stands after it.
        is_news: whether that is not where it stood before.
        flips: the changes of state that it confirms, oldest first.
    """

    outcome: Outcome
    standing: Standing = NEVER_CHECKED
    is_news: bool = False
    flips: tuple[Flip, ...] = ()


def conclude(target: Target, outcome: Outcome, before: Standing, last_at: datetime | None) -> Conclusion:
    """Take an outcome in.

    Args:
        target: what was checked.
        outcome: of the check.
        before: where the target stood.
        last_at: when its check before began, None for the first one.
    """
    standing, flips = before, list[Flip]()
    if before.state is State.PAUSED:  # whoever is checked is so no more; that could not be noted, as on a full disk
        standing = before.released(outcome.started_at)
        flips += flips_of_change(outcome.target, outcome.location, before, standing, outcome.started_at)
    if last_at is not None:
        gap_seconds = GAP_INTERVALS * target.interval_seconds + GAP_SECONDS
        if (outcome.started_at - last_at).total_seconds() > gap_seconds:
            gap = standing.interrupted(last_at + timedelta(seconds=target.interval_seconds))
            flips += flips_of_change(outcome.target, outcome.location, standing, gap, outcome.started_at)
            standing = gap
    after = standing.after(sighting_of(outcome), target.thresholds)
    if after is standing is before:
        return Conclusion(outcome, before)
    if after.state is not standing.state:
        (flip,) = flips_of_change(
            outcome.target, outcome.location, standing, after, outcome.started_at, outcome.fault, outcome
        )
        flips.append(flip)
    return Conclusion(outcome, after, is_news=True, flips=tuple(flips))


def flips_of_change(
    target: str,
    location: str,
    before: Standing,
    after: Standing,
    confirmed_at: datetime,
    cause: Fault | None = None,
    outcome: Outcome | None = None,
) -> list[Flip]:
    """Return the flip from one standing to the next, or none where the state is the same."""
    if after.state is before.state or after.since is None:
        return []
    check_id = None if outcome is None else outcome.check_id
    moment = max(confirmed_at, after.since)
    return [Flip(target, location, after.since, moment, after.state, before.state, cause, check_id, after.flips)]

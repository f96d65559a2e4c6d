"""Turns the views of all places into flips at the location `*`; pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from watcher.model.outcome import Fault, Reason
from watcher.model.places import COMBINED, PlaceView, combine, decided
from watcher.model.state import Flip

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.model.places import Combined
    from watcher.model.state import Standing
    from watcher.model.target import Target


class Decision(NamedTuple):
    """A change of a combined state: the new standing, and the flip that led there."""

    standing: Standing
    flip: Flip

    @property
    def view(self) -> PlaceView:
        """The new combined state, as the page shows it."""
        cause = self.flip.cause
        reason, detail = (None, None) if cause is None else (str(cause.reason), cause.detail)
        return PlaceView(COMBINED, self.standing.state, self.standing.since, reason, detail)


def decide(target: Target, standing: Standing, views: tuple[PlaceView, ...], now: datetime) -> Decision | None:
    """Decide the combined state of a target by the views of its places.

    Args:
        target: with `locations`.
        standing: the combined standing until now.
        views: one of each place.
        now: the time.

    Returns:
        the decision; None if the state has not changed.
    """
    return _decision(target, standing, combine(views, target.quorum), now)


def decide_alone(target: Target, standing: Standing, view: PlaceView, now: datetime) -> Decision | None:
    """Decide the combined state of a target by the view of one place, while PostgreSQL is away; see `decide`."""
    combined = combine((view,), 1)
    cause = combined.cause or Fault(Reason.INTERNAL, "")
    why = f"decided by {view.location} alone, since PostgreSQL does not answer"
    alone = replace(cause, detail=f"{why}: {cause.detail}" if cause.detail else why)
    return _decision(target, standing, replace(combined, cause=alone), now)


def _decision(target: Target, standing: Standing, combined: Combined, now: datetime) -> Decision | None:
    found = decided(standing, combined, now)
    if found is standing:
        return None
    at = found.since or now
    flip = Flip(
        target.name, COMBINED, at, max(now, at), found.state, standing.state, combined.cause, number=found.flips
    )
    return Decision(found, flip)

"""From flips to incidents: which flip opens one, changes it or ends it; pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from watcher.alerting.policy.event import Change, Incident
from watcher.model.outcome import NO_NETWORK, Reason
from watcher.model.state import TROUBLE, State

if TYPE_CHECKING:
    from watcher.model.state import Flip

_OF_THE_MONITOR = frozenset({Reason.LOCAL, Reason.INTERNAL})


def follow(incident: Incident | None, flip: Flip) -> tuple[Incident | None, Change | None]:
    """Say what a flip makes of the open incident of its target.

    A gap (unknown after a restart, a reload or a suspend) and a maintenance keep an incident open: whether it goes on
    is found out by the checks after them. A pause ends it.

    Args:
        incident: the one that is open at the flip's location, or None.
        flip: the next one of the target.

    Returns:
        the incident that is open now, or None; and what is to be told of it, None for nothing.
    """
    if flip.state in {State.UP, State.PAUSED}:
        return None, None if incident is None else Change.CLOSED
    if flip.state not in TROUBLE or (flip.state is State.UNKNOWN and (incident or not _checks_cannot_tell(flip))):
        return incident, None
    if incident is None:
        opened = Incident(flip.flip_id, flip.target, flip.location, flip.state, flip.at, flip, flip.last_up_at)
        return opened, Change.OPENED
    if incident.trouble is flip.state:
        return incident, None
    return replace(incident, trouble=flip.state, flip=flip), Change.CHANGED


def _checks_cannot_tell(flip: Flip) -> bool:
    """Whether the checks of this target alone failed for what the monitor is to blame for."""
    cause = flip.cause
    if cause is None or flip.check_id is None or cause.reason not in _OF_THE_MONITOR:
        return False
    return not cause.detail.startswith(NO_NETWORK)

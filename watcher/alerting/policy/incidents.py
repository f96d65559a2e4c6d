"""Turns flips into incidents: a flip opens, changes or ends one. Finds those that a channel lacks. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from watcher.alerting.policy.event import Change, Incident
from watcher.alerting.policy.records.agenda import next_look
from watcher.model.outcome import NO_NETWORK, Reason, time_ordered_id
from watcher.model.resumption import RENAMED
from watcher.model.state import TROUBLE, State

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator
    from datetime import datetime

    from watcher.alerting.policy.view import View
    from watcher.model.state import Flip

_OF_THE_MONITOR = frozenset({Reason.LOCAL, Reason.INTERNAL})
# After a start the states of sites are unknown for a while: an incident that ends meanwhile is not sent.
_LOOK = timedelta(seconds=5)
# The bound of the ends that `Unheard` remembers; the oldest are dropped first.
_ENDS_KEPT = 10_000


def follow(incident: Incident | None, flip: Flip) -> tuple[Incident | None, Change | None]:
    """Apply a flip to the open incident of its target.

    A gap (unknown after a restart, a reload or a suspend) and a maintenance keep an incident open: the checks after
    them show whether it continues. A pause ends it, except for a target that continues under another name.

    Args:
        incident: the open one at the flip's location, or None.
        flip: the next one of the target.

    Returns:
        the incident open after the flip, or None; and the change to notify channels of, or None.
    """
    if flip.state is State.PAUSED and flip.cause == RENAMED:
        return incident, None
    if flip.state in {State.UP, State.PAUSED}:
        return None, None if incident is None else Change.CLOSED
    if flip.state not in TROUBLE or (flip.state is State.UNKNOWN and (incident or not _checks_cannot_tell(flip))):
        return incident, None
    if incident is None:
        identity = flip.flip_id, flip.target, flip.location
        opened = Incident(*identity, flip.state, flip.at, flip, flip.last_up_at, _key_of(flip))
        return opened, Change.OPENED
    if incident.trouble is flip.state:
        return incident, None
    return replace(incident, trouble=flip.state, flip=flip), Change.CHANGED


def _key_of(flip: Flip) -> uuid.UUID | None:
    """Return the key of the outage that a flip starts: the same for all replicas with the same `up_since`."""
    if flip.up_since is None:
        return None
    return time_ordered_id(flip.up_since, f"outage\0{flip.target}\0{flip.location}\0{flip.up_since.isoformat()}")


def _checks_cannot_tell(flip: Flip) -> bool:
    """Whether the checks of this target alone failed for a reason on the monitor's side."""
    cause = flip.cause
    if cause is None or flip.check_id is None or cause.reason not in _OF_THE_MONITOR:
        return False
    return not cause.detail.startswith(NO_NETWORK)


class Unheard:
    """Open incidents without a record in a channel: the channel is new, or new for their targets.

    They have the keys of the records that they may get, and are read again at each start.
    """

    def __init__(self) -> None:
        """Create it without incidents."""
        self._incidents: dict[str, Incident] = {}
        self._ended: dict[str, datetime] = {}  # when the newest one ended, by key; at most `_ENDS_KEPT`
        self.due_at: datetime | None = None  # the next look at them

    def clear(self) -> None:
        """Drop all."""
        self._incidents, self.due_at = {}, None

    def add(self, key: str, incident: Incident, now: datetime) -> None:
        """Add an incident to look at now, unless its end is known already.

        Where replicas have different files, one may report the end before another reports the start.
        """
        ended_at = self._ended.get(key)
        if ended_at is None or ended_at < incident.since:
            self._incidents[key] = incident
            self.due_at = now

    def discard(self, key: str, ended_at: datetime | None = None) -> None:
        """Drop the incident of a target, after an event about the target.

        Args:
            key: of the record.
            ended_at: when the incident ended, if the event is its end; None for other events.
        """
        self._incidents.pop(key, None)
        if ended_at is None:
            return
        self._ended.pop(key, None)
        self._ended[key] = ended_at
        if len(self._ended) > _ENDS_KEPT:
            del self._ended[next(iter(self._ended))]

    def take_known(self, now: datetime, view: View) -> Iterator[Incident]:
        """Remove and yield those that are known to last, in order, if a look is due."""
        if self.due_at is None or self.due_at > now:
            return
        for key, incident in sorted(self._incidents.items()):
            if view.state_at(incident.location, incident.target) in {incident.trouble, State.MAINTENANCE}:
                del self._incidents[key]
                yield incident
        self.due_at = next_look(now, _LOOK) if self._incidents else None

"""Alert events: changes of incidents, stored together with the flips that cause them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from datetime import datetime

    from watcher.model.state import Flip, State


class Change(enum.StrEnum):
    """The kind of a change."""

    OPENED = "opened"
    CHANGED = "changed"  # still open with another state: degraded became down, or the other way round
    CLOSED = "closed"  # the target works again, or is paused
    RENAMED = "renamed"  # it continues under the new name of its target
    CERTIFICATE = "certificate"  # fewer days are left
    CONNECTIVITY = "connectivity"  # this machine has its network again


@dataclass(frozen=True, slots=True)
class Incident:
    """The open incident of a target at a location.

    Attributes:
        id: the id of the flip that opened it.
        target, location: of the incident.
        trouble: the present state, `down`, `degraded` or `unknown`; a gap (unknown after a restart) does not change it.
        since: when it started.
        flip: the newest flip to its present state.
        last_up_at: when a check last found the target up before; None if unknown.
        key: the same for all replicas that find the same outage; None if it is unknown since when the target was up.
    """

    id: uuid.UUID
    target: str
    location: str
    trouble: State
    since: datetime
    flip: Flip
    last_up_at: datetime | None = None
    key: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that ends soon: the reached step, in days, and its end."""

    step_days: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """An event that channels may have to be notified of.

    Attributes:
        number: its place among all events of this outbox; 0 before it is stored.
        change: the kind of change.
        at: when it was found, such as the moment when a flip was confirmed.
        incident: its state after the change, or the last one of a closed incident; None without an incident. That of a
            renamed one has the new name.
        flip: the flip that caused it; None without one.
        target, location: of the event; both None if it concerns the whole monitor. `renamed` has the former name.
        certificate: set for `certificate`.
        gap_start: for `connectivity`: when the network failed.
    """

    number: int
    change: Change
    at: datetime
    incident: Incident | None = None
    flip: Flip | None = None
    target: str | None = None
    location: str | None = None
    certificate: Certificate | None = None
    gap_start: datetime | None = None


@dataclass(frozen=True, slots=True)
class Handover:
    """The state of a channel from a replica that notified it so far.

    Attributes:
        at: when it was handed over.
        records: those of its policy, by key.
        over: location and target of what was sent and needs no further message.
        is_whole: whether no other replica has this state: use all of it. Otherwise use only what was sent.
    """

    at: datetime
    records: Mapping[str, str]
    over: tuple[tuple[str, str], ...] = ()
    is_whole: bool = False

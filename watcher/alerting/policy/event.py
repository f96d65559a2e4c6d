"""Alert events: what has happened to incidents, as it is written down together with the flips that it comes from."""

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
    """What has happened."""

    OPENED = "opened"
    CHANGED = "changed"  # still open, but it is another trouble: degraded became down, or the other way round
    CLOSED = "closed"  # it works again, or is paused
    RENAMED = "renamed"  # it goes on under the new name of its target
    CERTIFICATE = "certificate"  # fewer days are left
    CONNECTIVITY = "connectivity"  # this machine has its network again


@dataclass(frozen=True, slots=True)
class Incident:
    """The open incident of a target at a location.

    Attributes:
        id: the id of the flip that opened it.
        target, location: whose.
        trouble: `down`, `degraded` or `unknown`: what it is now; a gap (unknown after a restart) changes nothing.
        since: when it began.
        flip: the newest flip that said what it is now.
        last_up_at: when a check last found the target up before; None where nobody knows.
        key: the same for all replicas that find the same outage; None where nobody knows since when the target was up.
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
    """A certificate that ends soon: the step that was reached, in days, and when it ends."""

    step_days: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """Something that channels may have to tell.

    Attributes:
        number: its place in the order of all events of this outbox; 0 while it is not written down.
        change: what has happened.
        at: when it was found out, as the moment when a flip was confirmed.
        incident: as it is after the change; of a closed one, as it was last. None where there is none. Of a renamed one
            it has the new name.
        flip: that it came with; None where it came with none.
        target, location: whose; both None of what concerns the whole monitor. Of `renamed`, by the former name.
        certificate: of `certificate`.
        gap_start: of `connectivity`: since when the network was away.
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
    """What another replica knows of a channel that it has told of things, and does so no more.

    Attributes:
        at: when it was handed over.
        records: what its policy has kept, by key.
        over: location and target of what it has told, and of which nothing is left to tell.
        is_whole: whether nobody else knows of it: all of it is to be taken up. Else only that it was told.
    """

    at: datetime
    records: Mapping[str, str]
    over: tuple[tuple[str, str], ...] = ()
    is_whole: bool = False

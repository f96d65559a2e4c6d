"""What replicas know of each other: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Seat:
    """A replica that a location has agreed on.

    Attributes:
        replica: the id of its outbox.
        incarnation: of the start that took the seat.
        fingerprint: of the configuration that it works by.
    """

    replica: uuid.UUID
    incarnation: uuid.UUID
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Member:
    """A replica as the database knows it, at the moment of a beat.

    Attributes:
        seat: what it would be agreed on with.
        settled_seconds: for how long it has been there with this fingerprint, by the server's clock.
        lease_seconds: how long its lease still lasts, by the server's clock; below zero where that is over.
        epoch: the agreement by which it works.
    """

    seat: Seat
    settled_seconds: float
    lease_seconds: float
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Agreement:
    """Who shares the targets of a location.

    Attributes:
        epoch: one more with each change; 0 where nobody has agreed on anything yet.
        seats: by replica.
    """

    epoch: int
    seats: tuple[Seat, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a replica tells of itself, for people and for whoever takes over from it.

    Attributes:
        targets: how many it checks.
        lateness_ms: how long after its slot a check has begun lately; None where none has.
        slots_until: the last slot that it has checked; None where it has checked none.
    """

    targets: int = 0
    lateness_ms: float | None = None
    slots_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """Who a replica is.

    Attributes:
        location: where it stands.
        seat: what it would be agreed on with.
        name: for people.
        version: of the program.
    """

    location: str
    seat: Seat
    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take among replicas; all replicas of a location have the same.

    Attributes:
        ttl_seconds: how long a lease lasts.
        beat_seconds: time between two beats, each of which renews it.
        limit_seconds: the longest that a beat may take, less than the time between two.
        grace_seconds: for how long a place counts after any of its replicas was last heard of; a restart takes less.
        alone_after_seconds: after how long without PostgreSQL a place decides alone for targets of several places.
    """

    ttl_seconds: float = 6.0
    beat_seconds: float = 2.0
    limit_seconds: float = 1.5
    grace_seconds: float = 15.0
    alone_after_seconds: float = 60.0

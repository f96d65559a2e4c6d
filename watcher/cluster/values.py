"""Frozen values about replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of a replica in the agreement of a location.

    Attributes:
        replica: the id of its outbox.
        incarnation: of the start that got the seat.
        fingerprint: of its configuration.
    """

    replica: uuid.UUID
    incarnation: uuid.UUID
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Member:
    """A replica as stored in the database, at the moment of a beat.

    Attributes:
        seat: the seat it would get.
        settled_seconds: how long it has had this fingerprint, by the server's clock.
        lease_seconds: the rest of its lease, by the server's clock; negative after its end.
        epoch: the agreement that it follows.
    """

    seat: Seat
    settled_seconds: float
    lease_seconds: float
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Agreement:
    """The replicas that share the targets of a location.

    Attributes:
        epoch: increases by one with each change; 0 before the first agreement.
        seats: by replica.
    """

    epoch: int
    seats: tuple[Seat, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures that a replica publishes, for people and for replicas that take over its targets.

    Attributes:
        targets: the number that it checks.
        lateness_ms: from the slot to the start of a recent check; None without one.
        slots_until: its last checked slot; None without one.
    """

    targets: int = 0
    lateness_ms: float | None = None
    slots_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """The identity of a replica.

    Attributes:
        location: of the replica.
        seat: the seat it would get.
        name: for people.
        version: of the program.
    """

    location: str
    seat: Seat
    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of the protocol; all replicas of a location have the same.

    Attributes:
        ttl_seconds: the length of a lease.
        beat_seconds: time between two beats, each of which renews it.
        limit_seconds: the longest that a beat may take, less than the time between two.
        grace_seconds: how long a place counts after the last sign of any of its replicas; a restart takes less.
        alone_after_seconds: how long without PostgreSQL until a place decides alone for targets of several places.
    """

    ttl_seconds: float = 6.0
    beat_seconds: float = 2.0
    limit_seconds: float = 1.5
    grace_seconds: float = 15.0
    alone_after_seconds: float = 60.0

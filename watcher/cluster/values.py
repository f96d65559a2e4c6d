"""What replicas know of each other: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid


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

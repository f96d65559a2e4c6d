"""The replicas of each location and their agreement: the query and its JSON form."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.postgres.queries.membership import members_and_agreements
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.cluster.values import Agreement
    from watcher.postgres.db import Database
    from watcher.postgres.queries.membership import KnownReplica


class ReplicaState(enum.StrEnum):
    """The state of a replica in the agreement of its location."""

    AGREED = "agreed"
    CHANGING = "changing"  # a new configuration or a restart is not agreed on yet; it keeps its old part meanwhile
    JOINING = "joining"
    LEAVING = "leaving"
    GONE = "gone"


class SeenReplica(NamedTuple):
    """A replica and its state in the agreement."""

    known: KnownReplica
    state: ReplicaState


class LocationReplicas(NamedTuple):
    """The replicas of a location, by name; and the epoch of their agreement, 0 without one."""

    location: str
    epoch: int
    replicas: Sequence[SeenReplica]


async def read_replicas(database: Database) -> list[LocationReplicas]:
    """Read the replicas of each location. This is a trio-flavoured function."""
    known, agreements = await members_and_agreements(database)
    return [
        LocationReplicas(
            location,
            agreements[location].epoch if location in agreements else 0,
            [SeenReplica(one, _state_of(one, agreements.get(location))) for one in known if one.location == location],
        )
        for location in dict.fromkeys(one.location for one in known)
    ]


def _state_of(known: KnownReplica, agreement: Agreement | None) -> ReplicaState:
    seat = known.member.seat
    if known.member.lease_seconds <= 0:
        return ReplicaState.GONE
    if not seat.fingerprint:
        return ReplicaState.LEAVING
    agreed = [] if agreement is None else [one for one in agreement.seats if one.replica == seat.replica]
    if not agreed:
        return ReplicaState.JOINING
    return ReplicaState.AGREED if agreed == [seat] else ReplicaState.CHANGING


def replicas_as_json(locations: Sequence[LocationReplicas]) -> list[dict[str, Any]]:
    """Return the JSON array of locations with their replicas."""
    return [
        {
            "location": location.location,
            "epoch": location.epoch,
            "replicas": [_replica_as_json(one) for one in location.replicas],
        }
        for location in locations
    ]


def _replica_as_json(one: SeenReplica) -> dict[str, Any]:
    known, figures = one.known, one.known.figures
    return {
        "replica": known.name,
        "id": str(known.member.seat.replica),
        "state": str(one.state),
        "version": known.version,
        "configuration": known.member.seat.fingerprint,
        "epoch": known.member.epoch,
        "targets": figures.targets,
        "lateness_ms": figures.lateness_ms,
        "checked_until": None if figures.slots_until is None else timestamp(figures.slots_until),
        "joined_at": timestamp(known.joined_at),
        "beat_at": timestamp(known.beat_at),
        "lease_ms": round(known.member.lease_seconds * 1000),
    }

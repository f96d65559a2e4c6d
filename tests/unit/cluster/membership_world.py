"""The state of the model of how replicas agree: a database and three replicas, at one moment."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple
from uuid import UUID

from watcher.cluster.lease import Lease
from watcher.cluster.protocol import Share, alone, cut_off, proposal, share_of
from watcher.cluster.values import Agreement, Member, Seat

TTL = 3
SETTLE = 1
CALM_BEATS = 12
EPOCH = 1
REPLICAS = tuple(UUID(int=number) for number in (11, 12, 13))
OFF, UP, FROZEN = "off", "up", "frozen"
LEFT = -1  # instead of the file of one that has left and whose lease still lasts
FRESH, JOINED, OUSTED = "fresh", "joined", "ousted"

# A seat as (replica, start, file), a list of seats as it is agreed.
Place = tuple[int, int, int]
Places = tuple[Place, ...]


class Row(NamedTuple):
    """A replica in the database."""

    start: int
    file: int
    settled: int
    lease: int


class Answer(NamedTuple):
    """The database's answer to a beat, on its way."""

    age: int
    is_mine: bool
    places: Places
    is_newest: bool
    proposed: Places | None


class Late(NamedTuple):
    """A message that its sender has given up, and that may still arrive."""

    kind: str
    start: int
    file: int
    is_newest: bool = False
    places: Places = ()


class Replica(NamedTuple):
    """A replica's knowledge of itself. `silent` is the true time since its last beat."""

    mode: str = OFF
    is_cut: bool = False
    start: int = 0
    file: int = 0
    joined: str = FRESH
    held: int = 0
    excused: int = 0
    silent: int = TTL
    is_due: bool = False
    has_failed: bool = False
    is_alone: bool = False
    known: Places | None = None
    is_newest: bool = False
    answer: Answer | None = None
    proposed: Places | None = None
    late: Late | None = None


class World(NamedTuple):
    """The whole state. `calm` counts the beats since the last outside event."""

    replicas: tuple[Replica, ...] = (Replica(),) * len(REPLICAS)
    rows: tuple[Row | None, ...] = (None,) * len(REPLICAS)
    places: Places = ()
    is_away: bool = False
    faults: int = 0
    calm: int = 0


def target_of_the_first() -> str:
    """Return a target that belongs to the first replica; replicas differ in nothing else."""
    first, second = (
        share_of(Agreement(EPOCH, tuple(Seat(replica, replica, "") for replica in among)), Seat(among[0], among[0], ""))
        for among in (REPLICAS, REPLICAS[1:])
    )
    return next(name for name in map(str, range(1000)) if first.holds(name) and second.holds(name))


TARGET = target_of_the_first()


@cache
def agreement_of(places: Places, is_newest: bool = True) -> Agreement:
    return Agreement(EPOCH if is_newest else EPOCH - 1, tuple(map(seat_of, places)))


@cache
def seat_of(place: Place) -> Seat:
    number, start, file = place
    return Seat(REPLICAS[number], UUID(int=1000 * (1 + number) + start), "" if file == LEFT else str(file))


@cache
def places_of(agreement: Agreement | None) -> Places | None:
    if agreement is None:
        return None
    return tuple(
        (REPLICAS.index(seat.replica), seat.incarnation.int % 1000, int(seat.fingerprint)) for seat in agreement.seats
    )


@cache
def proposed_by(places: Places, rows: tuple[Row | None, ...], me: Place) -> Places | None:
    members = [
        Member(seat_of((number, row.start, row.file)), row.settled, row.lease)
        for number, row in enumerate(rows)
        if row is not None
    ]
    return places_of(proposal(agreement_of(places), members, seat_of(me), SETTLE))


@cache
def holds(places: Places | None, me: Place, is_alone: bool) -> bool:
    seat = seat_of(me)
    fallback: Share | None = alone(seat.replica) if is_alone else None
    if places is None:
        return is_alone
    return share_of(agreement_of(places), seat, fallback).holds(TARGET)


@cache
def stands_alone(places: Places | None, me: Place, is_held: bool) -> bool:
    seat = seat_of(me)
    share = share_of(agreement_of(places or ()), seat)
    return cut_off(share, is_held) == alone(seat.replica)


@cache
def lease_after(held: int, excused: int, age: int, is_answered: bool) -> tuple[int, int]:
    """Return how many beats the lease and the excuse last, with the present as 0."""
    lease = Lease(float(TTL), float(held), float(excused))
    lease = lease.begin(-age) if is_answered else lease.failed(-age)
    return max(0, int(lease.held_until)), int(max(0, lease.excused_until))


def me(world: World, number: int) -> Place:
    replica = world.replicas[number]
    return (number, replica.start, replica.file)


def lease_of(replica: Replica) -> Lease:
    """Return the lease of a replica; the present is 0."""
    return Lease(float(TTL), float(replica.held), float(replica.excused))


def holds_lease(world: World, number: int) -> bool:
    """Whether no other replica can have taken over from this one, as far as it knows."""
    return lease_of(world.replicas[number]).is_held(0.0)


def checks(world: World, number: int) -> bool:
    """Whether a replica checks the target: it owns it, and the gate is open."""
    replica = world.replicas[number]
    if replica.mode != UP or lease_of(replica).has_lapsed(0.0):
        return False
    return holds(replica.known, me(world, number), replica.is_alone)


def put(world: World, number: int, replica: Replica, **others: object) -> World:
    replicas = (*world.replicas[:number], replica, *world.replicas[number + 1 :])
    return world._replace(replicas=replicas, **others)  # type: ignore[arg-type]


def put_row(world: World, number: int, row: Row | None) -> World:
    return world._replace(rows=(*world.rows[:number], row, *world.rows[number + 1 :]))

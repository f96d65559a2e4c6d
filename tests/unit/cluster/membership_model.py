"""A model of how replicas agree: a database, three replicas, and an adversary with a number of faults.

Time goes in beats, and a lease lasts three. Within a beat, each healthy replica sends one beat, in any order, and
writes take effect in between. The functions of the daemon make the decisions. The adversary has a number of faults;
what mends one is free. Late messages are applied at any later time, or never.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.unit.cluster.membership_world import (
    CALM_BEATS,
    FRESH,
    FROZEN,
    JOINED,
    LEFT,
    OFF,
    OUSTED,
    SETTLE,
    TTL,
    UP,
    Answer,
    Late,
    Places,
    Replica,
    Row,
    World,
    lease_after,
    me,
    proposed_by,
    put,
    put_row,
    stands_alone,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULTS = ("crash", "leave", "freeze", "delay", "cut", "database", "file")


@dataclass(frozen=True, slots=True)
class Adversary:
    """The faults that may happen.

    Attributes:
        faults: their number.
        kinds: their kinds.
        victims: the replicas that they may hit.
    """

    faults: int
    kinds: tuple[str, ...] = FAULTS
    victims: tuple[int, ...] = (0, 1, 2)


def renew(world: World, number: int, start: int, file: int, *, is_back: bool) -> World:
    """Apply a beat to the database."""
    row = world.rows[number]
    if row is None or row.start != start or row.file == LEFT:
        return world
    is_same = row.lease > 0 and row.file == file and not is_back
    return put_row(world, number, Row(start, file, row.settled if is_same else 0, TTL))


def join(world: World, number: int, start: int, file: int, *, is_start: bool) -> World:
    """Apply a start to the database, or a beat that finds its row gone or taken by another start."""
    row = world.rows[number]
    return put_row(world, number, Row(start, file, 0, TTL)) if row is None or row.lease == 0 or is_start else world


def swap(world: World, is_newest: bool, places: Places) -> World:
    """Compare and swap: a new list makes all earlier knowledge outdated."""
    if not is_newest:
        return world
    replicas = tuple(
        replica._replace(
            is_newest=False,
            answer=replica.answer and replica.answer._replace(is_newest=False),
            late=replica.late and replica.late._replace(is_newest=False),
        )
        for replica in world.replicas
    )
    return world._replace(places=places, replicas=replicas)


def has_row(world: World, number: int) -> bool:
    """Return whether a replica's own row is in the database."""
    row = world.rows[number]
    return row is not None and row.start == world.replicas[number].start


def ask(world: World, number: int) -> tuple[World, Answer]:
    """Send a beat, and let the database answer it."""
    replica = world.replicas[number]
    if replica.joined == FRESH:
        world = join(world, number, replica.start, replica.file, is_start=True)
    else:
        world = renew(world, number, replica.start, replica.file, is_back=replica.has_failed)
        if not has_row(world, number):
            world = join(world, number, replica.start, replica.file, is_start=False)
    is_mine = has_row(world, number)
    proposed = proposed_by(world.places, world.rows, me(world, number)) if is_mine else None
    return world, Answer(0, is_mine, world.places, True, proposed)


def hear(world: World, number: int, answer: Answer) -> World:
    """Apply an answer."""
    replica = world.replicas[number]
    held, excused = lease_after(replica.held, replica.excused, answer.age, True) if answer.is_mine else (0, 0)
    is_agreed = any(place[0] == number for place in answer.places)
    heard = replica._replace(
        joined=JOINED if answer.is_mine else OUSTED,
        held=held,
        excused=excused,
        silent=min(replica.silent, answer.age),
        is_due=replica.is_due and answer.age > 0,
        has_failed=False,
        is_alone=replica.is_alone and answer.is_mine and not is_agreed,
        known=answer.places if answer.is_mine else None,
        is_newest=answer.is_newest and answer.is_mine,
        answer=None,
        proposed=answer.proposed,
    )
    return put(world, number, heard)


def fail(world: World, number: int, age: int = 0, late: Late | None = None) -> World:
    """Give up a beat; a replica that was never answered checks everything."""
    replica = world.replicas[number]
    held, excused = lease_after(replica.held, replica.excused, age, False)
    failed = replica._replace(
        held=held,
        excused=excused,
        silent=min(replica.silent, age),
        is_due=replica.is_due and age > 0,
        has_failed=True,
        is_alone=replica.is_alone or stands_alone(replica.known, me(world, number), held > 0),
        answer=None,
        late=late or replica.late,
    )
    return put(world, number, failed)


def propose(world: World, number: int) -> World:
    """Write a replica's proposal, unless another was faster; the replica learns what was written."""
    replica = world.replicas[number]
    assert replica.proposed is not None
    assert any(place[0] == number for place in replica.proposed)
    is_written = replica.is_newest
    world = swap(world, is_written, replica.proposed)
    written = world.replicas[number]._replace(proposed=None)
    if is_written:
        written = written._replace(known=replica.proposed, is_newest=True, is_alone=False)
    return put(world, number, written)


def tick(world: World) -> World:
    """Let a beat pass."""
    replicas = tuple(
        replica
        if replica.mode == OFF
        else replica._replace(
            held=max(0, replica.held - 1),
            excused=max(0, replica.excused - 1),
            silent=min(TTL, replica.silent + 1),
            is_due=True,
            answer=replica.answer and replica.answer._replace(age=min(TTL, replica.answer.age + 1)),
        )
        for replica in world.replicas
    )
    rows = tuple(
        row
        and Row(row.start, row.file, min(2 * SETTLE, row.settled + 1) if row.lease > 1 else 0, max(0, row.lease - 1))
        for row in world.rows
    )
    return world._replace(replicas=replicas, rows=rows, calm=min(CALM_BEATS, world.calm + 1))


def steps_of(world: World, number: int) -> Iterator[World]:
    """The steps that a replica takes by itself."""
    replica = world.replicas[number]
    if replica.mode != UP:
        return
    is_reached = not world.is_away and not replica.is_cut
    if replica.proposed is not None:
        if is_reached:
            yield propose(world, number)
        else:
            yield put(world, number, replica._replace(proposed=None))
    elif replica.answer is not None:
        yield hear(world, number, replica.answer)
        yield fail(world, number, replica.answer.age)
    elif replica.is_due:
        if is_reached:
            asked, answer = ask(world, number)
            yield hear(asked, number, answer)
        else:
            yield fail(world, number)


def mendings_of(world: World, number: int) -> Iterator[World]:
    """Free steps: starts, thaws, reconnections, and late messages."""
    replica = world.replicas[number]
    if replica.mode == OFF:
        started = Replica(UP, replica.is_cut, replica.start + 1, replica.file, is_due=True, late=replica.late)
        yield put(world, number, started, calm=0)
    if replica.mode == FROZEN:
        yield put(world, number, replica._replace(mode=UP, is_due=True), calm=0)
    if replica.is_cut:
        yield put(world, number, replica._replace(is_cut=False), calm=0)
    if replica.late is not None:
        late, dropped = replica.late, put(world, number, replica._replace(late=None))
        yield dropped
        if not world.is_away:
            dropped = dropped._replace(calm=0)
            if late.kind == "proposal":
                yield swap(dropped, late.is_newest, late.places)
            elif late.kind == JOINED:
                yield renew(dropped, number, late.start, late.file, is_back=False)
            else:
                yield join(dropped, number, late.start, late.file, is_start=late.kind == FRESH)


def faults_of(world: World, number: int, kinds: tuple[str, ...]) -> Iterator[World]:
    """Steps that cost a fault, each applied to one replica."""
    replica = world.replicas[number]
    is_reached = not world.is_away and not replica.is_cut
    off = Replica(OFF, replica.is_cut, replica.start, replica.file, late=replica.late)
    if replica.mode != OFF and "crash" in kinds:
        yield put(world, number, off)
    if replica.mode != UP:
        return
    row = world.rows[number]
    if "leave" in kinds and is_reached and row is not None and has_row(world, number) and not replica.proposed:
        left = put_row(put(world, number, off), number, row._replace(file=LEFT, settled=0))
        yield swap(left, True, tuple(place for place in world.places if place[0] != number))
    if "freeze" in kinds:
        yield put(world, number, replica._replace(mode=FROZEN))
        if replica.is_due and is_reached and replica.answer is None and replica.proposed is None:
            asked, answer = ask(world, number)
            yield put(asked, number, asked.replicas[number]._replace(mode=FROZEN, answer=answer))
    if "delay" in kinds and is_reached and replica.late is None:
        if replica.proposed is not None:
            late = Late("proposal", replica.start, replica.file, replica.is_newest, replica.proposed)
            yield put(world, number, replica._replace(proposed=None, late=late))
        elif replica.is_due and replica.answer is None:
            yield fail(world, number, late=Late(replica.joined, replica.start, replica.file))
    if "cut" in kinds and not replica.is_cut:
        yield put(world, number, replica._replace(is_cut=True))
    if "file" in kinds and replica.file == 0:
        yield put(world, number, replica._replace(file=1))


def successors(world: World, adversary: Adversary) -> Iterator[World]:
    """All possible next steps."""
    is_done = True
    for number in range(len(world.replicas)):
        for step in steps_of(world, number):
            is_done = False
            yield step
        yield from mendings_of(world, number)
        if world.faults < adversary.faults and number in adversary.victims:
            for fault in faults_of(world, number, adversary.kinds):
                yield fault._replace(faults=world.faults + 1, calm=0)
    if world.is_away:
        yield world._replace(is_away=False, calm=0)
    elif world.faults < adversary.faults and "database" in adversary.kinds:
        yield world._replace(is_away=True, faults=world.faults + 1, calm=0)
    if is_done:
        yield tick(world)


def explore(adversary: Adversary, *beginnings: World) -> Iterator[tuple[World, World]]:
    """Yield every possible step from one world to the next, once."""
    seen = set(beginnings)
    waiting = deque(beginnings)
    while waiting:
        world = waiting.popleft()
        for then in successors(world, adversary):
            yield world, then
            if then not in seen:
                seen.add(then)
                waiting.append(then)

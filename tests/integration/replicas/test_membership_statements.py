"""The statements of a beat, a start, a proposal and a departure do in PostgreSQL what their model does."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.rounds import rounds
from tests.unit.cluster.membership_model import join as model_join
from tests.unit.cluster.membership_model import renew as model_renew
from tests.unit.cluster.membership_model import tick
from tests.unit.cluster.membership_world import LEFT, SETTLE, TTL, Place, Places, Row, World, put_row, seat_of
from watcher.cluster.values import Agreement, Figures, Replica
from watcher.postgres.queries.membership import Beat, agree, end, join, leave, members_and_agreements, renew

if TYPE_CHECKING:
    from watcher.postgres.db import Database

LOCATION = "default"
# Far more than the test takes: only the test lets time pass, by making all rows older.
BEAT_SECONDS = 10_000.0
STEPS = 60
AGE = """
UPDATE members SET changed_at = changed_at - make_interval(secs => $1), beat_at = beat_at - make_interval(secs => $1),
    expires_at = greatest(expires_at - make_interval(secs => $1), '2000-01-01')
"""


def beat_of(place: Place) -> Beat:
    return Beat(Replica(LOCATION, seat_of(place), f"replica {place[0]}"), Figures(), TTL * BEAT_SECONDS, 0)


def agreement_of(epoch: int, places: Places) -> Agreement:
    return Agreement(epoch, tuple(map(seat_of, places)))


class Both:
    """The database and its model, which get the same steps."""

    def __init__(self, database: Database, random: Random) -> None:
        self.database = database
        self.random = random
        self.world = World()
        self.epoch = 0
        self.starts = [1, 1, 1]
        self.files = [0, 0, 0]

    async def step(self) -> None:
        number = self.random.randrange(3)
        place = (number, self.starts[number], self.files[number])
        what = self.random.choice((self.tick, self.beat, self.beat, self.start, self.propose, self.leave, self.change))
        await what(place)

    async def tick(self, place: Place) -> None:
        del place
        await self.database.execute_query(AGE, BEAT_SECONDS)
        self.world = tick(self.world)

    async def change(self, place: Place) -> None:
        self.files[place[0]] += 1

    async def start(self, place: Place) -> None:
        self.starts[place[0]] += self.random.randrange(2)
        number, start, file = place[0], self.starts[place[0]], place[2]
        await join(self.database, beat_of((number, start, file)))
        self.world = model_join(self.world, number, start, file, is_start=True)

    async def beat(self, place: Place) -> None:
        """Also one of an earlier start."""
        number, start, file = place[0], self.random.randint(1, place[1]), place[2]
        is_back = self.random.random() < 0.2
        answer = await renew(self.database, beat_of((number, start, file)), is_back=is_back)
        self.world = model_renew(self.world, number, start, file, is_back=is_back)
        row = self.world.rows[number]
        if row is None or row.start != start:
            self.world = model_join(self.world, number, start, file, is_start=False)
            row = self.world.rows[number]
        assert row is not None
        assert (answer.other is None) == (row.start == start)
        assert {member.seat for member in answer.members if member.lease_seconds > 0} == {
            seat_of((other, known.start, known.file))
            for other, known in enumerate(self.world.rows)
            if known is not None and known.lease > 0
        }
        assert answer.agreement == agreement_of(self.epoch, self.world.places)

    async def propose(self, place: Place) -> None:
        """Also by a replica with outdated knowledge."""
        seen = max(0, self.epoch - self.random.randrange(2))
        chosen = {other for other in range(3) if self.random.random() < 0.5} | {place[0]}
        places = tuple((other, self.starts[other], self.files[other]) for other in sorted(chosen))
        is_agreed = await agree(self.database, LOCATION, seen, agreement_of(seen + 1, places))
        assert is_agreed == (seen == self.epoch)
        if is_agreed:
            self.epoch, self.world = self.epoch + 1, self.world._replace(places=places)

    async def leave(self, place: Place) -> None:
        """Leave, and end after it or never; also an earlier start, which removes no row."""
        number, start = place[0], self.random.randint(1, place[1])
        seat = seat_of((number, start, 0))
        await leave(self.database, LOCATION, seat)
        row = self.world.rows[number]
        if row is None or row.start == start:
            staying = tuple(other for other in self.world.places if other[0] != number)
            if staying != self.world.places:
                self.epoch, self.world = self.epoch + 1, self.world._replace(places=staying)
        if row is not None and row.start == start:
            row = row._replace(file=LEFT, settled=0)
            self.world = put_row(self.world, number, row)
        if self.random.randrange(2):
            await end(self.database, LOCATION, seat)
            if row is not None and row.start == start:
                self.world = put_row(self.world, number, row._replace(lease=0))

    async def compare(self) -> None:
        found = await self.database.fetch("SELECT count(*) FROM members")
        known, agreements = await members_and_agreements(self.database)
        assert found[0]["count"] == sum(row is not None for row in self.world.rows)
        assert agreements.get(LOCATION, Agreement(0, ())) == agreement_of(self.epoch, self.world.places)
        rows = {one.member.seat.replica: one.member for one in known}
        for number, row in enumerate(self.world.rows):
            if row is None or (row.file == LEFT and row.lease == 0):
                continue  # a replica that has left is shown as long as its lease lasts
            seat = seat_of((number, row.start, row.file))
            member = rows[seat.replica]
            lease = max(0, math.ceil(member.lease_seconds / BEAT_SECONDS))
            settled = min(2 * SETTLE, int(member.settled_seconds // BEAT_SECONDS))
            # After the end of a lease it does not matter how long the replica was there.
            assert member.seat == seat
            assert Row(row.start, row.file, settled if lease else 0, lease) == row._replace(
                settled=row.settled if lease else 0
            )


@pytest.mark.parametrize("seed", range(rounds(4, 200)))
async def test_the_database_does_what_the_model_does(seed: int, test_db: Database) -> None:
    both = Both(test_db, Random(seed))
    for _ in range(STEPS):
        await both.step()
        await both.compare()

"""Who owns a target: several replicas, each with an outbox, over one real database."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import trio
from structlog.testing import capture_logs

from tests.doubles import a_failure, a_target, an_outcome
from tests.pipeline import a_registration
from tests.rounds import rounds
from watcher.daemon.sharing.incidents import ClaimsWithIncidents
from watcher.model.conclusion import conclude
from watcher.model.resumption import reassign, take_over
from watcher.model.state import NEVER_CHECKED, Standing, State
from watcher.outbox.alerts import open_incidents
from watcher.outbox.minutes import ALL_MINUTES, close_minutes
from watcher.outbox.outbox import Outbox
from watcher.outbox.startup import note, release
from watcher.outbox.thread import OutboxThread
from watcher.outbox.writer import Bounds, OutboxWriter
from watcher.postgres.drain import Drain
from watcher.postgres.ownership import Ownership
from watcher.postgres.queries.channels import ChannelLedger
from watcher.postgres.queries.states_and_flips import flips_between
from watcher.postgres.store import TableStore
from watcher.reporting.reports import read_reports
from watcher.reporting.status import read_status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from watcher.model.resumption import Taken
    from watcher.postgres.db import Database

pytestmark = pytest.mark.usefixtures("bridge")

NAMES = ("a", "b", "c")
# Of targets with a long history, those that a dying replica never owns, and others.
SAFE, MORTAL = [f"safe {number}" for number in range(12)], [f"mortal {number}" for number in range(12)]
_BEAT = """
INSERT INTO members (location, replica, incarnation, name, fingerprint, joined_at, changed_at, beat_at, expires_at)
VALUES ('default', $1, $1, $2, '', now(), now(), clock_timestamp() + $3, clock_timestamp() + $3 + $4)
ON CONFLICT (location, replica) DO UPDATE SET beat_at = excluded.beat_at, expires_at = excluded.expires_at
"""


@dataclass
class Replica:
    """A data folder and its path to the database; checks are invented."""

    name: str
    outbox: Outbox
    database: Database
    standings: dict[str, Standing] = field(default_factory=dict)
    location: str = "default"
    is_alive: bool = True

    def __post_init__(self) -> None:
        self.disk = OutboxThread(self.outbox)
        self.ownership = Ownership(self.database, self.disk, self.location)
        registration = a_registration(*map(a_target, NAMES), location=self.location, outbox=self.outbox.id)
        self.store = TableStore(self.database, registration, shares=self.outbox.shares)

    async def beat(self, age_seconds: float = 0.0, lease_seconds: float = 6.0) -> None:
        """Be a member whose last beat was that long ago."""
        self.is_alive = age_seconds == 0.0
        await self.database.fetch(
            _BEAT, self.outbox.id, self.name, timedelta(seconds=-age_seconds), timedelta(seconds=lease_seconds)
        )

    async def take(self, *names: str, by_force: bool = False) -> dict[str, Taken]:
        """Claim targets, and take them over."""
        taken = await self.ownership.claim(names, by_force=by_force)
        assert taken is not None
        now = datetime.now(UTC)
        own = {name: self.standings[name] for name in taken if name in self.standings}
        found = take_over([a_target(name) for name in taken], taken, "default", now, own=own)
        self.standings |= found.standings
        await self.disk.run(lambda outbox: note(outbox, found, "default", now.timestamp()))
        return taken

    async def check(self, name: str, letters: str, begin: datetime, step: timedelta = timedelta(seconds=1)) -> None:
        """Check a target: U for a success, D for a failure."""
        await self.check_all({name: letters}, begin, step)

    async def check_all(self, letters: Mapping[str, str], begin: datetime, step: timedelta) -> None:
        """Check several targets."""
        bounds = Bounds(max_bytes=2**30, max_age_seconds=1e9)
        writer = OutboxWriter(self.disk, bounds, lambda _outcome, _kept: None, lambda: None)
        for name, some in letters.items():
            for number, letter in enumerate(some):
                make = an_outcome if letter == "U" else a_failure
                outcome = make(name, at=begin + number * step, location=self.location)
                conclusion = conclude(a_target(name), outcome, self.standings.get(name, NEVER_CHECKED), None)
                self.standings[name] = conclusion.standing
                writer.put(conclusion)
        writer.close()
        await writer.run()

    async def release(self, *names: str) -> None:
        """Release targets."""
        now = datetime.now(UTC).timestamp()
        await self.disk.run(lambda outbox: release(outbox, names, "default", now))
        for name in names:
            self.standings.pop(name, None)

    async def close_minutes(self) -> None:
        """Roll up all checks."""
        await self.disk.run(lambda outbox: close_minutes(outbox, ago(0).timestamp(), before_minute=ALL_MINUTES))

    async def drain(self) -> None:
        """Store everything that waits."""
        drain, ready = Drain(self.disk, self.store), trio.Event()
        drain.close()
        ready.set()
        await drain.run(ready)
        assert self.outbox.rows == 0


@pytest.fixture
def replicas(tmp_path: Path, test_db: Database) -> Iterator[Callable[[str], Replica]]:
    with ExitStack() as stack, capture_logs():

        def make(name: str) -> Replica:
            outbox = stack.enter_context(closing(Outbox(tmp_path / f"{name}.sqlite", shares=True)))
            return Replica(name, outbox, test_db)

        yield make


async def chain(database: Database, name: str) -> str:
    """Return the letters of a target's flips, after asserting that they are one chain."""
    rows = await database.fetch(
        "SELECT state, before FROM flips WHERE target = $1 AND location = 'default' ORDER BY at, confirmed_at", name
    )
    # A replica that started to watch without knowing the earlier owner started from nothing.
    rows = rows[:1] + [
        {**row, "before": former["state"] if row["before"] == "pending" else row["before"]}
        for former, row in pairwise(rows)
    ]
    assert all(later["before"] == row["state"] for row, later in pairwise(rows)), rows
    assert all(row["before"] != row["state"] for row in rows), rows
    return "".join("?" if row["state"] == "unknown" else row["state"][0].upper() for row in rows)


async def state(database: Database, name: str) -> dict[str, Any]:
    [row] = await database.fetch("SELECT * FROM states WHERE target = $1 AND location = 'default'", name)
    return row


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


@pytest.mark.smoke
async def test_a_released_target_moves_with_its_whole_state(
    replicas: Callable[[str], Replica], test_db: Database
) -> None:
    one, two = replicas("one"), replicas("two")
    for replica in (one, two):
        await replica.beat()
    assert set(await one.take(*NAMES)) == set(NAMES)
    await one.check("a", "UUUDD", ago(10))  # two sightings of three
    assert await two.take(*NAMES) == {}
    known = one.standings["a"]
    assert (known.state, len(known.unconfirmed)) == (State.UP, 2)
    await one.release("a", "b")
    assert await one.ownership.claim(["a"]) == {}, "nobody knows yet where it stands"
    assert await two.take("a") == {}
    await one.drain()
    taken = await two.take(*NAMES)
    assert set(taken) == {"a", "b"}
    assert two.standings == {"a": known}, "nobody has checked the other yet"
    assert taken["a"].until is not None
    assert abs(taken["a"].until - ago(0)) < timedelta(seconds=5)
    assert taken["a"].checked_until is not None
    await two.check("a", "D", ago(0))
    await two.drain()
    assert await chain(test_db, "a") == "UD"
    assert (await state(test_db, "a"))["flips"] == 2
    assert (await state(test_db, "a"))["owner"] == two.outbox.id


async def test_rows_of_another_replicas_targets_are_not_waited_for(
    replicas: Callable[[str], Replica], test_db: Database
) -> None:
    one, two = replicas("one"), replicas("two")
    for replica in (one, two):
        await replica.beat()
    await one.take("a", "b")
    await one.drain()
    held = trio.Event()

    async def hold(connection: Any) -> None:
        await connection.execute("BEGIN")
        await connection.execute("SELECT FROM states WHERE owner = $1 FOR UPDATE", one.outbox.id)
        held.set()
        await connection.execute("SELECT pg_sleep(60)", timeout=60)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(test_db.operate, hold, 60)
        await held.wait()
        assert set(await two.take(*NAMES)) == {"c"}
        await two.drain()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("age_seconds", "letters"), [(8, "U"), (900, "U?")])
async def test_the_target_of_a_dead_replica_is_unknown_during_a_long_gap(
    replicas: Callable[[str], Replica], test_db: Database, age_seconds: float, letters: str
) -> None:
    one, two = replicas("one"), replicas("two")
    await one.beat()
    await one.take("a")
    await test_db.fetch("UPDATE states SET owned_since = $1", ago(1000))
    await one.check("a", "UUU", ago(1000))
    await one.drain()
    await one.beat(age_seconds)
    await two.beat()
    await two.take("a")
    await two.drain()
    assert await chain(test_db, "a") == letters
    if letters == "U?":
        at = (await state(test_db, "a"))["since"]
        assert abs(at - ago(900)) < timedelta(seconds=30)
    await two.check("a", "DDD", ago(0))
    await two.drain()
    assert await chain(test_db, "a") == letters + "D"


@pytest.mark.parametrize("is_released", [False, True], ids=["owned", "released"])
async def test_flips_of_a_replica_that_had_died_have_their_places_in_the_past(
    replicas: Callable[[str], Replica], test_db: Database, is_released: bool
) -> None:
    one, two = replicas("one"), replicas("two")
    await one.beat()
    await one.take("a", "b", "c")
    for name in NAMES:
        await one.check(name, "U", ago(100))
    await one.drain()
    await one.check("a", "DDDUU", ago(50))
    await one.check("b", "DDD", ago(50))
    await one.check("c", "DDD", ago(50))
    await one.beat(8)
    await two.beat()
    await two.take(*NAMES)
    await two.check("a", "UU", ago(0))
    await two.check("b", "UU", ago(0))
    await two.check("c", "DDD", ago(-0.1))
    await two.drain()
    assert [await chain(test_db, name) for name in NAMES] == ["U", "U", "UD"]
    if is_released:  # and no replica has taken them yet
        for name in NAMES:
            await two.release(name)
        await two.drain()
    await one.beat()  # it is back
    before = [await state(test_db, name) for name in NAMES]
    for _ in range(2):
        await one.drain()
        assert [await chain(test_db, name) for name in NAMES] == ["UDU", "UDU", "UD"]
        assert [await state(test_db, name) for name in NAMES] == before
        await test_db.fetch("UPDATE outboxes SET stored_until = 1")  # everything is sent once more
    if not is_released:
        await two.release("a")
        await two.drain()
    await one.take("a")
    assert one.standings["a"].state is State.UP
    await one.check("a", "DDD", ago(-1))
    await one.drain()
    assert await chain(test_db, "a") == "UDUD"


async def test_flips_after_another_replica_took_over_are_left_out(
    replicas: Callable[[str], Replica], test_db: Database
) -> None:
    one, two = replicas("one"), replicas("two")
    await two.beat()
    await two.take("a")
    await two.check("a", "U", ago(100))
    await two.drain()
    await one.check("a", "DDD", ago(50))  # it started, and the database could not say whose the target is
    await one.drain()
    assert await chain(test_db, "a") == "U"
    assert (await state(test_db, "a"))["state"] == "up"


async def test_a_target_taken_back_continues_in_the_state_of_its_last_owner(
    replicas: Callable[[str], Replica], test_db: Database
) -> None:
    one, two = replicas("one"), replicas("two")
    for replica in (one, two):
        await replica.beat()
    await one.take("a")
    await one.check("a", "U", ago(100))
    await one.drain()
    await one.check("a", "DDD", ago(90))  # it dies before this is sent, and is soon back
    await two.take("a", by_force=True)
    await two.check("a", "UU", ago(60))
    await two.release("a")
    await two.drain()
    await one.take("a")
    await one.drain()
    assert await chain(test_db, "a") == "UDU"
    assert (await state(test_db, "a"))["state"] == "up"


@pytest.mark.parametrize("owner_died", [False, True])
async def test_findings_before_the_database_was_reachable_are_kept(
    replicas: Callable[[str], Replica], test_db: Database, owner_died: bool
) -> None:
    """It claims the target as soon as the database is back, before everything is drained."""
    one, two = replicas("one"), replicas("two")
    if owner_died:
        await two.beat()
        await two.take("a")
        await two.check("a", "U", ago(60))
        await two.drain()
        await test_db.fetch("UPDATE states SET owned_since = $1", ago(70))
        await two.beat(50)
    await one.check("a", "UDDDUUDD", ago(40))
    await one.beat()
    await one.take("a")
    await one.drain()
    assert await chain(test_db, "a") == ("U?UDU" if owner_died else "UDU")
    assert (await state(test_db, "a"))["standing"] is not None
    await two.beat()
    await one.beat(60)
    await two.take("a")
    assert len(two.standings["a"].unconfirmed) == 2


async def test_own_targets_continue_in_their_own_state(replicas: Callable[[str], Replica], test_db: Database) -> None:
    one = replicas("one")
    await one.beat()
    await one.take("a")
    await one.check("a", "UDD", ago(10))
    known = dict(one.standings)
    taken = await one.take("a")
    assert taken["a"].until is None
    assert one.standings == known
    await one.drain()
    assert (await state(test_db, "a"))["standing"] is not None


async def test_nothing_is_claimed_where_the_database_is_away(replicas: Callable[[str], Replica]) -> None:
    one = replicas("one")
    await one.database.close()
    await one.database.connect()
    await one.database.fetch("DROP TABLE states")
    assert await one.ownership.claim(["a"]) is None


async def test_no_standing_is_written_without_a_change_or_without_sharing(tmp_path: Path, test_db: Database) -> None:
    for shares, expected in ((True, 3), (False, 0)):
        with closing(Outbox(tmp_path / f"{shares}.sqlite", shares=shares)) as outbox:
            replica = Replica("one", outbox, test_db)
            await replica.check("a", "UUUUDUUU", ago(100))
            rows = outbox.read("SELECT count(*) FROM entries WHERE kind = 'standing'")
            assert rows == [(expected,)]


async def watched(database: Database) -> dict[str, tuple[str, bool]]:
    """Return the state of each target, and whether it is watched."""
    rows = await database.fetch("SELECT target, state, watched FROM states")
    return {row["target"]: (row["state"], row["watched"]) for row in rows}


async def test_replicas_with_different_files_leave_each_other_their_targets(
    replicas: Callable[[str], Replica], test_db: Database
) -> None:
    one, two = replicas("one"), replicas("two")
    for replica in (one, two):
        await replica.beat()
        await replica.drain()
    await one.take("a")
    await two.take("b", "c")
    for replica, names in ((one, "a"), (two, "bc")):
        for name in names:
            await replica.check(name, "U", ago(10))
        await replica.drain()
    one.store.retarget([a_target("a"), a_target("b")])
    await one.drain()
    assert await watched(test_db) == dict.fromkeys(NAMES, ("up", True)), "the other has it still"
    two.store.retarget([a_target("a"), a_target("b")])
    await two.drain()
    assert await watched(test_db) == {"a": ("up", True), "b": ("up", True), "c": ("up", False)}
    assert await chain(test_db, "a") == "U"
    taken = await one.take("c")
    assert set(taken) == {"c"}, "whoever has it in its file again takes what nobody watches"
    assert (await watched(test_db))["c"] == ("up", True)


async def test_an_unwatched_target_ends_with_its_owner(replicas: Callable[[str], Replica], test_db: Database) -> None:
    """Targets that are still configured are taken over, and continue."""
    one, two = replicas("one"), replicas("two")
    await one.beat()
    await one.take(*NAMES)
    for name in NAMES:
        await one.check(name, "U", ago(1000))
    await one.release("c")
    await one.drain()
    await one.beat(500)  # and dies
    await two.beat()
    two.store.retarget([a_target("a")])
    await two.drain()
    assert [await chain(test_db, name) for name in NAMES] == ["U", "U?", "U?"]
    assert await watched(test_db) == {"a": ("up", True), "b": ("unknown", False), "c": ("unknown", False)}
    rows = await test_db.fetch("SELECT target, at FROM flips WHERE state = 'unknown'")
    ends = {row["target"]: row["at"] for row in rows}
    assert abs(ends["b"] - ago(500)) < timedelta(seconds=30)
    assert abs(ends["c"] - ago(0)) < timedelta(seconds=30)


async def test_a_location_is_alive_as_long_as_its_latest_replica_without_clock_warnings(
    replicas: Callable[[str], Replica], test_db: Database
) -> None:
    one, two = replicas("one"), replicas("two")
    with capture_logs() as logs:
        for replica in (one, two):
            await replica.store.open(_nothing)
        for _ in range(2):
            await one.store.mark_alive(ago(-3600))
            await two.store.mark_alive(ago(30))
    assert [line for line in logs if line["log_level"] == "warning"] == []
    [row] = await test_db.fetch("SELECT alive_at FROM replicas")
    assert abs(row["alive_at"] - ago(0)) < timedelta(seconds=30)


async def test_targets_of_a_version_without_owners_are_taken_over_in_their_state(
    replicas: Callable[[str], Replica], test_db: Database
) -> None:
    one, two = replicas("one"), replicas("two")
    one.store = TableStore(test_db, one.store.registration)
    await one.check("a", "UDDD", ago(20))
    await one.drain()
    await one.check("a", "UU", ago(5))
    await two.beat()
    taken = await two.take("a")
    assert (two.standings["a"].state, taken["a"].until is not None) == (State.DOWN, True)
    await two.check("a", "UU", ago(0))
    await two.drain()
    one.store = TableStore(test_db, one.store.registration, shares=True)  # it is upgraded
    await one.beat()
    await one.drain()
    assert await chain(test_db, "a") == "UDU"


async def test_replicas_that_claim_at_once_while_others_write_share_all_between_them(
    replicas: Callable[[str], Replica], test_db: Database
) -> None:
    all_of_them = [replicas(name) for name in ("one", "two", "three")]
    names = [f"site {number}" for number in range(300)]
    for replica in all_of_them:
        replica.store.retarget([a_target(name) for name in names])
        await replica.beat()
        await replica.check(names[0], "UUDDDUU", ago(20))
    taken: list[str] = []

    async def claim(replica: Replica, begin: int) -> None:
        for first in range(3):
            some = names[(begin + first * 100) % 300 :][:100]
            found = await replica.ownership.claim(random.Random(begin).sample(some, len(some)))
            assert found is not None
            taken.extend(found)

    async with trio.open_nursery() as nursery:
        for number, replica in enumerate(all_of_them):
            nursery.start_soon(claim, replica, number * 100)
            nursery.start_soon(replica.drain)
    assert sorted(taken) == sorted(names)


@dataclass
class Shared:
    """Three replicas that share targets, the last of which dies now and then, and a daemon that checks all targets.

    Attributes:
        watching: the owner of each target; None while it moves.
        told: the confirmed state of each target, and since when.
        checked: the number of successes and of failures of each target; two in one slot count as two.
        failed: the slots in which each target failed.
    """

    replicas: list[Replica]
    alone: Replica
    chance: random.Random
    watching: dict[str, Replica | None]
    told: defaultdict[str, set[tuple[datetime, str]]] = field(default_factory=lambda: defaultdict(set))
    checked: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: set[tuple[str, datetime]] = field(default_factory=set)

    async def check(self, letters: Mapping[str, str], *, doubled: bool = False) -> None:
        """Let the owners check targets, and with `doubled` the former owners as well."""
        begin, step = ago(0), timedelta(milliseconds=1)
        watched = {name: some for name, some in letters.items() if self.watching[name] is not None}
        for replica in self.replicas:
            former = [name for name in watched if doubled and name in MORTAL and name in replica.standings]
            own = [name for name in watched if self.watching[name] is replica]
            checked = {name: watched[name] for name in dict.fromkeys((*own, *former))}
            await replica.check_all(checked, begin, step)
            self.checked.update((name, letter) for name, some in checked.items() for letter in some)
            for name in own:
                if (since := replica.standings[name].since) is not None:
                    self.told[name].add((since, str(replica.standings[name].state)))
        await self.alone.check_all(watched, begin, step)
        for name, some in watched.items():
            self.failed |= {(name, begin + number * step) for number, letter in enumerate(some) if letter == "D"}

    async def leave(self, names: Sequence[str]) -> None:
        """Release targets, which the database may learn later."""
        for replica in self.replicas:
            own = [name for name in names if self.watching[name] is replica]
            if own:
                await replica.release(*own)
                self.watching.update(dict.fromkeys(own))

    async def die(self) -> None:
        """End the lease of the last replica; what it has not sent comes late."""
        mortal = self.replicas[-1]
        await mortal.beat(60)
        self.watching.update(dict.fromkeys([name for name, one in self.watching.items() if one is mortal]))

    async def take(self) -> None:
        """Take over targets without an owner, where that is allowed."""
        free = defaultdict[int, list[str]](list)
        for name in [name for name, replica in self.watching.items() if replica is None]:
            free[self.chance.randrange(3 if name in MORTAL else 2)].append(name)
        for number, names in free.items():
            replica = self.replicas[number]
            if replica.is_alive:
                for name in names:
                    replica.standings.pop(name, None)
                self.watching.update(dict.fromkeys(await replica.take(*names), replica))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(rounds(2, many=200)))
async def test_over_any_moves_and_deaths_targets_have_the_history_that_one_daemon_gives(
    replicas: Callable[[str], Replica], test_db: Database, tmp_path: Path, seed: int
) -> None:
    chance, begin, all_names = random.Random(seed), ago(1), (*SAFE, *MORTAL)
    with closing(Outbox(tmp_path / "alone.sqlite")) as outbox:
        alone = Replica("alone", outbox, test_db, location="alone")
        three = [replicas(name) for name in ("one", "two", "three")]
        for replica in (*three, alone):
            replica.store.retarget([a_target(name) for name in all_names])
            await replica.beat(lease_seconds=600)  # a busy machine takes its time
        shared = Shared(three, alone, chance, dict.fromkeys(all_names))
        for _ in range(10):
            await shared.take()
            letters = {name: chance.choice("UD") * chance.choice((1, 2, 3, 4)) for name in all_names}
            await shared.check(letters, doubled=chance.random() < 0.3)
            for replica in (*three, alone):
                if chance.random() < 0.5:
                    await replica.drain()
            await shared.leave([name for name in all_names if chance.random() < 0.3])
            if not three[-1].is_alive:
                await three[-1].beat(lease_seconds=600)
            elif chance.random() < 0.4:
                await shared.die()
        for replica in three:
            await replica.beat(lease_seconds=600)
            await replica.drain()
        while None in shared.watching.values():
            await shared.take()
        await shared.check(dict.fromkeys(all_names, "UDDD"))
        for replica in (*three, alone, *three):
            await replica.close_minutes()
            await replica.drain()
    await _is_as_one_daemon_had_it(shared, test_db, begin)
    await _is_one_chain_of_what_was_confirmed(shared, test_db)


async def _is_as_one_daemon_had_it(shared: Shared, database: Database, begin: datetime) -> None:
    """Compare `status`, `report`, flips, rollups and failures of the replicas with those of the single daemon."""
    presents = {(one.target, one.location): replace(one, location="") for one in await read_status(database)}
    until = min(row["alive_at"] for row in await database.fetch("SELECT alive_at FROM replicas"))
    reports = {(one.present.target, one.present.location): one for one in await read_reports(database, begin, until)}
    flips = {
        place: [replace(flip, location="", check_id=None) for flip in of_one]
        for place, of_one in (await flips_between(database, begin, until)).items()
    }
    for name in shared.watching:
        (present, report, chain), alone = (
            (presents[name, place], reports[name, place], flips[name, place]) for place in ("default", "alone")
        )
        assert report.rollup is not None
        checked = {"up": shared.checked[name, "U"], "status": shared.checked[name, "D"]}
        assert report.rollup.results == {result: count for result, count in checked.items() if count}
        if name in SAFE:
            assert chain == alone[2]
            assert (present, report.uptime, report.entries) == (alone[0], alone[1].uptime, alone[1].entries)
            assert alone[1].rollup is not None
            assert replace(report.rollup, sums_ms=alone[1].rollup.sums_ms) == alone[1].rollup
        else:
            assert (present.state, present.reason) == (alone[0].state, alone[0].reason)
    rows = await database.fetch("SELECT target, scheduled_at FROM failures WHERE location = 'default'")
    assert Counter((row["target"], row["scheduled_at"]) for row in rows) == Counter(shared.failed)


async def _is_one_chain_of_what_was_confirmed(shared: Shared, database: Database) -> None:
    for name, watching in shared.watching.items():
        found, present = await chain(database, name), await state(database, name)
        assert watching is not None
        assert (present["state"], present["owner"]) == (str(watching.standings[name].state), watching.outbox.id)
        assert found.endswith({"up": "U", "down": "D", "unknown": "?"}[present["state"]])
        rows = await database.fetch(
            "SELECT at, state FROM flips WHERE target = $1 AND location = 'default' ORDER BY at, confirmed_at", name
        )
        for since, confirmed in shared.told[name]:
            place = max((number for number, row in enumerate(rows) if row["at"] <= since), default=0)
            around = {row["state"] for row in rows[place : place + 2]}
            assert confirmed in around, "what a replica had confirmed was so then, or was found by the next one"


async def _nothing(_flips: object) -> None:
    pass


async def test_a_replica_continues_from_flips_if_rows_of_states_were_deleted(
    replicas: Callable[[str], Replica], test_db: Database
) -> None:
    one, two = replicas("one"), replicas("two")
    for replica in (one, two):
        await replica.beat()
    await one.take("a", "b")
    await one.check("a", "UDDD", ago(10))
    await one.drain()
    await test_db.fetch("DELETE FROM states")
    taken = await two.take("a", "b")
    assert taken["a"].standing is not None
    assert (taken["a"].standing.state, taken["a"].standing.flips) == (State.DOWN, 2)
    assert taken["a"].until is not None
    assert taken["b"].standing is None
    await two.check("a", "DD", ago(0))
    await two.drain()
    assert await chain(test_db, "a") == "UD"


async def test_a_database_without_owners_learns_them_again_from_the_agreement(
    replicas: Callable[[str], Replica], test_db: Database
) -> None:
    one, two = replicas("one"), replicas("two")
    for replica in (one, two):
        await replica.beat()
    await test_db.fetch("INSERT INTO agreements VALUES ('default', 7, '[]', now())")
    await two.take("a")
    await two.check("a", "U", ago(10))
    await two.drain()
    await two.release("a")
    await two.drain()
    await one.take("a", "b")
    await one.check("a", "DDD", ago(5))
    await test_db.fetch("UPDATE states SET owner = $1, owned_from = 0, others_until = NULL", two.outbox.id)
    assert await one.ownership.take_back(["a", "b"], 8) == 0, "by an agreement that is not known there"
    assert await one.ownership.take_back(["a", "b"], 7) == 2
    assert await one.ownership.take_back(["a", "b"], 7) == 0
    await one.drain()
    assert await chain(test_db, "a") == "UD"
    found = await state(test_db, "a")
    assert (found["owner"], found["state"]) == (one.outbox.id, "down")
    assert found["standing"].startswith('["down"')


async def test_an_incident_goes_on_under_a_new_name_that_is_anothers(
    replicas: Callable[[str], Replica], test_db: Database
) -> None:
    one, two = replicas("one"), replicas("two")
    for replica in (one, two):
        await replica.beat()
    await one.take("a", "b")
    await one.check("a", "UDDD", ago(10))
    await one.check("b", "UDDDUU", ago(10))
    [incident] = open_incidents(one.outbox).found
    renamed, now = {"a": "new a", "b": "new b"}, ago(0)
    found = reassign([], renamed, one.standings, "default", now, renamed)
    await one.disk.run(lambda outbox: note(outbox, found, "default", now.timestamp(), renamed))
    await one.release("a", "b")
    await one.drain()
    claims = ClaimsWithIncidents(two.ownership, ChannelLedger(test_db, "default", two.outbox.id), two.disk, "default")
    claims.rename(renamed)
    taken = await claims.claim(["new a", "new b"])
    assert taken is not None
    assert taken["new b"].standing is None
    assert taken["new a"].standing is not None
    assert (taken["new a"].standing.state, taken["new a"].standing.before) == (State.UNKNOWN, State.DOWN)
    [gone_on] = open_incidents(two.outbox).found
    assert (gone_on.id, gone_on.target, gone_on.since) == (incident.id, "new a", incident.since)


@pytest.mark.parametrize("claimed_at", range(4))
async def test_what_goes_on_here_under_a_new_name_has_its_flips_once_whenever_it_is_claimed(
    claimed_at: int, replicas: Callable[[str], Replica], test_db: Database
) -> None:
    """It is claimed while its checks go on: before the first flip is written, or stored, or while others wait."""
    one, two = replicas("one"), replicas("two")
    for replica in (one, two):
        await replica.beat()
    await one.take("a")
    await one.check("a", "UDDD", ago(20))

    async def store() -> None:
        await one.drain()  # it registers, and then the other replica does and checks its own targets
        await test_db.fetch("UPDATE replicas SET outbox = $1, alive_at = clock_timestamp()", two.outbox.id)

    renamed, now = {"a": "new a"}, ago(10)
    one.standings["new a"] = Standing(State.UNKNOWN, now, State.DOWN)
    found = reassign([], renamed, one.standings, "default", now, renamed)
    await one.disk.run(lambda outbox: note(outbox, found, "default", now.timestamp(), renamed))
    await store()
    [incident] = open_incidents(one.outbox).found
    claims = ClaimsWithIncidents(one.ownership, ChannelLedger(test_db, "default", one.outbox.id), one.disk, "default")
    claims.rename(renamed, ["new a"])
    down, up = partial(one.check, "new a", "D", ago(5)), partial(one.check, "new a", "UU", ago(3))
    steps: list[Callable[[], Awaitable[None]]] = [down, store, up, store]
    for step in steps[:claimed_at]:
        await step()
    taken = await claims.claim(["new a"])
    assert taken is not None
    assert [found.id for found in open_incidents(one.outbox).found] == [incident.id] * (claimed_at < 3)
    for step in steps[claimed_at:][:1]:
        await step()
    if taken["new a"].until is not None and taken["new a"].standing is not None:  # as by the sharer
        one.standings |= take_over([a_target("new a")], taken, "default", ago(0), own=one.standings).standings
    for step in steps[claimed_at + 1 :]:
        await step()
    assert await chain(test_db, "new a") == "DU"

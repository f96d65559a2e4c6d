"""Several replicas that share targets, with a database of names and owners, on a mock clock."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doubles import a_target
from watcher.cluster.assignment import Assignment
from watcher.cluster.protocol import Share, alone
from watcher.config.env.settings import load_settings
from watcher.daemon.changes import MAX_CHANGES_IN_CHANNEL, Change, deliver
from watcher.daemon.sharing.incidents import MAX_RENAMED, ClaimsWithIncidents
from watcher.daemon.sharing.sharer import CLAIM_CUT_OFF_SECONDS, Sharer, Step
from watcher.daemon.sharing.wanted import FORCE_BEATS, LEFT_BEATS
from watcher.model.difference import difference
from watcher.model.resumption import Taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Sequence

    from watcher.model.target import Target

SETTINGS = load_settings(Path("no such file"), {"CONFIG_FILE_PATH": "config.yaml"})

BEAT_SECONDS = 2.0
RELEASE_SECONDS = 0.3
NAMES = tuple("abcdefghijkl")
TARGETS = {name: a_target(name, address=f"http://127.0.0.1:1/{name}") for name in NAMES}


@dataclass
class World:
    """What all replicas see, and who watches which target.

    Attributes:
        owners: the owners of targets in the database.
        watching: who watches each target.
        doubled: targets that a second replica started to watch, and why.
        is_away: whether the database is unreachable.
    """

    owners: dict[str, uuid.UUID] = field(default_factory=dict)
    dead: set[uuid.UUID] = field(default_factory=set)
    watching: dict[str, set[uuid.UUID]] = field(default_factory=lambda: {name: set() for name in NAMES})
    doubled: list[tuple[str, str]] = field(default_factory=list)
    is_away: bool = False


class Replica:
    """One replica: it is its own `Members` and `Claims`, by the newest share that it received."""

    def __init__(self, number: int, world: World) -> None:
        self.me = uuid.UUID(int=number)
        self.world = world
        self.share = alone(self.me)
        self._changed = trio.Event()
        self.gone: list[int] = []
        self.epochs: list[int] = []
        self.fingerprints: list[str] = []
        self.steps: list[Step] = []
        self.frozen = trio.Event()
        self.frozen.set()
        self._forced: frozenset[str] = frozenset()
        self.sharer = Sharer(self, self, self._apply, lambda change: str(len(change.difference.targets)), BEAT_SECONDS)
        self.send, self.receive = trio.open_memory_channel[Change](MAX_CHANGES_IN_CHANNEL)
        self.targets: tuple[Target, ...] = ()
        self._reloading = trio.Lock()

    def tell(self, epoch: int, replicas: Iterable[Replica], *, is_mixed: bool = False) -> None:
        """Pass an agreement to it; in a mixed one, no other replica has its configuration."""
        agreed = frozenset(replica.me for replica in replicas)
        peers = frozenset({self.me}) if is_mixed else agreed
        self.share = Share(epoch, self.me, agreed, peers if self.me in agreed else frozenset(), agreed)
        self._changed.set()
        self._changed = trio.Event()

    async def changed_from(self, known: Share | None) -> Share:
        while self.share == known:
            await self._changed.wait()
        return self.share

    async def configure(self, names: Iterable[str], *others: Target) -> None:
        """Reload a file with these targets, some of them changed."""
        async with self._reloading:
            targets = TARGETS | {target.name: target for target in others}
            found = difference(self.targets, [targets[name] for name in names])
            self.targets = found.targets
            await deliver(self.send, Change(SETTINGS, found))

    def set_fingerprint(self, fingerprint: str) -> None:
        self.fingerprints.append(fingerprint)

    def let_go(self, epoch: int) -> None:
        self.gone.append(epoch)

    def put_into_effect(self, epoch: int) -> None:
        self.epochs.append(epoch)

    async def claim(self, names: Sequence[str], *, by_force: bool = False) -> dict[str, Taken] | None:
        await self.frozen.wait()
        await trio.sleep(0.01)
        if self.world.is_away:
            return None
        owners = self.world.owners
        free = {None, self.me, *self.world.dead}
        taken = [name for name in names if by_force or owners.get(name) in free]
        self._forced = frozenset(taken) if by_force else self._forced - set(taken)
        owners |= dict.fromkeys(taken, self.me)
        return dict.fromkeys(taken, Taken())

    async def _apply(self, step: Step) -> None:
        await self.frozen.wait()
        self.steps.append(step)
        ending = {target.name for target in step.difference.removed}
        for name in ending:
            self.world.watching[name].remove(self.me)
        if ending:
            await trio.sleep(RELEASE_SECONDS)  # the way through the drain
        for name in ending:
            if self.world.owners.get(name) == self.me:
                del self.world.owners[name]
        for target in step.difference.added:
            others = self.world.watching[target.name] - self.world.dead
            if others:
                reason = "unasked" if target.name not in step.taken else "forced"
                self.world.doubled.append((target.name, reason))
            assert self.me not in others
            self.world.watching[target.name].add(self.me)


@asynccontextmanager
async def open_world(replicas: int) -> AsyncIterator[tuple[World, list[Replica]]]:
    """Run replicas that do not watch a target yet."""
    world = World()
    all_of_them = [Replica(number, world) for number in range(1, replicas + 1)]
    async with trio.open_nursery() as nursery:
        for replica in all_of_them:
            replica.tell(0, ())
            replica.sharer.begin((), ())
            nursery.start_soon(replica.sharer.run, replica.receive)
        yield world, all_of_them
        nursery.cancel_scope.cancel()


def shared_by(replicas: Sequence[Replica], names: Collection[str]) -> dict[str, list[int]]:
    """Return the owner of each target."""
    assignment = Assignment.among([replica.me for replica in replicas])
    owners = {name: assignment.owner_of(name) for name in NAMES}
    return {name: [owner.int] if owner and name in names else [] for name, owner in owners.items()}


def who_watches(world: World) -> dict[str, list[int]]:
    return {name: sorted(one.int for one in world.watching[name] - world.dead) for name in NAMES}


async def test_targets_move_when_replicas_come_and_go_and_never_have_two_owners(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_world(3) as (world, replicas):
        for replica in replicas:
            await replica.configure(NAMES)
        for epoch, numbers in enumerate(([0], [0, 1], [0, 1, 2], [1, 2], [0, 2]), 1):
            agreed = [replicas[number] for number in numbers]
            for replica in replicas:
                replica.tell(epoch, agreed)
            await trio.sleep(1)
            assert who_watches(world) == shared_by(agreed, NAMES)
            assert all(replica.epochs[-1] == replica.gone[-1] == epoch for replica in replicas)
        assert world.doubled == []
    assert {name for replica in replicas for step in replica.steps for name in step.moved} <= set(NAMES)


async def test_a_replica_that_lives_and_does_not_release_is_waited_for_and_then_passed_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_world(2) as (world, (first, second)):
        for replica in (first, second):
            await replica.configure(NAMES)
        for replica in (first, second):
            replica.tell(1, [first])
        await trio.sleep(1)
        first.frozen = trio.Event()
        for replica in (first, second):
            replica.tell(2, [second])
        started = trio.current_time()
        while any(2 not in watching for watching in who_watches(world).values()):  # noqa: ASYNC110
            await trio.sleep(0.1)
        assert FORCE_BEATS * BEAT_SECONDS <= trio.current_time() - started <= FORCE_BEATS * BEAT_SECONDS + 1
        assert {reason for _, reason in world.doubled} == {"forced"}
        first.frozen.set()
        await trio.sleep(1)
        assert who_watches(world) == {name: [2] for name in NAMES}


async def test_in_a_rollout_unchanged_targets_stay_and_in_a_long_one_each_file_is_watched(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_world(2) as (world, (first, second)):
        for replica in (first, second):
            await replica.configure(NAMES)
            replica.tell(1, [first])
        await trio.sleep(1)
        await first.configure(NAMES)
        await second.configure(NAMES)
        changed = a_target(NAMES[0], address="http://127.0.0.1:1/other")
        await second.configure(NAMES, changed)
        for replica in (first, second):
            replica.tell(2, (first, second), is_mixed=True)
        await trio.sleep((LEFT_BEATS - 1) * BEAT_SECONDS)
        assert who_watches(world) == {NAMES[0]: [1, 2]} | {name: [1] for name in NAMES[1:]}
        assert first.epochs[-1] == second.epochs[-1] == 2
        await trio.sleep(2 * BEAT_SECONDS)
        assert who_watches(world) == {name: [1, 2] for name in NAMES}
        assert set(world.owners.values()) == {second.me}
        await first.configure(NAMES, changed)
        for replica in (first, second):
            replica.tell(3, (first, second))
        await trio.sleep(2 * BEAT_SECONDS)
        assert who_watches(world) == shared_by((first, second), NAMES)
        assert {name: [owner.int] for name, owner in world.owners.items()} == who_watches(world)


async def test_the_end_of_a_rollout_needs_no_force(autojump_clock: trio.testing.MockClock) -> None:
    async with open_world(2) as (world, (first, second)):
        for replica in (first, second):
            await replica.configure(NAMES)
            replica.tell(1, [first])
            await replica.configure(NAMES)
        await trio.sleep(1)
        for replica in (first, second):
            replica.tell(2, (first, second), is_mixed=True)
        await trio.sleep(2 * FORCE_BEATS * BEAT_SECONDS)
        for replica in (second, first):
            replica.tell(3, (first, second))
        await trio.sleep(2 * BEAT_SECONDS)
        assert who_watches(world) == shared_by((first, second), NAMES)
        assert world.doubled == []


async def test_targets_claimed_by_an_unseen_agreement_are_claimed_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_world(2) as (world, (first, second)):
        for replica in (first, second):
            await replica.configure(NAMES)
            replica.tell(1, (first, second))
        await trio.sleep(1)
        world.dead.add(first.me)
        second.tell(2, [second])
        await trio.sleep(1)
        assert set(world.owners.values()) == {second.me}
        world.dead.clear()
        for replica in (first, second):
            replica.tell(3, (first, second))
        await trio.sleep(2 * BEAT_SECONDS)
        assert who_watches(world) == shared_by((first, second), NAMES)
        assert {name: [owner.int] for name, owner in world.owners.items()} == who_watches(world)
        world.owners |= dict.fromkeys(NAMES[1:], second.me)  # its lease ended for a moment, and nothing was agreed
        first.sharer.claim_anew(NAMES)
        await trio.sleep(2 * BEAT_SECONDS)
        assert set(world.owners.values()) == {second.me}, "whoever has them lives"
        world.owners.clear()
        await trio.sleep(2 * BEAT_SECONDS)
        assert world.owners == dict.fromkeys(first.sharer.names, first.me)


async def test_without_a_database_a_replica_keeps_its_targets_and_asks_afterwards(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_world(1) as (world, (replica,)):
        world.is_away = True
        replica.tell(1, [replica])
        await replica.configure(NAMES)
        assert who_watches(world) == {name: [1] for name in NAMES}
        assert world.owners == {}
        world.is_away = False
        await trio.sleep(BEAT_SECONDS + 1)
        assert world.owners == dict.fromkeys(NAMES, replica.me)
        steps = len(replica.steps)
        await trio.sleep(60)
        assert len(replica.steps) == steps


@pytest.mark.parametrize(
    ("away_seconds", "has_asked"), [(CLAIM_CUT_OFF_SECONDS - 1, True), (CLAIM_CUT_OFF_SECONDS + 1, False)]
)
async def test_targets_of_another_start_without_a_claim_only_in_a_long_outage(
    autojump_clock: trio.testing.MockClock, away_seconds: float, has_asked: bool
) -> None:
    async with open_world(2) as (world, (first, second)):
        for replica in (first, second):
            await replica.configure(NAMES)
            replica.tell(1, [first, second])
        await trio.sleep(1)
        steps = len(second.steps)
        world.is_away = True
        world.dead.add(first.me)
        second.tell(2, [second])
        await trio.sleep(away_seconds)
        world.is_away = False
        await trio.sleep(1)
        assert who_watches(world) == {name: [2] for name in NAMES}
        begun = [(step, target) for step in second.steps[steps:] for target in step.difference.added]
        assert {target.name in step.taken for step, target in begun} == {has_asked}


async def test_a_reload_lasts_until_it_is_fully_applied_and_removals_are_not_moves(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_world(1) as (world, (replica,)):
        replica.tell(1, [replica])
        await replica.configure("abc")
        await replica.configure("bcd")
        assert [name for name, watching in who_watches(world).items() if watching] == ["b", "c", "d"]
        assert [sorted(step.moved) for step in replica.steps if step.difference.removed] == [[]]
        assert replica.fingerprints == ["3", "3"]
        assert [step.file is None for step in replica.steps] == [False, True, False, True]


happenings = st.one_of(
    st.tuples(st.just("agree"), st.sets(st.integers(0, 2), min_size=1)),
    st.tuples(st.just("file"), st.sets(st.sampled_from(NAMES))),
    st.tuples(st.just("away"), st.booleans()),
    st.tuples(st.just("freeze"), st.integers(0, 2)),
    st.tuples(st.just("thaw"), st.integers(0, 2)),
    st.tuples(st.just("wait"), st.floats(0, 3)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(happenings, max_size=20))
def test_whatever_happens_in_the_end_each_target_is_watched_once(happened: list[tuple[str, Any]]) -> None:
    async def live() -> None:
        with trio.fail_after(600):  # of the clock that jumps: whatever hangs fails, and does not spin
            await _live(happened)

    trio.run(live, clock=trio.testing.MockClock(autojump_threshold=0))


async def _live(happened: list[tuple[str, Any]]) -> None:
    async with open_world(3) as (world, replicas), trio.open_nursery() as nursery:
        epoch, agreed, names = 0, [0, 1, 2], set[str]()  # a replica that reloads reads the names as of then
        for what, which in [*happened, ("away", False), *(("thaw", number) for number in range(3))]:
            if what == "agree":
                agreed = sorted(which)
            elif what == "file":
                names.clear()
                names |= which
                for replica in replicas:
                    if replica.frozen.is_set():
                        nursery.start_soon(replica.configure, names)
            elif what == "away":
                world.is_away = which
            elif what == "freeze":
                replicas[which].frozen = trio.Event()
            elif what == "thaw":
                replicas[which].frozen.set()
            else:
                await trio.sleep(which)
                continue
            if what == "agree":
                epoch += 1
                for replica in replicas:
                    replica.tell(epoch, [replicas[number] for number in agreed])
        for replica in replicas:
            replica.tell(epoch + 1, [replicas[number] for number in agreed])
            await replica.configure(names)
        await trio.sleep(30)
        expected = shared_by([replicas[number] for number in agreed], names)
        assert who_watches(world) == expected
        assert {name: [owner.int] for name, owner in world.owners.items()} == {name: expected[name] for name in names}


class Renamed:
    """Claims that give one target at a time, and note of how many it is said that they have another name."""

    def __init__(self) -> None:
        self.told: list[int] = []

    async def claim(
        self, names: Sequence[str], *, by_force: bool = False, renamed: Collection[str] = ()
    ) -> dict[str, Taken] | None:
        """Give the first of some targets."""
        assert not by_force
        self.told.append(len(renamed))
        return {names[0]: Taken()}


async def test_of_renamed_targets_only_the_newest_wait_for_their_claims() -> None:
    inner = Renamed()
    claims = ClaimsWithIncidents(inner, None, None, "default")  # type: ignore[arg-type]
    names = [f"new {number}" for number in range(MAX_RENAMED + 2)]
    claims.rename({f"old {number}": name for number, name in enumerate(names)}, names)
    await claims.claim(names[2:])
    await claims.claim(names)
    assert inner.told == [MAX_RENAMED, MAX_RENAMED - 1]

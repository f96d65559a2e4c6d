"""Replicas that share their channels: several outboxes over one database, with receivers in memory."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.doubles import a_target
from tests.pipeline import a_registration
from watcher.alerting.alerts import Alerts
from watcher.alerting.policy.holding import routes_to
from watcher.alerting.policy.view import View
from watcher.alerting.scope import Scope
from watcher.alerting.sharing import AlertSharing
from watcher.model.alerts.channel import Channel, WebhookReceiver
from watcher.model.alerts.notification import Delivered, Delivery, Notification, TryAgain
from watcher.model.alerts.of_target import Dependency, TargetAlerts
from watcher.model.outcome import Fault, Reason
from watcher.model.places import COMBINED
from watcher.model.state import Flip, State
from watcher.outbox.flip_door import record_flips
from watcher.outbox.outbox import Outbox
from watcher.outbox.places.combined import end_alone
from watcher.outbox.shared_alerts import EXPORTED, is_taken_in
from watcher.outbox.thread import OutboxThread
from watcher.postgres.drain import Drain
from watcher.postgres.queries.channels import ChannelLedger
from watcher.postgres.store import TableStore
from watcher.postgres.tables.alerting import INSERT_ALERT_EVENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

    from watcher.model.target import Target
    from watcher.postgres.db import Database

NAMES = [f"site {number}" for number in range(60)]
LOCATION = "default"
FORCE_SECONDS = 1.0


def a_channel(name: str = "ops", **options: Any) -> Channel:
    timing = {"group_wait_seconds": 0.0, "group_interval_seconds": 0.0, **options}
    return Channel(name, WebhookReceiver("http://hook.example/"), **timing)


@dataclass(frozen=True)
class AShare:
    """An agreement, made by hand: who dispatches all channels."""

    epoch: int
    seats: int
    is_mine: bool
    tellers: frozenset[uuid.UUID] = frozenset()
    is_mixed: bool = False

    @property
    def is_alone(self) -> bool:
        return self.seats == 1

    def telling(self, _channel: str) -> frozenset[uuid.UUID]:
        return self.tellers

    def dispatches(self, _channel: str) -> bool:
        return self.is_mine


@dataclass
class AFooting:
    """A replica's relation to the others, made by hand."""

    share: AShare | None = None
    lease: bool = True
    cut_off: bool = False

    def holds_lease(self) -> bool:
        return self.lease

    def is_cut_off(self) -> bool:
        return self.cut_off

    async def changed_from(self, known: object) -> object:
        while self.share == known:  # noqa: ASYNC110  # a test changes it by hand
            await trio.sleep(0.01)
        return self.share


class Replica:
    """One replica of several, with its own receiver for the same channel."""

    def __init__(self, world: World, folder: Path, channels: Sequence[Channel]) -> None:
        folder.mkdir(exist_ok=True)
        self.world = world
        self.channels = channels
        self.view = world.view
        self.disk = OutboxThread(Outbox(folder / "outbox.sqlite"))
        self.footing = AFooting()
        self.got: list[Notification] = []
        self.hanging: trio.Event | None = None
        store = TableStore(world.database, a_registration(outbox=self.disk.outbox.id))
        self.drain = Drain(self.disk, store)
        self.ledger = ChannelLedger(world.database, LOCATION, self.disk.outbox.id)
        self.sharing = AlertSharing(
            *(self.disk, self.ledger, self.footing, LOCATION, self.written),
            force_seconds=FORCE_SECONDS,
            routes_of=lambda target: routes_to(self.channels, self.view.targets.get(target)),
        )
        self.alerts = Alerts(self.disk, lambda: self.view, self.written, sharing=self.sharing)
        self.scope = trio.CancelScope()
        self.draining = trio.CancelScope()
        self.drain_again = trio.Event()
        self.ended = trio.Event()

    def written(self) -> None:
        """Wake the drain; a call from a thread always fails here, and not only while the drain waits."""
        trio.lowlevel.current_task()
        self.drain.wake()

    async def run(self) -> None:
        ready = trio.Event()
        ready.set()
        try:
            with self.scope:
                await self.alerts.note_channels(self.channels)
                async with trio.open_nursery() as nursery:

                    async def drain() -> None:
                        with self.draining:
                            await self.drain.run(ready)
                        if self.draining.cancelled_caught:
                            await self.drain_again.wait()
                            await self.drain.run(ready)

                    nursery.start_soon(drain)
                    await self.alerts.run(self.channels, self)
                    self.drain.close()
        finally:
            with trio.move_on_after(10, shield=True):  # in its thread, which may still be busy
                await self.disk.run(Outbox.close)
            self.ended.set()

    async def move(self, location: str) -> None:
        """Share channels with the replicas of another location, once there is an agreement."""
        self.footing = AFooting()
        await self.world.join(location, self.disk.outbox.id)
        self.sharing.enter(Scope(location, self.ledger.at(location), self.footing))

    async def stop(self) -> None:
        """End as by SIGTERM."""
        self.alerts.close()
        await self.ended.wait()

    async def kill(self) -> None:
        """End at once."""
        self.scope.cancel()
        await self.ended.wait()
        await self.world.database.fetch("DELETE FROM members WHERE replica = $1", self.disk.outbox.id)

    async def flip(self, *names: str, state: State = State.DOWN) -> None:
        """Find flips of sites now."""
        await self.disk.run(partial(record_flips, flips=[self.world.flip(name, state) for name in names], now=0.0))
        self.alerts.look()
        self.drain.wake()

    async def deliver(self, notification: Notification, _channel: Channel) -> Delivery:
        if self.hanging is not None:
            await self.hanging.wait()
            return TryAgain("it did not answer in time")
        self.got.append(notification)
        self.world.got.append(notification)
        return self.world.answers.pop(0) if self.world.answers else Delivered("200 OK")

    async def post_alerts(self, _alerts: Sequence[dict[str, Any]], _channel: Channel) -> Delivery:
        return Delivered("200 OK")


@dataclass
class World:
    """Replicas over one database, and the messages of their receivers."""

    database: Database
    folder: Path
    nursery: trio.Nursery
    channels: Sequence[Channel]
    view: View
    states: dict[str, State]
    got: list[Notification] = field(default_factory=list)
    answers: list[Delivery] = field(default_factory=list)
    epoch: int = 0
    place: str = LOCATION
    _numbers: Counter[str] = field(default_factory=Counter)

    async def start(self, name: str, channels: Sequence[Channel] | None = None) -> Replica:
        """Start a replica, with a lease that lasts until it is killed."""
        replica = Replica(self, self.folder / name, self.channels if channels is None else channels)
        me = replica.disk.outbox.id
        await self.join(LOCATION, me)
        self.nursery.start_soon(replica.run)
        return replica

    async def join(self, location: str, replica: uuid.UUID) -> None:
        """Add a live replica at a location."""
        await self.database.fetch(
            "INSERT INTO members (location, replica, incarnation, name, fingerprint, joined_at, changed_at, beat_at,"
            " expires_at) VALUES ($1, $2, $2, 'one', '', now(), now(), now(), 'infinity') ON CONFLICT DO NOTHING",
            *(location, replica),
        )

    def agree(self, *replicas: Replica, owner: Replica) -> None:
        """Let replicas agree on one that dispatches all channels."""
        self.epoch += 1
        tellers = frozenset(replica.disk.outbox.id for replica in replicas if replica.channels)
        is_mixed = len({(bool(replica.channels), len(replica.view.targets)) for replica in replicas}) > 1
        for replica in replicas:
            replica.footing.share = AShare(self.epoch, len(replicas), replica is owner, tellers, is_mixed)
            replica.footing.cut_off = False
            replica.sharing.wake()

    def flip(self, name: str, state: State) -> Flip:
        now, before = datetime.now(UTC), self.states[name]
        self._numbers[name] += 1
        self.states[name] = state
        cause = Fault(Reason.STATUS, "503 Service Unavailable") if state is State.DOWN else None
        return Flip(name, self.place, now, now, state, before, cause, None, self._numbers[name])

    @property
    def told(self) -> list[str]:
        """Return the messages in order; two with one id count as one."""
        return [one.payload["title"].partition(":")[0] for one in {one.id: one for one in self.got}.values()]

    async def rows(self, table: str) -> list[dict[str, Any]]:
        return await self.database.fetch(f"SELECT * FROM {table}")


@asynccontextmanager
async def a_world(
    database: Database, folder: Path, *channels: Channel, targets: Sequence[Target] = ()
) -> AsyncIterator[World]:
    configured = {name: replace(a_target(), name=name) for name in NAMES} | {one.name: one for one in targets}
    states = dict.fromkeys(configured, State.UP)
    view = View(configured, states.get, lambda _name: None)
    async with trio.open_nursery() as nursery:
        yield World(database, folder, nursery, channels or (a_channel(),), view, states)
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(30):
        while not condition():  # noqa: ASYNC110  # threads, tasks and a database have their part in it
            await trio.sleep(0.01)


async def until_shared(world: World, owner: Replica, *others: Replica, location: str = LOCATION) -> None:
    """Wait until a replica dispatches the channel, and has adopted what others handed over."""
    ids = {str(one.disk.outbox.id) for one in (owner, *others)}
    with trio.fail_after(30):
        while True:
            rows = [row for row in await world.rows("channel_owners") if row["location"] == location]
            (row,) = rows or [{"owner": None, "positions": "{}"}]
            if row["owner"] == owner.disk.outbox.id and ids <= json.loads(row["positions"]).keys():
                return
            await trio.sleep(0.02)


async def until_alone(world: World, replica: Replica) -> None:
    """Wait until a replica that is alone has everything in its outbox, and no longer needs the tables."""
    with trio.fail_after(30):
        while True:
            is_home = await replica.disk.run(lambda outbox: outbox.meta(EXPORTED)) is None
            if is_home and not await world.rows("channel_messages"):
                return
            await trio.sleep(0.02)


async def until_told(replica: Replica) -> None:
    """Wait until a replica knows that all its findings were sent, by whichever replica, and has stored everything."""
    with trio.fail_after(30):
        while replica.alerts.pending or replica.disk.outbox.rows or not await replica.disk.run(is_taken_in):  # noqa: ASYNC110  # a file
            await trio.sleep(0.02)


async def flip_until_told(replica: Replica, name: str, *, state: State = State.DOWN) -> None:
    """Let a replica find a flip of a site, and wait until any replica sends it."""
    await replica.flip(name, state=state)
    await until(lambda: f"{name} is {state}" in replica.world.told)


@contextmanager
def cut_off(replica: Replica) -> Iterator[None]:
    """Disconnect a replica from the database: nothing of it is stored, and its lease ends."""
    replica.drain_again = trio.Event()
    replica.draining.cancel()
    replica.footing.lease, replica.footing.cut_off = False, True
    replica.sharing.wake()
    yield
    replica.footing.lease, replica.footing.cut_off = True, False
    replica.drain_again.set()


async def test_forty_flips_over_three_replicas_are_one_message(test_db: Database, tmp_path: Path) -> None:
    async with a_world(test_db, tmp_path, a_channel(group_wait_seconds=2.0)) as world:
        a, b, c = replicas = [await world.start(name) for name in "abc"]
        world.agree(*replicas, owner=b)
        await until_shared(world, b, a, c)
        for number, replica in enumerate((a, b, c, a, b)):
            await replica.flip(*NAMES[8 * number : 8 * number + 8])
        await until(lambda: world.got)
        assert world.told == ["40 sites are down"]
        assert (len(a.got), len(b.got), len(c.got)) == (0, 1, 0)
        await a.flip(*NAMES[:8], state=State.UP)
        await c.flip(*NAMES[16:24], state=State.UP)
        await until(lambda: len(world.got) == 2)
        assert world.told[1] == "16 sites are up"


async def test_a_parent_on_one_replica_holds_back_its_children_on_another(test_db: Database, tmp_path: Path) -> None:
    child = a_target(name="child", alerts=TargetAlerts(depends_on=(Dependency(target="site 1"),)))
    async with a_world(test_db, tmp_path, a_channel(group_wait_seconds=1.0), targets=[child]) as world:
        a, b = await world.start("a"), await world.start("b")
        world.agree(a, b, owner=b)
        await until_shared(world, b, a)
        await b.flip("child")
        await a.flip("site 1")
        await until(lambda: world.got)
        assert world.told == ["site 1 is down"]


async def test_an_owner_that_dies_between_decision_and_sending_leaves_the_same_message(
    test_db: Database, tmp_path: Path
) -> None:
    async with a_world(test_db, tmp_path) as world:
        a, b = await world.start("a"), await world.start("b")
        a.hanging = trio.Event()
        world.agree(a, b, owner=a)
        await until_shared(world, a, b)
        await b.flip("site 1")
        await until(lambda: a.alerts.pending)
        (row,) = await a.disk.run(lambda outbox: outbox.read("SELECT id FROM notifications"))
        await a.kill()
        world.agree(b, owner=b)
        await until(lambda: b.got)
        assert [str(one.id) for one in b.got] == [row[0]]
        await until_alone(world, b)
        await b.flip("site 1", state=State.UP)
        await until(lambda: len(b.got) == 2)
        assert world.told == ["site 1 is down", "site 1 is up"]


async def test_a_channel_moves_with_its_open_incidents_reminders_and_queue(test_db: Database, tmp_path: Path) -> None:
    channel = a_channel(reminder_interval_seconds=2.0)
    async with a_world(test_db, tmp_path, channel) as world:
        a = await world.start("a")
        world.agree(a, owner=a)
        await until(lambda: a.sharing.may_send("ops"))
        await a.flip("site 1")
        await until(lambda: a.got)
        a.hanging = hanging = trio.Event()
        await a.flip("site 2")
        await until(lambda: a.alerts.pending)
        assert not await world.rows("alert_events"), "who is alone asks nobody"
        b = await world.start("b")
        world.agree(a, b, owner=b)
        await until(lambda: any("still" in one.payload["title"] for one in b.got))
        assert world.told[:2] == ["site 1 is down", "site 2 is down"]
        await flip_until_told(a, "site 1", state=State.UP)
        world.agree(a, b, owner=a)
        a.hanging = None
        hanging.set()
        await until_shared(world, a, b)
        await flip_until_told(a, "site 2", state=State.UP)
        assert "site 2 is up" in [one.payload["title"] for one in a.got]
        counts = Counter(one for one in world.told if "still" not in one)
        assert set(counts.values()) == {1}, counts
        await until_told(a)
        assert not await world.rows("channel_messages")


async def test_channels_shared_in_another_way_keep_open_incidents_and_queue(test_db: Database, tmp_path: Path) -> None:
    async with a_world(test_db, tmp_path) as world:
        a, b = await world.start("a"), await world.start("b")
        world.agree(a, b, owner=b)
        await until_shared(world, b, a)
        await flip_until_told(a, "site 1")
        await flip_until_told(b, "site 2")
        b.hanging = hanging = trio.Event()
        await a.flip("site 3")
        await until(lambda: b.alerts.pending)
        for replica in (b, a):
            await replica.move(COMBINED)
        world.agree(a, b, owner=a)
        hanging.set()
        await until_shared(world, a, b, location=COMBINED)
        await until(lambda: "site 3 is down" in world.told)
        await flip_until_told(a, "site 1", state=State.UP)
        await flip_until_told(b, "site 2", state=State.UP)
        assert not [row for row in await world.rows("channel_records") if row["location"] == LOCATION]
        await until_told(a)
        await a.stop()  # and returns with a file by which it shares only with those of its place
        a = await world.start("a")
        await b.kill()
        await world.database.fetch("DELETE FROM members WHERE location = $1", COMBINED)
        world.agree(a, owner=a)
        await flip_until_told(a, "site 3", state=State.UP)
        assert Counter(world.told) == {
            f"site {number} is {state}": 1 for number in (1, 2, 3) for state in ("down", "up")
        }


async def test_a_disconnected_replica_sends_its_findings_and_no_other_repeats_them(
    test_db: Database, tmp_path: Path
) -> None:
    async with a_world(test_db, tmp_path) as world:
        a, b = await world.start("a"), await world.start("b")
        world.agree(a, b, owner=b)
        await until_shared(world, b, a)
        await a.flip("site 1")
        await until(lambda: b.got)
        await until_told(a)
        with cut_off(a):
            await flip_until_told(a, "site 2")
            await flip_until_told(a, "site 3")
            await flip_until_told(a, "site 3", state=State.UP)
            await a.flip("site 1", state=State.UP)
            world.agree(b, owner=b)
            await flip_until_told(b, "site 4")
        world.agree(a, b, owner=b)
        await until(lambda: "site 1 is up" in world.told)
        await flip_until_told(a, "site 2", state=State.UP)
        assert {one.payload["title"] for one in b.got} == {
            *("site 1 is down", "site 4 is down", "site 1 is up", "site 2 is up"),
        }
        assert Counter(world.told).most_common(1)[0][1] == 1


async def test_a_disconnected_owner_continues_and_its_messages_are_not_repeated(
    test_db: Database, tmp_path: Path
) -> None:
    async with a_world(test_db, tmp_path) as world:
        a, b = await world.start("a"), await world.start("b")
        world.agree(a, b, owner=a)
        await until_shared(world, a, b)
        await a.flip("site 1")
        await until(lambda: a.got)
        await until_told(a)
        with cut_off(a):
            await flip_until_told(a, "site 1", state=State.UP)
            await flip_until_told(a, "site 2")
            await world.database.fetch("DELETE FROM members WHERE replica = $1", a.disk.outbox.id)
            world.agree(b, owner=b)
            await until_shared(world, b)
        world.agree(a, b, owner=b)
        await flip_until_told(a, "site 2", state=State.UP)
        counts = Counter(world.told)
        # Both send the end of the earlier incident: at least once.
        assert counts.pop("site 1 is up") <= 2
        assert set(counts.values()) == {1}, counts


async def test_a_decision_of_one_place_alone_ends_once_when_all_are_reachable_again(
    test_db: Database, tmp_path: Path
) -> None:
    async with a_world(test_db, tmp_path) as world:
        world.place = COMBINED
        a, b = await world.start("a"), await world.start("b")
        for replica in (a, b):
            await replica.move(COMBINED)
        world.agree(a, b, owner=b)
        await until_shared(world, b, a, location=COMBINED)
        for name in ("site 1", "site 2"):
            await test_db.fetch(
                "INSERT INTO states (target, location, owner) VALUES ($1, '*', $2)", name, b.disk.outbox.id
            )
        with cut_off(a):
            await flip_until_told(a, "site 1")
            await flip_until_told(a, "site 2")
            await flip_until_told(b, "site 2")
        world.agree(a, b, owner=b)
        await until_told(a)
        over = partial(end_alone, targets=["site 1", "site 2"], is_over=lambda name: name == "site 1", now=time.time())
        await a.disk.run(over)
        a.alerts.look()
        await until(lambda: "site 1 is up" in world.told)
        await flip_until_told(b, "site 2", state=State.UP)
        counts = Counter(world.told)
        assert counts.pop("site 2 is down") <= 2, "each found it by itself"
        assert set(counts.values()) == {1}, counts


async def test_a_process_that_was_stopped_sends_nothing_that_is_anothers_by_now(
    test_db: Database, tmp_path: Path
) -> None:
    async with a_world(test_db, tmp_path) as world:
        a, b = await world.start("a"), await world.start("b")
        world.agree(a, b, owner=a)
        await until_shared(world, a, b)
        a.footing.lease = False
        await b.flip("site 1")
        with trio.fail_after(30):
            while not a.alerts.pending:
                a.alerts.decide_anew()
                await trio.sleep(0.1)
        world.agree(b, owner=b)
        await world.database.fetch("DELETE FROM members WHERE replica = $1", a.disk.outbox.id)
        await until(lambda: b.got)
        world.agree(a, b, owner=b)
        a.footing.lease = True
        await b.flip("site 1", state=State.UP)
        await until(lambda: len(b.got) == 2)
        await until(lambda: not a.alerts.pending)
        assert world.told == ["site 1 is down", "site 1 is up"]
        assert not a.got


async def test_a_new_channel_gets_open_incidents_once(test_db: Database, tmp_path: Path) -> None:
    async with a_world(test_db, tmp_path) as world:
        a, b = await world.start("a"), await world.start("b")
        world.agree(a, b, owner=a)
        await until_shared(world, a, b)
        await flip_until_told(b, "site 1")
        await flip_until_told(b, "site 2")
        await flip_until_told(b, "site 2", state=State.UP)
        await world.database.fetch("UPDATE states SET watched = true")
        for replica in (a, b):
            await replica.alerts.change([*world.channels, a_channel("pager")])
        await until(lambda: any(one.channel == "pager" for one in world.got))
        await flip_until_told(b, "site 1", state=State.UP)
        await until(lambda: len([one for one in world.got if one.channel == "pager"]) == 2)
        told = sorted((one.channel, one.payload["title"].partition(":")[0]) for one in world.got)
        expected = [("ops", f"site {number} is {state}") for number in (1, 2) for state in ("down", "up")]
        assert told == [*expected, ("pager", "site 1 is down"), ("pager", "site 1 is up")]


async def test_findings_of_a_replica_without_channels_are_sent_by_one_with_them(
    test_db: Database, tmp_path: Path
) -> None:
    async with a_world(test_db, tmp_path) as world:
        a, b = await world.start("a"), await world.start("b", channels=())
        world.agree(a, b, owner=a)
        await b.flip("site 1")
        await until(lambda: not b.disk.outbox.rows)
        await world.database.fetch("UPDATE states SET watched = true")
        await until(lambda: world.got)
        assert world.told == ["site 1 is down"]


async def test_a_target_of_another_file_is_sent_to_a_channel_of_both(test_db: Database, tmp_path: Path) -> None:
    async with a_world(test_db, tmp_path) as world:
        a, b = await world.start("a"), await world.start("b")
        known = {name: target for name, target in world.view.targets.items() if name != "site 1"}
        a.view = replace(world.view, targets=known, routes_elsewhere=a.sharing.routes)
        world.agree(a, b, owner=a)
        await until_shared(world, a, b)
        await flip_until_told(b, "site 1")
        await flip_until_told(b, "site 1", state=State.UP)
        assert world.told == ["site 1 is down", "site 1 is up"]


@pytest.mark.parametrize(("their_file", "kept"), [("mine", 0), ("another", 1), ("", 0)])
async def test_findings_wait_only_for_an_owner_with_the_same_file(
    test_db: Database, their_file: str, kept: int
) -> None:
    """A replica with another file may lack the channel, and took the target while this one continued to check it."""
    mine, theirs = uuid.uuid4(), uuid.uuid4()
    for replica, fingerprint in ((mine, "mine"), (theirs, their_file)):
        await test_db.fetch(
            "INSERT INTO members (location, replica, incarnation, name, fingerprint, joined_at, changed_at, beat_at,"
            " expires_at) VALUES ($1, $2, $2, 'one', $3, now(), now(), now(), now() + interval '1 minute')",
            *(LOCATION, replica, fingerprint),
        )
    await test_db.fetch("INSERT INTO states (target, location, owner) VALUES ('site', $1, $2)", LOCATION, theirs)
    event = {"location": LOCATION, "origin": str(mine), "origin_number": 1, "target": "site", "payload": "{}"}
    await test_db.fetch(INSERT_ALERT_EVENTS, json.dumps([event]), [1])
    assert len(await test_db.fetch("SELECT FROM alert_events")) == kept

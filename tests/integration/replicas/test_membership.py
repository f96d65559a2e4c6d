"""Several replicas of one location agree on who checks what, through a real PostgreSQL."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
import trio
from structlog.testing import capture_logs

from tests.integration.own_server import IMMEDIATE, running_server
from tests.integration.replicas.memberships import (
    JOIN_SECONDS,
    NAMES,
    PATIENCE_SECONDS,
    TIMING,
    One,
    all_share,
    are_covered,
    open_replicas,
    started,
)
from watcher.cluster.values import Agreement, Figures, Replica, Seat, Timing
from watcher.postgres.bridge import open_bridge
from watcher.postgres.queries.membership import Beat, agree, leave, members_and_agreements, renew

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.integration.own_server import OwnServer
    from tests.integration.proxy import Proxy
    from watcher.postgres.db import Database


@pytest.fixture
async def make(test_db: Database, db_config: str) -> AsyncIterator[Callable[..., One]]:
    async with open_replicas(db_config) as make:
        yield make


async def test_a_daemon_alone_does_everything_at_once(make: Callable[..., One]) -> None:
    one = await started(make())
    assert one.membership.share is not None
    assert one.membership.share.is_alone
    assert one.membership.is_held
    are_covered([one])


async def test_three_share_one_leaves_and_one_freezes_and_comes_back(
    make: Callable[..., One], test_db: Database
) -> None:
    first, second, third = [await started(make(name)) for name in ("first", "second", "third")]
    epoch = await all_share([first, second, third])

    third.freeze()
    await third.membership.leave()
    late = Beat(Replica("default", third.seat, "third"), Figures(), TIMING.ttl_seconds, epoch)
    assert (await renew(test_db, late, is_back=False)).other is None
    assert await all_share([first, second]) == epoch + 1
    await third.membership.end()
    assert {one.name for one in (await members_and_agreements(test_db))[0]} == {"first", "second"}

    second.freeze()
    assert await all_share([first]) == epoch + 2
    assert not second.membership.is_held
    assert not second.membership.gate.is_open
    passed = trio.Event()

    async def check() -> None:
        await second.membership.gate.passed()
        passed.set()

    second.nursery.start_soon(check)
    second.thaw()
    await second.shares_with([first])
    assert not passed.is_set(), "a check began before those that others have were ended"
    second.membership.let_go(epoch + 2)
    with trio.fail_after(PATIENCE_SECONDS):
        await passed.wait()
    assert await all_share([first, second]) == epoch + 3
    second.membership.put_into_effect(epoch + 3)
    with trio.fail_after(PATIENCE_SECONDS):
        while epoch + 3 not in {  # noqa: ASYNC110
            known.member.epoch for known in (await members_and_agreements(test_db))[0]
        }:
            await trio.sleep(TIMING.beat_seconds / 4)


async def test_agreements_arrive_long_before_a_beat_is_due(make: Callable[..., One], test_db: Database) -> None:
    rarely = Timing(ttl_seconds=20 * PATIENCE_SECONDS, beat_seconds=10 * PATIENCE_SECONDS, limit_seconds=5.0)
    one = await started(make(timing=rarely))
    other = Seat(uuid.uuid4(), uuid.uuid4(), "f")
    # A new listener queries once; it is notified of the second change.
    for epoch, seats in ((2, (one.seat, other)), (3, (one.seat,))):
        assert await agree(test_db, "default", epoch - 1, Agreement(epoch, seats))
        with trio.fail_after(PATIENCE_SECONDS):
            assert (await one.membership.changed_from(one.membership.share)).epoch == epoch


async def test_many_that_come_at_once_are_agreed_on_at_once(make: Callable[..., One]) -> None:
    first = await started(make())
    others = [make() for _ in range(8)]
    async with trio.open_nursery() as nursery:
        for one in others:
            nursery.start_soon(started, one)
    # One where a slow machine lets some wait for a beat more.
    assert await all_share([first, *others]) <= 4


async def test_a_replica_without_a_database_checks_everything_and_shares_later(proxy: Proxy, db_config: str) -> None:
    async with open_replicas(proxy.url()) as make_behind, open_replicas(db_config) as make:
        other = await started(make())
        await proxy.shut()
        one = make_behind()
        assert await one.membership.join(JOIN_SECONDS) is None
        one.thaw()
        assert one.membership.share is not None
        assert all(map(one.membership.share.holds, NAMES))
        with trio.fail_after(PATIENCE_SECONDS):
            await one.membership.gate.passed()
        await proxy.open()
        assert await all_share([one, other]) == 2


async def test_a_disconnected_replica_keeps_its_targets_and_gives_them_back(proxy: Proxy, db_config: str) -> None:
    """Checking twice is better than not at all; what only one replica may do, it does no more."""
    async with open_replicas(proxy.url()) as make_behind, open_replicas(db_config) as make:
        one, other = await started(make_behind()), await started(make())
        epoch = await all_share([one, other])
        before = one.membership.share
        with capture_logs() as lines:
            proxy.freeze()
            assert await all_share([other]) == epoch + 1
            await _until(lambda: any("targets stay with their replicas" in line["event"] for line in lines))
            assert not one.membership.is_held
            assert one.membership.gate.is_open
            assert one.membership.share == before
            proxy.thaw()
            await one.shares_with([other])
        assert await all_share([one, other]) == epoch + 2
        events = ("database unreachable, targets", "database reachable again, replicas")
        asked = [line["event"] for line in lines if line["event"].startswith(events)]
        assert len(asked) == 2


@pytest.fixture
def own_server(made_server: Path, tmp_path: Path) -> Iterator[OwnServer]:
    with running_server(made_server, tmp_path) as server:
        yield server


async def test_a_server_that_is_away_for_longer_than_a_lease_changes_nothing(own_server: OwnServer) -> None:
    """The first to return does not take the others for dead."""
    async with open_bridge(), open_replicas(own_server.url) as make:
        ones = [await started(make()) for _ in range(3)]
        epoch = await all_share(ones)
        await own_server.halt(IMMEDIATE)
        await _until(lambda: not any(one.membership.is_held for one in ones))
        for one in ones:
            await one.membership.gate.passed()
        await own_server.start()
        await _until(lambda: all(one.membership.is_held for one in ones))
        assert await all_share(ones) == epoch


async def test_of_two_on_copies_of_one_folder_the_later_one_works(make: Callable[..., One]) -> None:
    replica = uuid.uuid4()
    with capture_logs() as lines:
        former = await started(make("former", replica=replica))
        later = await started(make("later", replica=replica))
        with trio.fail_after(PATIENCE_SECONDS):
            await former.membership.changed_from(former.membership.share)
        are_covered([later, former])
        assert not former.membership.is_held
        later.freeze()
        await later.membership.leave()
        await later.membership.end()
        with trio.fail_after(PATIENCE_SECONDS):
            while not (former.membership.share and former.membership.share.holds(NAMES[0])):
                await former.membership.changed_from(former.membership.share)
    told = [(line["log_level"], line["other"]) for line in lines if "a copy of this data folder" in line["event"]]
    assert told == [("error", "later"), ("info", "later")]


async def test_who_starts_anew_goes_on_with_its_part_at_once(make: Callable[..., One]) -> None:
    """Killed and restarted: its place is still its own, and none of its targets misses a beat."""
    first, second = await started(make()), await started(make())
    epoch = await all_share([first, second])
    before = second.membership.share
    second.freeze()
    again = make(replica=second.seat.replica)
    assert await again.membership.join(JOIN_SECONDS) == before
    again.thaw()
    assert await all_share([first, again], after=epoch) == epoch + 1  # with the current agreement


async def test_another_configuration_is_shared_by_those_that_have_it(make: Callable[..., One]) -> None:
    ones = [await started(make()) for _ in range(3)]
    epoch = await all_share(ones)
    ones[0].membership.set_fingerprint("g")
    with trio.fail_after(PATIENCE_SECONDS):
        for one in ones:
            while (share := one.membership.share) is None or share.epoch == epoch:
                await one.membership.changed_from(share)
            assert share.epoch == epoch + 1
    are_covered(ones[:1])
    are_covered(ones[1:])


async def test_an_agreement_is_changed_by_one_of_those_who_have_seen_it(test_db: Database) -> None:
    seats = [Seat(uuid.UUID(int=number), uuid.uuid4(), "f") for number in range(3)]
    agreed = []

    async def propose(epoch: int, chosen: tuple[Seat, ...]) -> None:
        if await agree(test_db, "default", epoch - 1, Agreement(epoch, chosen)):
            agreed.append(Agreement(epoch, chosen))

    for epoch in (1, 2):
        async with trio.open_nursery() as nursery:
            for seat in seats:
                nursery.start_soon(propose, epoch, (seat,))
    assert len(agreed) == 2
    await propose(3, tuple(seats))
    async with trio.open_nursery() as nursery:
        for seat in seats[:2]:
            nursery.start_soon(leave, test_db, "default", seat)
    _, agreements = await members_and_agreements(test_db)
    assert agreements == {"default": Agreement(5, (seats[2],))}


async def test_no_epoch_repeats_after_a_restore(make: Callable[..., One], test_db: Database) -> None:
    first, second = await started(make()), await started(make())
    epoch = await all_share([first, second])
    await test_db.fetch("UPDATE agreements SET epoch = 1, seats = '[]'")
    assert await all_share([first, second], after=epoch) == epoch + 1


async def _until(is_so: Callable[[], bool]) -> None:
    """Wait for a change by time, which no notification announces."""
    with trio.fail_after(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110
            await trio.sleep(TIMING.beat_seconds / 4)

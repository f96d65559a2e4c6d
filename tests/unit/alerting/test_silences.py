"""How silences and acks arrive: from the spool folder and from PostgreSQL, to disk, to memory, and out again."""

from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import trio
from structlog.testing import capture_logs

from tests.doubles import MOMENT, Disk
from watcher.alerting.policy.encoding import encode_incident
from watcher.alerting.policy.event import Incident
from watcher.alerting.silences import spool
from watcher.alerting.silences.bell import NAME, Bell, ring
from watcher.alerting.silences.keeper import SilenceKeeper
from watcher.alerting.silences.kept import is_open_outside, silences_outside
from watcher.alerting.silences.orders import (
    MAX_SILENCES,
    OrderError,
    TooManyError,
    covered_words,
    ended,
    new_ack,
    new_silence,
)
from watcher.alerting.silences.present import Silences
from watcher.model.state import Flip, State
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from watcher.alerting.silences.orders import Order
    from watcher.model.alerts.silence import Silence

HOUR = timedelta(hours=1)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with closing(Outbox(tmp_path / "outbox.sqlite")) as outbox:
        yield outbox


def a_silence(*targets: str, hours: float = 2) -> Silence:
    return new_silence(start=MOMENT, end=MOMENT + hours * HOUR, why="a move", by="eve", targets=targets or None)


def put_incident(outbox: Outbox, target: str, since: datetime = MOMENT) -> None:
    """Open an incident, as the only writer of flips does."""
    flip = Flip(target, "default", since, since, State.DOWN, State.UP)
    row = ("default", target, encode_incident(Incident(flip.flip_id, target, "default", State.DOWN, since, flip)))
    outbox.put((), now=0.0, alongside=lambda database: database.execute("INSERT INTO incidents VALUES (?, ?, ?)", row))


class Clock:
    """A clock that stands still until it is set."""

    now = MOMENT.timestamp()

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def running(outbox: Outbox, folder: Path, clock: Clock | None = None) -> AsyncIterator[SilenceKeeper]:
    """Run a keeper in a folder, with its outbox in the loop."""
    keeper = SilenceKeeper(Disk(outbox), folder, "default", Silences(), clock=clock or Clock())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        await trio.testing.wait_all_tasks_blocked()
        yield keeper
        nursery.cancel_scope.cancel()


async def until_taken(folder: Path) -> None:
    """Wait until no order is left."""
    with trio.fail_after(10):
        while not (folder / spool.FOLDER).is_dir() or spool.waiting(folder / spool.FOLDER):  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_an_order_that_is_left_holds_within_a_second_and_after_a_restart(outbox: Outbox, tmp_path: Path) -> None:
    told = []
    async with running(outbox, tmp_path) as keeper:
        await until_taken(tmp_path)
        keeper.silences.tell = lambda: told.append(keeper.silences.silences)
        silence = a_silence("Checkout")
        spool.leave(tmp_path, silence)
        await until_taken(tmp_path)
        assert keeper.silences.silences == (silence,)
        assert told == [(silence,)]
        spool.leave(tmp_path, ended(silence, MOMENT + HOUR))
        spool.leave(tmp_path, silence)  # once more, as after a crash before its file was removed
        await until_taken(tmp_path)
        assert [one.end for one in keeper.silences.silences] == [MOMENT + HOUR]
    async with running(outbox, tmp_path) as keeper:
        assert keeper.silences.silences == (replace(silence, end=MOMENT + HOUR),)
        assert silences_outside(tmp_path / "outbox.sqlite") == list(keeper.silences.silences)
    entries = [json.loads(entry.payload) for entry in outbox.peek(10, 10**6)]
    assert [entry["ends_at"] for entry in entries] == [(MOMENT + hours * HOUR).isoformat() for hours in (2, 1)]


async def test_silences_and_acks_of_a_target_apply_under_its_new_name_too(outbox: Outbox, tmp_path: Path) -> None:
    silence, ack, up = a_silence("Old", "Search"), new_ack("Old", at=MOMENT), trio.Event()
    up.set()

    async def read(_known: object, _since: object) -> list[Order]:
        return [silence, ack]  # PostgreSQL does not have it yet

    async def listen(_heard: object) -> None:
        await trio.sleep_forever()

    async with running(outbox, tmp_path) as keeper, trio.open_nursery() as nursery:
        await keeper.take(silence)
        await keeper.take(ack)
        put_incident(outbox, "New")
        await keeper.rename({"Old": "New"})
        renamed = keeper.silences.silences, keeper.silences.acks
        nursery.start_soon(keeper.follow, read, listen, up)
        await trio.testing.wait_all_tasks_blocked()
        assert (keeper.silences.silences, keeper.silences.acks) == renamed
        nursery.cancel_scope.cancel()
    assert [one.targets for one in renamed[0]] == [frozenset({"Old", "New", "Search"})]
    assert [one.target for one in renamed[1]] == ["New"]


BROKEN = {
    "empty": (b"", "not a kind of order"),
    "binary": (b"\xff\xfe\x00", "decode"),
    "list": (b"silence\n[1]", "not a JSON object"),
    "deep": (b"silence\n" + b"[" * 100_000, "not JSON"),
    "id": (b"silence\n{}", "id is not a UUID"),
    "time": (b'ack\n{"id": "01980000-0000-7000-8000-000000000000", "at": "soon", "target": "x"}', "not a time"),
    "name": (b'ack\n{"id": "01980000-0000-7000-8000-000000000000", "at": "2026-11-23", "target": "\\ud800"}', "name"),
    "large": (b"x" * (spool.MAX_ORDER_BYTES + 1), "bytes"),
    "pipe": (None, "not a regular file"),
}


async def test_invalid_orders_are_set_aside_with_one_line(outbox: Outbox, tmp_path: Path) -> None:
    folder = spool.make_folder(tmp_path)
    for name, (content, _) in BROKEN.items():
        if content is None:
            os.mkfifo(folder / f"{name}.order")
        else:
            (folder / f"{name}.order").write_bytes(content)
    spool.leave(tmp_path, a_silence("Checkout"))
    with capture_logs() as lines:
        async with running(outbox, tmp_path) as keeper:
            with trio.fail_after(10):
                while len(lines) < len(BROKEN) or not keeper.silences.silences:  # noqa: ASYNC110
                    await trio.sleep(0.01)
    said = {line["file"].stem: str(line["error"]) for line in lines if line["log_level"] == "warning"}
    assert {name: why in said[name] for name, (_, why) in BROKEN.items()} == dict.fromkeys(BROKEN, True)
    assert all(spool.was_refused(folder / f"{name}.order") for name in BROKEN)
    assert len(lines) == len(BROKEN)


async def test_files_that_can_neither_be_taken_in_nor_set_aside_keep_no_order_back(
    outbox: Outbox, tmp_path: Path
) -> None:
    folder = spool.make_folder(tmp_path)
    for number in range(spool.MAX_AT_ONCE + 1):
        (folder / f"{number:03}{'0' * 246}.order").touch()  # its name has no room for the suffix of a refused one
    silence = a_silence("Checkout")
    path = spool.leave(tmp_path, silence).rename(folder / "z.order")
    with capture_logs() as lines:
        async with running(outbox, tmp_path) as keeper:
            with trio.fail_after(10):
                while path.exists():  # noqa: ASYNC110
                    await trio.sleep(0.01)
            assert keeper.silences.silences
    assert len(lines) == spool.MAX_AT_ONCE + 1


async def test_broken_or_unfinished_orders_do_not_fill_the_folder(tmp_path: Path) -> None:
    folder = spool.make_folder(tmp_path)
    for number in range(spool.MAX_REFUSED + 5):
        path = folder / f"{number}.order"
        path.touch()
        spool.set_aside(path)
    unfinished = folder / "a.new"
    unfinished.touch()
    os.utime(unfinished, (0, 0))
    assert spool.waiting(folder) == []
    assert len(list(folder.iterdir())) == spool.MAX_REFUSED


async def test_a_ring_is_heard_and_without_a_bell_nothing_hangs(tmp_path: Path) -> None:
    bell = Bell()
    with trio.fail_after(60):
        ring(tmp_path)  # where there is no bell
        for _ in range(2):
            bell.hold(tmp_path)
            ring(tmp_path)
            await bell.wait(3600)
            (tmp_path / NAME).unlink()
        bell.close()
        await bell.wait(0)
        (tmp_path / NAME).touch()
        bell.hold(tmp_path)
        ring(tmp_path)
    assert not bell.is_held
    assert (tmp_path / NAME).read_bytes() == b"", "what somebody else has there is left alone"


def test_a_file_belongs_to_whom_the_data_folder_belongs(tmp_path: Path) -> None:
    spool.make_folder(tmp_path)
    tmp_path.chmod(0o770)
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, 12346)
    left, folder = spool.leave(tmp_path, a_silence("Checkout")).stat(), tmp_path.stat()
    assert (left.st_uid, left.st_gid, left.st_mode & 0o777) == (folder.st_uid, folder.st_gid, 0o660)


async def test_an_order_waits_in_its_file_until_it_can_be_written(outbox: Outbox, tmp_path: Path) -> None:
    async with running(outbox, tmp_path) as keeper:
        await until_taken(tmp_path)
        disk = keeper._disk
        assert isinstance(disk, Disk)
        disk.error = OutboxUnavailableError("the disk is full")
        path = spool.leave(tmp_path, a_silence("Checkout"))
        tried = trio.Event()

        async def note() -> None:
            tried.set()

        disk.before = note
        await tried.wait()
        assert path.exists()
        assert keeper.silences.silences == ()
        disk.error = None
        await until_taken(tmp_path)
        assert len(keeper.silences.silences) == 1


async def test_expired_silences_and_acks_are_removed(outbox: Outbox, tmp_path: Path) -> None:
    clock = Clock()
    put_incident(outbox, "Checkout")
    async with running(outbox, tmp_path, clock) as keeper:
        for order in (
            a_silence("Checkout", hours=1),
            a_silence(hours=3),
            new_ack("Checkout", at=MOMENT + HOUR),
            new_ack("Search", at=MOMENT + HOUR),  # none of which is open
            new_ack("Checkout", at=MOMENT - HOUR),  # of incidents that were open before
        ):
            await keeper.take(order)
        clock.now += 2 * 3600
        await keeper.tidy()
        assert [(one.targets, one.end) for one in keeper.silences.silences] == [(None, MOMENT + 3 * HOUR)]
        assert [(one.target, one.at) for one in keeper.silences.acks] == [("Checkout", MOMENT + HOUR)]
        assert await keeper.has_open("Checkout")
        assert not await keeper.has_open("Search")
        assert is_open_outside(tmp_path / "outbox.sqlite", "Checkout")
    async with running(outbox, tmp_path, clock) as keeper:
        assert (len(keeper.silences.silences), len(keeper.silences.acks)) == (1, 1)


async def test_no_more_silences_hold_than_can_be_looked_through(outbox: Outbox, tmp_path: Path) -> None:
    async with running(outbox, tmp_path) as keeper:
        for number in range(MAX_SILENCES):
            keeper._remember(a_silence(f"{number}"))
        with pytest.raises(TooManyError, match="end some of them"):
            await keeper.take(a_silence("one more"))
        with capture_logs() as lines:
            await keeper._take_from_database([a_silence("one more")])
            await keeper._take_from_database([a_silence("one more")])
        assert [line["more"] for line in lines] == [1], "it is told once"
        await keeper.take(ended(next(iter(keeper._silences.values())), MOMENT))


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (lambda: a_silence("x", hours=0), "until"),
        (lambda: a_silence("x", hours=24 * 367), "until"),
        (lambda: new_silence(start=MOMENT, end=MOMENT + HOUR, why=" "), "why"),
        (lambda: new_silence(start=MOMENT, end=MOMENT + HOUR, why="x" * 501), "why"),
        (lambda: new_silence(start=MOMENT, end=MOMENT + HOUR, why="x", by="y" * 101), "by"),
        (lambda: a_silence(*map(str, range(1001))), "targets"),
        (lambda: new_ack("x", at=MOMENT, why="x" * 501), "why"),
    ],
)
def test_invalid_orders(order: Callable[[], Order], field: str) -> None:
    with pytest.raises(OrderError) as raised:
        order()
    assert raised.value.field == field


def test_the_scope_of_a_silence_is_described_in_words() -> None:
    assert covered_words(a_silence()) == "all targets"
    assert covered_words(a_silence(*"dbca")) == "a, b, c and 1 more"
    assert covered_words(replace(a_silence(), group="shop")) == "the group shop"


@pytest.mark.parametrize(
    ("text", "age_seconds", "ahead"),
    [("", 1, 0.0), ("-3600.250", 1, -3600.25), ("7.5", 60, 0.0), ("nan", 1, 0.0), ("inf", 1, 0.0), ("damaged", 1, 0.0)],
)
def test_a_command_goes_by_the_clock_of_the_daemon_that_it_gives_orders_to(
    tmp_path: Path, text: str, age_seconds: float, ahead: float
) -> None:
    assert spool.machine_ahead_seconds(tmp_path, 0.0) == 0.0, "nobody works there"
    (tmp_path / spool.FOLDER).mkdir()
    (tmp_path / "heartbeat").write_text(text)
    assert spool.machine_ahead_seconds(tmp_path, (tmp_path / "heartbeat").stat().st_mtime + age_seconds) == ahead

"""A new set of targets while the daemon runs: what loops, outbox and store do, on a mock clock."""

from __future__ import annotations

import json
import math
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from tests.doubles import EPOCH, Disk, Store, a_checker, a_target
from watcher.checking.http.exchange import Exchange
from watcher.checking.roster import Roster
from watcher.daemon.retarget import SETTLE_SECONDS, WatchedTargets
from watcher.model.conclusion import Conclusion
from watcher.model.difference import difference
from watcher.model.outcome import Fault, Phases, Reason
from watcher.model.state import Standing, State, Thresholds
from watcher.outbox.encoding import decode_standing
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.outbox import Outbox
from watcher.outbox.writer import Bounds, OutboxWriter
from watcher.postgres.drain import Drain
from watcher.recording.board import Board
from watcher.recording.lines import Lines
from watcher.recording.recorder import Tally, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from watcher.model.target import Target

A, B = (a_target(name, interval_seconds=10.0, thresholds=Thresholds(failure=1)) for name in "ab")


@dataclass
class Failing:
    """A site that always fails."""

    target: Target

    async def fetch(self, timeout_seconds: float | None = None) -> Exchange:
        await trio.sleep(0.5)
        return Exchange(phases=Phases(), fault=Fault(Reason.CONNECT, "refused"))

    def close(self) -> None:
        pass


class Daemon:
    """Everything between checks and the outbox, on a mock clock."""

    def __init__(self, watched: WatchedTargets, disk: Disk, store: Store) -> None:
        self.watched, self.disk, self.store = watched, disk, store
        self.targets: Sequence[Target] = ()

    @property
    def running(self) -> frozenset[str]:
        """The names of the targets that have a loop."""
        return self.watched.roster.running

    async def configure(self, *targets: Target, moved: frozenset[str] = frozenset()) -> dict[str, Standing]:
        """Watch these targets; return the states of those that moved."""
        found = difference(self.targets, targets)
        self.targets = found.targets
        return await self.watched.change(found, moved, configured=found.targets)

    def flips(self) -> list[tuple[Any, ...]]:
        """Return the flips of the outbox: target, state before, state."""
        entries = [entry for entry in self.disk.outbox.peek(10**4, 10**9) if entry.kind == "flip"]
        return [
            (row["target"], row["before"], row["state"]) for row in (json.loads(entry.payload) for entry in entries)
        ]

    def states(self) -> dict[str, State]:
        """Return the states of targets in the outbox."""
        return {name: decode_standing(text).state for name, text in self.disk.outbox.standings("default").items()}


@asynccontextmanager
async def open_daemon(folder: Path) -> AsyncIterator[Daemon]:
    def clock() -> float:
        return EPOCH + trio.current_time()

    with closing(Outbox(folder / "outbox.sqlite")) as outbox:
        disk, store, board = Disk(outbox), Store(), Board()
        drain = Drain(disk, store, clock)
        outbox_writer = OutboxWriter(disk, Bounds(10**9, 7 * 86_400), lambda _outcome, _stored: None, drain.wake, clock)
        send, receive = trio.open_memory_channel[Conclusion](math.inf)
        context = a_checker(Failing)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(context.timer.run)
            nursery.start_soon(record, receive, lambda _line: None, outbox_writer.put, board, Tally(), Lines())
            nursery.start_soon(outbox_writer.run)
            roster = Roster(context, send, nursery)
            watched = WatchedTargets(context, roster, send, outbox_writer, disk, drain, board, clock)
            yield Daemon(watched, disk, store)
            nursery.cancel_scope.cancel()


async def test_a_removed_target_is_paused_after_the_result_of_its_last_check(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_daemon(tmp_path) as daemon:
        slow = trio.Event()
        await daemon.configure(A, B)
        daemon.disk.before = slow.wait
        await trio.sleep(30)  # the results wait for the disk
        async with trio.open_nursery() as nursery:
            nursery.start_soon(daemon.configure, B)
            await trio.sleep(1)
            assert daemon.flips() == []
            slow.set()
        assert [flip for flip in daemon.flips() if flip[0] == "a"] == [
            ("a", "pending", "down"),
            ("a", "down", "paused"),
        ]
        assert daemon.states() == {"a": State.PAUSED, "b": State.DOWN}
        assert daemon.running == {"b"}
        assert [target.name for target in daemon.store.targets] == ["b"]
        assert [(latest.target, latest.standing.state) for latest in daemon.watched.board] == [("b", State.DOWN)]


async def test_a_target_that_moves_elsewhere_is_not_paused_and_its_standing_is_handed_back(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_daemon(tmp_path) as daemon:
        await daemon.configure(A, B)
        slow = trio.Event()
        daemon.disk.before = slow.wait
        await trio.sleep(30)  # the results wait for the disk
        standings = {}

        async def move() -> None:
            standings.update(await daemon.configure(B, moved=frozenset({"a"})))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(move)
            await trio.sleep(1)
            slow.set()
        assert {name: standing.state for name, standing in standings.items()} == {"a": State.DOWN}
        assert [flip for flip in daemon.flips() if flip[0] == "a"] == [("a", "pending", "down")]
        assert daemon.states() == {"b": State.DOWN}, "the next start would pause it"
        assert daemon.running == {"b"}
        assert [target.name for target in daemon.store.targets] == ["b"]
        assert daemon.watched.board.of("a") is None


async def test_a_stuck_disk_does_not_delay_checks_for_long(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_daemon(tmp_path) as daemon:
        await daemon.configure(A)
        await trio.sleep(30)
        daemon.disk.error = OutboxUnavailableError("the disk is full")
        await trio.sleep(30)
        began = trio.current_time()
        with capture_logs() as logs:
            await daemon.configure(B)
        assert trio.current_time() - began <= SETTLE_SECONDS + 0.1
        assert "next start" in logs[-1]["event"]
        assert daemon.running == {"b"}
        daemon.disk.error = None
        await trio.sleep(30)
        assert daemon.states() == {"a": State.DOWN, "b": State.DOWN}  # the next start notices that a is gone


async def test_a_pause_starts_and_ends_with_the_configuration(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_daemon(tmp_path) as daemon:
        await daemon.configure(A)
        await trio.sleep(30)
        await daemon.configure(replace(A, enabled=False))
        assert daemon.running == frozenset()
        assert daemon.states() == {"a": State.PAUSED}
        latest = daemon.watched.board.of("a")
        assert latest is not None
        assert (latest.standing.state, latest.reason) == (State.PAUSED, Reason.CONNECT)
        await trio.sleep(30)
        await daemon.configure(A)
        assert daemon.running == {"a"}
        await trio.sleep(30)
        assert [flip[1:] for flip in daemon.flips()] == [
            ("pending", "down"),
            ("down", "paused"),
            ("paused", "unknown"),
            ("unknown", "down"),
        ]


@pytest.mark.parametrize("changes", [{"interval_seconds": 20.0}, {"group": "shop"}])
async def test_a_changed_target_keeps_its_state(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, changes: dict[str, Any]
) -> None:
    async with open_daemon(tmp_path) as daemon:
        await daemon.configure(A)
        await trio.sleep(30)
        for number in range(5):
            await daemon.configure(replace(A, **changes) if number % 2 == 0 else A)
            await trio.sleep(30)
        assert daemon.flips() == [("a", "pending", "down")]
        assert daemon.states() == {"a": State.DOWN}
        assert daemon.running == {"a"}


async def test_a_target_that_comes_back_is_paused_no_more(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_daemon(tmp_path) as daemon:
        await daemon.configure(A)
        await trio.sleep(30)
        await daemon.configure()
        assert daemon.states() == {"a": State.PAUSED}
        await trio.sleep(30)
        await daemon.configure(A)
        assert daemon.states() == {"a": State.UNKNOWN}
        await trio.sleep(30)
        assert [flip[1:] for flip in daemon.flips()] == [
            ("pending", "down"),
            ("down", "paused"),
            ("paused", "unknown"),
            ("unknown", "down"),
        ]


async def test_a_disk_that_answers_no_more_holds_up_no_check_for_long(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_daemon(tmp_path) as daemon:
        await daemon.configure(replace(A, enabled=False))
        daemon.disk.before = trio.sleep_forever
        began = trio.current_time()
        with capture_logs() as logs:
            await daemon.configure(A, B)
        assert trio.current_time() - began <= 3 * SETTLE_SECONDS + 0.1
        assert daemon.running == {"a", "b"}
        assert "next start" in logs[-1]["event"]


@pytest.mark.parametrize("how", ["refuses", "is stuck"])
async def test_a_pause_that_ends_while_the_disk_cannot_be_written_has_its_end_in_the_history(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, how: str
) -> None:
    async with open_daemon(tmp_path) as daemon:
        await daemon.configure(A)
        await trio.sleep(30)
        await daemon.configure(replace(A, enabled=False))
        await trio.sleep(30)
        well = trio.Event()
        if how == "refuses":
            daemon.disk.error = OutboxUnavailableError("the disk is full")
        else:
            daemon.disk.before = well.wait
        with capture_logs():
            await daemon.configure(A)
        await trio.sleep(60)
        daemon.disk.error = None
        well.set()
        await trio.sleep(30)
        assert [flip[1:] for flip in daemon.flips()] == [
            ("pending", "down"),
            ("down", "paused"),
            ("paused", "unknown"),
            ("unknown", "down"),
        ]
        assert daemon.states() == {"a": State.DOWN}

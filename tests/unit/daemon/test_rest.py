"""An idle daemon: its parts wake together, and parts that can be notified wait until then."""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from tests.doubles import Disk, Store
from tests.unit.daemon.test_pipeline import SETTINGS, Running, sinks
from watcher.alerting.combined import NOTHING_SEEN, CombinedPresent
from watcher.alerting.sharing import AlertSharing
from watcher.checking.scheduling.pauses import Pauses
from watcher.checking.scheduling.worker_lanes import Lanes
from watcher.cluster.others import Others
from watcher.daemon.sharing.elsewhere import Elsewhere
from watcher.outbox.outbox import Outbox
from watcher.postgres.drain import PING_SECONDS, Drain
from watcher.recording.board import Board

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.daemon.sinks import Sinks

__all__ = ["sinks"]  # a fixture
SECONDS = 600


class WakeUps(trio.abc.Instrument):
    """Records when any task takes a step, and the number of steps."""

    def __init__(self) -> None:
        self.moments = set[float]()
        self.steps = 0

    def before_task_step(self, _task: trio.lowlevel.Task) -> None:
        self.moments.add(trio.current_time())
        self.steps += 1


async def wake_ups() -> WakeUps:
    """Let everything settle, and then return what happens in ten minutes."""
    await trio.sleep(30.5)
    found = WakeUps()
    trio.lowlevel.add_instrument(found)
    await trio.sleep(SECONDS)
    trio.lowlevel.remove_instrument(found)
    found.moments -= {trio.current_time(), trio.current_time() - SECONDS}
    return found


class Alone:
    """The footing and the agreement of a replica without others."""

    is_alone, is_mixed, epoch = True, False, 1

    @property
    def share(self) -> Any:
        return self

    def holds_lease(self) -> bool:
        return True

    def is_cut_off(self) -> bool:
        return False

    async def changed_from(self, _known: object) -> object:
        await trio.sleep_forever()


async def test_the_parts_of_a_daemon_wake_together_once_a_second(
    sinks: Sinks, tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = Running(sinks)
    nursery.start_soon(running.run, replace(SETTINGS, data_dir=tmp_path))
    found = await wake_ups()
    assert {moment for moment in found.moments if moment != int(moment)} == set()
    assert len(found.moments) <= SECONDS + 1
    running.stopping.cancel()


async def test_a_drain_without_entries_asks_the_database_and_no_thread(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    with closing(Outbox(tmp_path / "outbox.sqlite")) as outbox:
        outbox.append([], now=0.0, minute=0)
        disk, store, ready = Disk(outbox), Store(), trio.Event()
        ready.set()
        nursery.start_soon(Drain(disk, store).run, ready)
        await trio.sleep(1)
        disk.error = AssertionError("nothing waits")
        found = await wake_ups()
    assert len(found.moments) <= SECONDS / PING_SECONDS + 1
    assert len(store.alive_at) == pytest.approx(SECONDS / PING_SECONDS, abs=15)
    nursery.cancel_scope.cancel()


async def test_who_waits_for_others_takes_no_step(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nothing: Any = None  # a database without queries
    with closing(Outbox(tmp_path / "outbox.sqlite")) as outbox:
        board = Board()
        others = Others(nothing, "here", uuid.uuid4(), board, lambda: None, trio.sleep_forever)
        sharing = AlertSharing(Disk(outbox), nothing, Alone(), "here")
        for part in (
            others.run,
            sharing.run,
            Elsewhere(nothing, lambda: False, lambda: None).run,
            CombinedPresent(NOTHING_SEEN, lambda: None).run,
            Lanes(10).patrol,
            Pauses().run,
        ):
            nursery.start_soon(part)
        found = await wake_ups()
        assert found.steps <= 2, "those of this test"
        nursery.cancel_scope.cancel()

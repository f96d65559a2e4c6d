"""The whole pipeline on a mock clock: how it stops while everything hangs, and how it applies a change."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from tests.doubles import Disk, a_target
from watcher import log
from watcher.config import Configuration
from watcher.config.env.settings import load_settings
from watcher.daemon.changes import MAX_CHANGES_IN_CHANNEL, Change, deliver
from watcher.daemon.pipeline import watch
from watcher.daemon.sinks import Sinks
from watcher.daemon.stop_ladder import DRAIN, OUTBOX_CLOSE
from watcher.model.difference import difference
from watcher.model.state import State
from watcher.outbox.encoding import FLIP
from watcher.outbox.outbox import Outbox
from watcher.postgres.db import Database
from watcher.recording.line_writer import FileSink
from watcher.recording.lines import success_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.config.env.settings import Settings
    from watcher.model.target import Target

SETTINGS = load_settings(Path("no such file"), {"CONFIG_FILE_PATH": "config.yaml"})
PAUSED = a_target("paused", enabled=False)


class HungDatabase(Database):
    """A database that never answers."""

    async def init_db(self) -> None:
        """Never return."""
        await trio.sleep_forever()

    async def fetch(self, query: str, *arguments: Any, **options: Any) -> Any:
        """Never return."""
        await trio.sleep_forever()


@pytest.fixture
def sinks(tmp_path: Path) -> Iterator[Sinks]:
    database, ready = HungDatabase("postgresql://nowhere/"), trio.Event()
    ready.set()
    with (
        closing(Outbox(tmp_path / "outbox.sqlite")) as outbox,
        closing(FileSink(tmp_path / "monitor.log")) as success_file,
    ):
        yield Sinks(success_file, lambda _line: None, lambda _level, _line: None, Disk(outbox), database, ready)


class Running:
    """A running pipeline.

    Attributes:
        changes: how it differs from the default.
        stopping: cancels the checks.
        begun: set when the checks have started.
        stopped_at: when it stopped, on trio's clock.
    """

    def __init__(self, sinks: Sinks) -> None:
        self.changes, self._received = trio.open_memory_channel[Change](MAX_CHANGES_IN_CHANNEL)
        self.stopping, self.begun = trio.CancelScope(), trio.Event()
        self.stopped_at: float | None = None
        self._sinks = sinks

    async def run(self, settings: Settings = SETTINGS, targets: Sequence[Target] = ()) -> None:
        """Watch these targets at first, or none."""
        await watch(Configuration(settings, tuple(targets)), self._received, self.stopping, self._sinks, self.begun.set)
        self.stopped_at = trio.current_time()


@pytest.mark.parametrize("since", ["the start", "later"])
async def test_it_stops_in_time_while_disk_and_database_hang(
    sinks: Sinks, since: str, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    assert isinstance(sinks.disk, Disk)
    running = Running(sinks)
    if since == "the start":
        sinks.disk.before = trio.sleep_forever
    nursery.start_soon(running.run)
    await trio.sleep(10)
    assert running.begun.is_set() == (since == "later")
    sinks.disk.before = trio.sleep_forever
    asked_at = trio.current_time()
    running.stopping.cancel()
    await trio.sleep(60)
    assert running.stopped_at is not None
    assert running.stopped_at - asked_at <= DRAIN.seconds + OUTBOX_CLOSE.seconds


async def test_all_who_must_know_of_a_change_have_it_when_it_is_taken_over(
    sinks: Sinks, tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = Running(sinks)
    nursery.start_soon(running.run, replace(SETTINGS, log_file=sinks.success_file.path))
    settings = replace(SETTINGS, log_file=tmp_path / "other.log", log_format="json")
    try:
        await deliver(running.changes, Change(settings, difference((), [PAUSED])))
        assert log.is_json()
    finally:
        log.configure()
    assert running.begun.is_set()
    assert sinks.success_file.path == tmp_path / "other.log"
    assert sinks.lines.success is success_json
    assert [(latest.target, latest.standing.state, latest.ok) for latest in sinks.board] == [
        ("paused", State.PAUSED, None)
    ]
    running.stopping.cancel()


async def test_targets_of_other_replicas_are_configured_and_not_touched(
    sinks: Sinks, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    running = Running(sinks)
    before = [a_target(name, enabled=False, locations=(place,)) for name, place in (("a", "default"), ("b", "nyc"))]
    after = [a_target(name, enabled=False, locations=(place,)) for name, place in (("a", "nyc"), ("b", "default"))]
    nursery.start_soon(running.run, SETTINGS, before)
    await running.begun.wait()
    assert [latest.target for latest in sinks.board] == ["a"]
    assert sinks.disk.outbox.combined_targets == frozenset(), "no place beside this one can say anything"
    await deliver(running.changes, Change(SETTINGS, difference(before, after)))
    assert [latest.target for latest in sinks.board] == ["b"]
    running.stopping.cancel()
    outbox = sinks.disk.outbox
    flips = [json.loads(entry.payload) for entry in outbox.peek(10, 10_000) if entry.kind == FLIP]
    assert [(flip["target"], flip["state"]) for flip in flips] == [("a", State.PAUSED), ("b", State.PAUSED)]

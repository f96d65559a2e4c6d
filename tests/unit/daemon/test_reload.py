"""What a reload does with a configuration that has changed, is broken, or is the same."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from tests.doubles import a_target
from watcher.config import Configuration
from watcher.config.env.settings import load_settings
from watcher.config.mistakes import ConfigurationError, Mistake, Place
from watcher.daemon.changes import MAX_CHANGES_IN_CHANNEL, Change
from watcher.daemon.reload import MAX_MISTAKES, MAX_NAMES, Reloader
from watcher.model.alerts.channel import Channel, ExecReceiver, Route
from watcher.model.alerts.of_target import TargetAlerts
from watcher.model.alerts.options import AlertingOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from watcher.config.env.settings import Settings
    from watcher.model.difference import Difference
    from watcher.model.target import Target

SETTINGS = load_settings(Path("no such file"), {"CONFIG_FILE_PATH": "config.yaml"})
A, B, C = a_target("a"), a_target("b"), a_target("c")
BROKEN = ConfigurationError([Mistake(Place("config.yaml", 3, 5), "urls[1].regx", "unknown key; did you mean regex?")])


class Files:
    """The configuration, as tests change it, and the daemon's use of it."""

    def __init__(self, *targets: Target, settings: Settings = SETTINGS) -> None:
        self.now: Configuration | Exception = Configuration(settings, targets)
        self.applied: list[Difference] = []
        self.settings: list[Settings] = []
        self.alerting: list[AlertingOptions] = []
        self.proceed = trio.Event()
        self.proceed.set()
        self.begun = self.ended = 0
        self._ended = trio.Event()
        send, self._changes = trio.open_memory_channel[Change](MAX_CHANGES_IN_CHANNEL)
        self.reloader = Reloader(self.now, self.load, send, self.announce)

    def load(self) -> Configuration:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    async def run(self) -> None:
        """Reload, and apply the change as soon as possible."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.reloader.run)
            async for change in self._changes:
                self.settings.append(change.settings)
                self.alerting.append(change.alerting)
                if not change.difference.is_empty:
                    self.applied.append(change.difference)
                await self.proceed.wait()
                change.taken_over.set()

    @contextmanager
    def announce(self) -> Iterator[None]:
        """Count the reloads."""
        self.begun += 1
        yield
        self.ended += 1
        self._ended.set()
        self._ended = trio.Event()

    async def reload(self, now: Configuration | Exception, *, by_hand: bool = False) -> list[MutableMapping[str, Any]]:
        """Change the configuration, reload, and return what is logged."""
        self.now = now
        with capture_logs() as logs:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.run)
                self.reloader.ask(by_hand=by_hand)
                await self.until_ended(self.begun + 1)
                nursery.cancel_scope.cancel()
        return logs

    async def until_ended(self, number: int) -> None:
        """Wait for the end of the reload with a number, from 1."""
        with trio.fail_after(60):
            while self.ended < number:
                await self._ended.wait()


async def test_the_difference_is_handed_on_and_named() -> None:
    files = Files(A, B)
    other = replace(B, interval_seconds=20.0)
    logs = await files.reload(Configuration(SETTINGS, (C, other)))
    [found] = files.applied
    assert (found.added, found.removed, found.changed) == ((C,), (A,), (other,))
    assert found.targets == files.reloader.current.targets == (C, other)
    [line] = logs
    expected = {
        "event": "configuration reloaded",
        "added": ["c"],
        "removed": ["a"],
        "changed": ["b"],
        "unchanged": 0,
        "settings": None,
    }
    assert {**line, **expected, "log_level": "info"} == line


async def test_changed_channels_are_applied_and_logged() -> None:
    files = Files(A)
    alerting = AlertingOptions((Channel("ops", ExecReceiver(("page",))),))
    told = replace(A, alerts=TargetAlerts((Route("ops"),)))
    [line] = await files.reload(Configuration(SETTINGS, (told,), alerting=alerting))
    assert (files.alerting, [found.changed for found in files.applied]) == ([alerting], [(told,)])
    assert (line["event"], line["alerting"], line["changed"]) == ("configuration reloaded", "changed", ["a"])


async def test_a_broken_file_changes_nothing_and_is_reported_as_by_validate() -> None:
    files = Files(A, B)
    before = files.reloader.current
    logs = await files.reload(BROKEN)
    assert [line["event"] for line in logs] == [
        "the configuration has mistakes, nothing is changed",
        "config.yaml:3:5: urls[1].regx: unknown key; did you mean regex?",
    ]
    assert {line["log_level"] for line in logs} == {"error"}
    assert files.reloader.current is before
    assert (files.applied, files.settings) == ([], [])


async def test_the_same_mistakes_are_reported_once_unless_by_hand() -> None:
    files = Files(A)
    assert len(await files.reload(BROKEN)) == 2
    assert await files.reload(BROKEN) == []
    assert len(await files.reload(BROKEN, by_hand=True)) == 2
    [mended] = await files.reload(Configuration(SETTINGS, (A,)))
    assert mended["event"] == "configuration reloaded, nothing has changed"
    assert len(await files.reload(BROKEN)) == 2


async def test_very_many_mistakes_are_counted() -> None:
    mistakes = [Mistake(Place("config.yaml", line, 1), "", "is wrong") for line in range(1, 1000)]
    logs = await Files(A).reload(ConfigurationError(mistakes))
    assert len(logs) == 1 + MAX_MISTAKES
    assert logs[0]["mistakes"] == 999


async def test_without_a_change_only_a_reload_by_hand_is_logged() -> None:
    files = Files(A)
    assert await files.reload(Configuration(SETTINGS, (A,))) == []
    [line] = await files.reload(Configuration(SETTINGS, (A,)), by_hand=True)
    assert (line["event"], line["unchanged"]) == ("configuration reloaded, nothing has changed", 1)
    assert files.applied == []


async def test_settings_that_can_be_taken_over_are() -> None:
    files = Files(A)
    more = replace(SETTINGS, max_workers=20, log_format="json", log_file=Path("other.log"))
    [line] = await files.reload(Configuration(more, (A,)))
    assert line["settings"] == ["MAX_WORKERS", "WATCHER_LOG_FILE", "WATCHER_LOG_FORMAT"]
    assert files.settings == [more]
    assert files.reloader.current.settings == more
    assert files.applied == []


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"postgres_host": "db"}, "POSTGRES_HOST"),
        ({"postgres_password": "hunter2"}, "POSTGRES_PASSWORD"),
        ({"data_dir": Path("elsewhere")}, "WATCHER_DATA_DIR"),
        ({"location": "Oslo"}, "WATCHER_LOCATION"),
        ({"keep_failures_seconds": 86_400.0}, "WATCHER_KEEP_FAILURES"),
        ({"outbox_max_bytes": 2**24}, "WATCHER_OUTBOX_MAX_BYTES"),
    ],
)
async def test_settings_that_need_a_restart_are_named_and_stay(changes: dict[str, Any], key: str) -> None:
    files = Files(A)
    [line] = await files.reload(Configuration(replace(SETTINGS, **changes), (A,)))
    assert line["log_level"] == "warning"
    assert "restart" in line["event"]
    assert line["keys"] == [key]
    assert "hunter2" not in str(line)
    assert files.reloader.current.settings == SETTINGS


async def test_many_names_are_cut() -> None:
    [line] = await Files(A).reload(Configuration(SETTINGS, (A, *(a_target(f"n{number}") for number in range(100)))))
    assert line["added"][-2:] == [f"n{MAX_NAMES - 1}", f"and {100 - MAX_NAMES} more"]


async def test_requests_during_a_reload_become_one_more() -> None:
    files = Files(A)
    files.proceed = trio.Event()
    files.now = Configuration(SETTINGS, (A, B))
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(files.run)
            files.reloader.ask()
            with trio.fail_after(60):
                while not files.applied:  # noqa: ASYNC110  # read in a thread
                    await trio.sleep(0.01)
            await trio.testing.wait_all_tasks_blocked()
            assert (files.begun, files.ended, logs) == (1, 0, []), "it is told before it is taken over"
            for _ in range(5):
                files.reloader.ask()
            files.proceed.set()
            await files.until_ended(2)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert files.begun == 2


async def test_a_fault_of_this_program_changes_nothing_either() -> None:
    files = Files(A)
    [line] = await files.reload(RuntimeError("a bug"))
    assert line["log_level"] == "error"
    assert files.applied == []
    [line] = await files.reload(Configuration(SETTINGS, (A, B)))
    assert line["added"] == ["b"]


async def test_the_files_of_a_refused_configuration_are_watched_until_it_is_valid() -> None:
    files = Files(A)
    files.reloader.current = replace(files.reloader.current, files=(Path(".env"),))
    await files.reload(ConfigurationError(BROKEN.mistakes, [Path("late.pw")]))
    assert files.reloader.files == (Path(".env"), Path("late.pw"))
    await files.reload(Configuration(SETTINGS, (A,), files=(Path(".env"), Path("other"))))
    assert files.reloader.files == (Path(".env"), Path("other"))


async def test_a_necessary_restart_is_logged_once_unless_by_hand() -> None:
    files = Files(A)
    other = Configuration(replace(SETTINGS, location="Oslo"), (A,))
    assert len(await files.reload(other)) == 1
    assert await files.reload(other) == []
    warning, unchanged = await files.reload(other, by_hand=True)
    assert "restart" in warning["event"]
    assert "nothing has changed" in unchanged["event"]

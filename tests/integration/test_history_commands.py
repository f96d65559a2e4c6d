"""`watcher status`, `report`, `failures`, `export` and `rename`, as a user runs them on a real PostgreSQL."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.integration.daemon import Folder
from tests.integration.forked import Commands
from tests.integration.history_rows import (
    HOUR,
    put_alive,
    put_failures,
    put_flips,
    put_rollup,
    put_state,
    settings_of,
)
from tests.rounds import rounds
from watcher.history.present_state import STALE_AFTER
from watcher.postgres.db import Database
from watcher.postgres.errors import DatabaseUnavailableError
from watcher.reporting.reports import read_reports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# As many bytes as rows held in memory would take are more than the limit.
MANY_ROWS = rounds(40_000, many=200_000)
MAX_GROWTH_BYTES = 10_000_000


@dataclass
class ForkingFolder(Folder):
    """A folder whose commands are forked, unless Python itself must start in its own environment."""

    commands: Commands = field(kw_only=True)

    async def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        if self.environment:
            return await super().run(*arguments)
        return await trio.to_thread.run_sync(self.commands.run, self.path, self.env(), *arguments)


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    with Commands.start() as commands:
        yield commands


@pytest.fixture
def folder(tmp_path: Path, db_config: str, commands: Commands) -> Folder:
    """A folder whose settings lead to the database of the tests."""
    folder = ForkingFolder(tmp_path, commands=commands)
    folder.configure([{"address": "https://shop.example/"}], **settings_of(db_config))
    return folder


async def said(folder: Folder, *arguments: str, status: int = 0) -> str:
    """Run a command that writes nothing to stderr, and return its stdout."""
    done = await folder.run(*arguments)
    assert (done.returncode, done.stderr.decode()) == (status, "")
    return done.stdout.decode()


async def complaint(folder: Folder, *arguments: str, status: int = 1) -> str:
    """Run a command that fails, and return its one line on stderr."""
    done = await folder.run(*arguments)
    assert (done.returncode, done.stdout.decode()) == (status, "")
    [line] = done.stderr.decode().splitlines()
    return line


async def on_a_terminal(folder: Folder, *arguments: str, stdout: int | None = None, **variables: str) -> str:
    """Run a command whose stderr, and stdout by default, are a terminal, and return the terminal's content."""
    ours, theirs = pty.openpty()
    try:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "watcher", *arguments],
            cwd=folder.path,
            env={**folder.env(), "TERM": "xterm", "COLUMNS": "300", **variables},
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
        )
    finally:
        os.close(theirs)
    shown = b""
    with open(ours, "rb", buffering=0) as stream, suppress(OSError):  # noqa: ASYNC230, PTH123  # EIO is a terminal's end
        while piece := await trio.to_thread.run_sync(stream.read, 65536):
            shown += piece
    await process.wait()
    return shown.decode()


async def put_living(database: Database) -> None:
    """Record that a daemon watches, a little into the future: a command on a busy machine takes seconds to start."""
    await put_alive(database, datetime.now(UTC) + 0.9 * STALE_AFTER)


@pytest.mark.smoke
async def test_the_status_of_targets_that_are_well(folder: Folder, test_db: Database) -> None:
    since = datetime.now(UTC) - HOUR
    await put_living(test_db)
    for target, state in (("a", "up"), ("b", "degraded"), ("c", "paused"), ("d", "maintenance")):
        await put_state(test_db, target, state, since=since)
    await put_state(test_db, "gone", "down", watched=False)
    *lines, totals = (await said(folder, "status")).splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["up", "a"],
        ["degraded", "b"],
        ["paused", "c"],
        ["maintenance", "d"],
    ]
    assert totals == "1 up, 1 degraded, 1 maintenance, 1 paused"


async def test_the_status_is_1_when_one_is_not_well(folder: Folder, test_db: Database) -> None:
    await put_state(test_db, "a")
    await put_state(test_db, "b", "down", since=datetime.now(UTC), why=("status", "503 [red]Service[/red]"))
    await put_living(test_db)
    lines = (await said(folder, "status", status=1)).splitlines()
    assert lines[1].endswith("status: 503 [red]Service[/red]")
    for state in ("unknown", "pending"):
        await test_db.fetch("UPDATE states SET state = $1 WHERE target = 'b'", state)
        await put_living(test_db)
        targets: list[dict[str, Any]] = json.loads(await said(folder, "status", "--json", status=1))
        assert [target["state"] for target in targets] == ["up", state]
    await test_db.fetch("UPDATE states SET state = 'of a later version' WHERE target = 'b'")
    await put_living(test_db)
    assert json.loads(await said(folder, "status", "--json", status=1))[1]["state"] == "unknown"
    assert list(targets[1]) == ["target", "location", "address", "group", "state", "since", "reason", "detail"]
    assert targets[0]["since"] is None


async def test_an_unwatched_target_is_unknown_at_its_location_only(folder: Folder, test_db: Database) -> None:
    ended = datetime.now(UTC) - timedelta(seconds=20)
    await put_living(test_db)
    await put_alive(test_db, ended, location="eu")
    for location in ("default", "eu", "us"):
        await put_state(test_db, "a", location=location, since=ended)
    targets = json.loads(await said(folder, "status", "--json", status=1))
    assert [target["state"] for target in targets] == ["up", "unknown", "unknown"]
    assert targets[1]["detail"].startswith("no daemon since 2")
    lines = (await said(folder, "status", status=1)).splitlines()
    assert "a (eu)" in lines[1]
    assert "no daemon has run here yet" in lines[2]


async def test_status_without_a_database_is_3(folder: Folder, test_db: Database, tmp_path: Path) -> None:
    await test_db.fetch("DROP TABLE states")
    assert "its tables do not exist yet" in await complaint(folder, "status", status=3)
    folder.configure([{"address": "https://shop.example/"}], POSTGRES_HOST="127.0.0.1", POSTGRES_PORT=1)
    assert "cannot be reached" in await complaint(folder, "status", status=3)
    folder.configure([{"address": "https://shop.example/"}])
    assert "nothing has been stored in " in await complaint(folder, "status", status=3)
    folder.configure([{"address": "nohost"}], POSTGRES_PORT="http")
    assert "POSTGRES_PORT" in await complaint(folder, "status", status=2)


async def test_colours_are_for_terminals_that_want_them(folder: Folder, test_db: Database) -> None:
    await put_living(test_db)
    await put_state(test_db, "a", "down", why=("status", "503 \x1b[2J"))
    shown = await on_a_terminal(folder, "status")
    assert "\x1b[1;31mdown" in shown
    assert "\x1b[2J" not in shown
    await put_living(test_db)
    assert "\x1b" not in await on_a_terminal(folder, "status", NO_COLOR="1")


@pytest.mark.smoke
async def test_a_report_of_a_day(folder: Folder, test_db: Database) -> None:
    now = datetime.now(UTC)
    begin = now - 20 * HOUR
    await put_alive(test_db, now)
    await put_state(test_db, "Checkout", since=begin)
    await put_state(test_db, "gone", "paused", watched=False)
    await put_state(test_db, "long gone", "paused", watched=False)
    await put_flips(test_db, "Checkout", "UUDDUUUUUU", begin, step=HOUR)
    await put_flips(test_db, "gone", "Up", begin, step=HOUR)
    await put_flips(test_db, "long gone", "Up", begin - 100 * HOUR, step=HOUR)
    minute = (now - 2 * HOUR).replace(second=0, microsecond=0)
    await put_rollup(test_db, "Checkout", minute, {"up": 5, "timeout": 1})
    document = json.loads(await said(folder, "report", "--since", "24h", "--json"))
    checkout, gone = document["targets"]
    assert (checkout["target"], gone["target"], gone["watched"]) == ("Checkout", "gone", False)
    assert checkout["uptime_percent"] == pytest.approx(90, abs=0.01)
    assert checkout["down_ms"] == 2 * 3_600_000
    assert checkout["pending_ms"] == pytest.approx(4 * 3_600_000, abs=60_000)
    assert (checkout["checks"], checkout["failures"]) == (6, {"timeout": 1})
    assert checkout["percentiles_ms"]["p99"] == 100.0
    [incident] = checkout["incidents"]
    assert (incident["length_ms"], incident["reason"], incident["detail"]) == (7_200_000, "status", "letter 2")
    assert incident["start"].endswith("Z")
    rows = list(csv.DictReader((await said(folder, "report", "--since", "24h", "--csv")).splitlines()))
    assert [(row["target"], row["incidents"], row["p50_ms"]) for row in rows] == [
        ("Checkout", "1", "100.0"),
        ("gone", "0", ""),
    ]
    text = await said(folder, "report", "--since", "24h")
    assert re.search(r"uptime +(89\.99\d|90\.000) % of 19h 59m|uptime +(89\.99\d|90\.000) % of 20h", text)
    assert re.search(r"duration .*█.* p50 100\.0 ms", text)
    assert "down 2h  status: letter 2" in text
    of_one = json.loads(await said(folder, "report", "--since", "24h", "--target", "gone", "--json"))
    assert [target["target"] for target in of_one["targets"]] == ["gone"]
    await test_db.fetch("UPDATE flips SET reason = 'of_a_later_version' WHERE reason = 'status'")
    [incident] = json.loads(await said(folder, "report", "--since", "24h", "--json"))["targets"][0]["incidents"]
    assert (incident["reason"], incident["detail"]) == ("internal", "of_a_later_version: letter 2")


class CountingDatabase(Database):
    """A database that counts its queries."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.operations = 0

    async def operate(self, *arguments: Any, **options: Any) -> Any:
        self.operations += 1
        return await super().operate(*arguments, **options)

    async def fetch(self, *arguments: Any, **options: Any) -> list[dict[str, Any]]:
        self.operations += 1
        return await super().fetch(*arguments, **options)


class AwayDatabase(Database):
    """A database that fails at the query of the rollups."""

    async def operate(self, *_arguments: Any, **_options: Any) -> Any:
        raise DatabaseUnavailableError


async def test_many_targets_are_read_at_once_and_their_means_are_coarser(test_db: Database, db_config: str) -> None:
    now = datetime.now(UTC)
    await put_alive(test_db)
    database = CountingDatabase(db_config)
    await database.connect()
    counts = []
    for target in ("a", "b", "c", "d", "e"):
        await put_state(test_db, target)
        await put_flips(test_db, target, "UDU", now - 3 * HOUR)
        await put_rollup(test_db, target, now.replace(second=0, microsecond=0) - HOUR, {"up": ord(target)})
        before = database.operations
        in_detail = await read_reports(database, now - 24 * HOUR, now)
        counts.append(database.operations - before)
    assert counts == [6] * 5
    told: list[tuple[int, int]] = []
    coarser = await read_reports(
        database, now - 24 * HOUR, now, most_in_detail=4, progress=lambda done, total: told.append((done, total))
    )
    await database.close()
    away = AwayDatabase(db_config)
    await away.connect()
    with pytest.raises(DatabaseUnavailableError):
        await read_reports(away, now - 24 * HOUR, now, most_in_detail=4)
    await away.close()
    assert [replace(report, means_ms=()) for report in coarser] == [
        replace(report, means_ms=()) for report in in_detail
    ]
    assert [report.checks for report in coarser] == [97, 98, 99, 100, 101]
    for fine, coarse in zip(in_detail, coarser, strict=True):
        pairs = list(zip(fine.means_ms, coarse.means_ms, strict=True))
        assert {mean for pair in pairs for mean in pair} == {None, 100.0}
        assert all(mean == 100.0 for means in pairs if means[0] for mean in means)
    assert told == [(number, told[-1][1]) for number in range(1, told[-1][1] + 1)]


async def test_a_report_of_a_window_in_the_past(folder: Folder, test_db: Database) -> None:
    now = datetime.now(UTC)
    await put_alive(test_db, now)
    await put_state(test_db, "a")
    await put_flips(test_db, "a", "UD", now - 100 * HOUR, step=40 * HOUR)
    [target] = json.loads(await said(folder, "report", "--since", "100h", "--until", "10h", "--json"))["targets"]
    assert target["known_ms"] + target["pending_ms"] == 90 * 3_600_000
    [incident] = target["incidents"]
    assert (incident["end"], incident["length_ms"]) == (None, pytest.approx(50 * 3_600_000, abs=60_000))


async def test_arguments_that_a_report_refuses(folder: Folder, test_db: Database) -> None:
    assert "cannot be combined" in await complaint(folder, "report", "--json", "--csv", status=2)
    assert "must be longer than" in await complaint(folder, "report", "--since", "1h", "--until", "1h", status=2)
    assert "no target called 'nope'" in await complaint(folder, "report", "--target", "nope")
    assert await said(folder, "report", "--csv") != ""
    assert "no targets are watched" in await said(folder, "report")


async def test_a_report_where_the_terminal_has_no_such_characters(folder: Folder, test_db: Database) -> None:
    await put_alive(test_db)
    await put_state(test_db, "Straße")
    minute = (datetime.now(UTC) - HOUR).replace(second=0, microsecond=0)
    await put_rollup(test_db, "Straße", minute, {"up": 5})
    folder.environment |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    assert "Stra\\xdfe" in await said(folder, "report")
    assert "Stra" in await said(folder, "status")


async def test_failures_are_filtered(folder: Folder, test_db: Database) -> None:
    begin = datetime.now(UTC) - 5 * HOUR
    await put_failures(test_db, "a", 3, begin)
    await put_failures(test_db, "a", 2, begin + 2 * HOUR, reason="timeout", location="eu")

    async def count(*arguments: str) -> int:
        return len(json.loads(await said(folder, "failures", "--json", *arguments)))

    assert await count("--location", "default", "--until", "4h") == 3
    assert await count("--since", "4h", "--reason", "status") == 0
    [row] = json.loads(await said(folder, "failures", "--json", "--limit", "1"))
    assert (row["reason"], row["headers"]) == ("timeout", {"server": "nginx"})
    assert "Invalid value for '--reason'" in await complaint(folder, "failures", "--reason", "bad", status=2)
    assert "timeout" in await said(folder, "failures", "--reason", "timeout", "--target", "a")
    await put_state(test_db, "well")
    assert await count("--target", "well") == 0
    assert "no target called 'nope'" in await complaint(folder, "failures", "--target", "nope")


@pytest.mark.smoke
async def test_an_export_has_the_flips_and_the_failures_of_its_window(folder: Folder, test_db: Database) -> None:
    begin = datetime.now(UTC) - 5 * HOUR
    await put_flips(test_db, "a", "UDUD", begin, step=HOUR)
    await put_failures(test_db, "a", 3, begin)
    lines = [json.loads(line) for line in (await said(folder, "export", "--since", "10h")).splitlines()]
    assert [line["kind"] for line in lines] == ["flip"] * 4 + ["failure"] * 3
    assert list(lines[0]) == [
        *("kind", "id", "target", "location", "at", "confirmed_at", "state", "before", "reason", "detail", "check_id"),
        "number",
    ]
    assert (lines[1]["state"], lines[1]["reason"]) == ("down", "status")
    assert lines[1]["at"].endswith("Z")
    assert lines[4]["headers"] == {"server": "nginx"}
    assert lines[4] == {"kind": "failure", **json.loads(await said(folder, "failures", "--json"))[-1]}
    in_between = (await said(folder, "export", "--since", "270m", "--until", "150m")).splitlines()
    assert [json.loads(line)["kind"] for line in in_between] == ["flip"] * 2


async def test_an_export_shows_how_far_it_is(folder: Folder, test_db: Database) -> None:
    await put_failures(test_db, "a", 1200, datetime.now(UTC) - HOUR)
    with (folder.path / "history.ndjson").open("wb") as file:
        shown = await on_a_terminal(folder, "export", stdout=file.fileno())
    assert "500/1200" in shown
    assert len((folder.path / "history.ndjson").read_text().splitlines()) == 1200
    assert "\x1b" not in await on_a_terminal(folder, "export", "--since", "0s")


async def test_an_export_without_a_reader_ends_quietly(folder: Folder, test_db: Database) -> None:
    await put_failures(test_db, "a", 20_000, datetime.now(UTC) - 20 * HOUR, excerpt_chars=1000)
    process = await _exporting(folder)
    assert process.stdout is not None
    await process.stdout.receive_some(1000)
    await process.stdout.aclose()
    with trio.fail_after(60):
        assert process.stderr is not None
        assert b"".join([piece async for piece in process.stderr]) == b""
        assert await process.wait() == 1


async def test_an_export_that_is_held_up_can_be_interrupted(folder: Folder, test_db: Database) -> None:
    await put_failures(test_db, "a", 20_000, datetime.now(UTC) - 20 * HOUR, excerpt_chars=1000)
    process = await _exporting(folder)
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.receive_some(1000)  # and no more: the pipe is full soon
    process.send_signal(signal.SIGINT)
    with trio.fail_after(60):
        assert b"".join([piece async for piece in process.stderr]) == b""
        assert await process.wait() == 130


async def test_an_export_of_any_length_takes_as_much_memory(folder: Folder, test_db: Database) -> None:
    now = datetime.now(UTC)
    await put_failures(test_db, "a", 1000, now - HOUR, excerpt_chars=1000)
    before = await trio.to_thread.run_sync(_peak_bytes, folder)
    await put_failures(test_db, "b", MANY_ROWS, now - 90 * HOUR, excerpt_chars=1000)
    after = await trio.to_thread.run_sync(_peak_bytes, folder, "--since", "100h")
    assert after - before < MAX_GROWTH_BYTES
    assert (folder.path / "out").stat().st_size > MANY_ROWS * 1000


@pytest.mark.smoke
async def test_a_dry_run_shows_what_would_have_been_sent(folder: Folder, test_db: Database) -> None:
    begin = datetime.now(UTC) - 5 * HOUR
    # A target that is down before and after a gap older than the replayed time was reported long ago.
    for target, letters in (("shop", "UDUD"), ("gone", "UD"), ("old", f"D{240 * '?'}D")):
        await put_state(test_db, target, watched=target != "gone")
        await put_flips(test_db, target, letters, begin - (239 if target == "old" else 0) * HOUR, step=HOUR)
    await put_state(test_db, "shop", location="elsewhere")
    await put_flips(test_db, "shop", "UD", begin, location="elsewhere")
    # For a target that several places watch, the combined state decides the messages.
    for location, letters in (("*", "UD"), ("default", "DUDU")):
        await put_state(test_db, "cash", location=location)
        await put_flips(test_db, "cash", letters, begin + HOUR / 2, step=HOUR, location=location)
    targets: list[dict[str, Any]] = [{"name": name, "address": "https://shop.example/"} for name in ("shop", "old")]
    targets.append({"name": "cash", "address": "https://cash.example/", "locations": ["default", "fra"]})
    channel = {"name": "ops", "webhook": {"url": "http://127.0.0.1:9/"}, "reminder_interval": "0s"}
    no_channel = await complaint(folder, "alerts", "--dry-run", status=2)
    assert no_channel == "watcher: the config file does not have `channels` for messages; add one"
    (folder.path / "config.yaml").write_text(json.dumps({"channels": [channel], "urls": targets}))
    moments = [f"{begin + number * HOUR + timedelta(seconds=10):%Y-%m-%dT%H:%M:%S}" for number in (1, 1.5, 2, 3)]
    heading, *messages, _, ops, left_out, _ = (await said(folder, "alerts", "--dry-run")).splitlines()
    assert heading.split() == ["time", "channel", "notification"]
    assert [(line[:19], line[24:]) for line in messages] == [
        (moment, f"  ops      {told}")
        for moment, told in zip(moments, ("shop is down", "cash is down", "shop is up", "shop is down"), strict=True)
    ]
    assert ops.startswith("ops: 4 notifications (3 down, 1 up); the most on one day: ")
    assert left_out == "left out: 2 changes of state of 1 target that is not in the config file"
    document = json.loads(await said(folder, "alerts", "--dry-run", "--json"))
    assert [message["title"] for message in document["notifications"]] == [
        *("shop is down", "cash is down", "shop is up", "shop is down"),
    ]
    assert document["channels"]["ops"]["kinds"] == {"down": 3, "up": 1}
    assert document["left_out"] == {"flips": 2, "targets": ["gone"]}
    nothing = json.loads(await said(folder, "alerts", "--dry-run", "--json", "--since", "1s"))
    assert (nothing["notifications"], nothing["channels"]["ops"]["worst_day"]) == ([], None)
    assert await test_db.fetch("SELECT count(*) FROM notifications") == [{"count": 0}]


@pytest.mark.smoke
async def test_open_incidents_are_shown_with_their_start(folder: Folder, test_db: Database) -> None:
    begin = datetime.now(UTC).replace(microsecond=0) - 8 * HOUR
    await put_alive(test_db)
    for name, letters in {"a": "UDUD?D", "b": "UDg?D", "c": "DpgD", "d": "U?D"}.items():
        await put_flips(test_db, name, letters, begin, step=HOUR)
        await put_state(test_db, name, "down", since=begin + 5 * HOUR)
    # For a target that several places watch, the view of one place opens nothing.
    await put_state(test_db, "e", "down", since=begin)
    await put_state(test_db, "e", "up", since=begin, location="*")
    await put_alive(test_db, location="*")
    shown = json.loads(await said(folder, "alerts", "--json"))["open"]
    assert [datetime.fromisoformat(one["since"]) - begin for one in shown] == [3 * HOUR, HOUR, 2 * HOUR, 2 * HOUR]


async def test_a_renamed_target_keeps_its_history(folder: Folder, test_db: Database) -> None:
    begin = datetime.now(UTC) - 5 * HOUR
    await put_state(test_db, "old", "paused", watched=False)
    await put_flips(test_db, "old", "UDp", begin, step=HOUR)
    await put_failures(test_db, "old", 3, begin)
    await put_state(test_db, "new name")
    text = await said(folder, "rename", "old", "new name")
    assert text == "old is new name now: 3 failures, 3 flips, 0 states, 0 rollups; 1 state gave way to its own\n"
    assert len(json.loads(await said(folder, "failures", "--json", "--target", "new name"))) == 3
    assert await complaint(folder, "rename", "old", "new name") == "watcher: old has no history"


async def test_names_that_cannot_be_renamed(folder: Folder, test_db: Database) -> None:
    await put_state(test_db, "a")
    assert "a is still watched; give it its new name in the config file first" in await complaint(
        folder, "rename", "a", "b"
    )
    assert "the same name" in await complaint(folder, "rename", "a", "a", status=2)
    assert "NEW is empty" in await complaint(folder, "rename", "a", " ", status=2)
    assert "Missing argument 'NEW'" in await complaint(folder, "rename", "a", status=2)


async def _exporting(folder: Folder) -> trio.Process:
    return await trio.lowlevel.open_process(
        [sys.executable, "-m", "watcher", "export"],
        cwd=folder.path,
        env=folder.env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _peak_bytes(folder: Folder, *arguments: str) -> int:
    """Export into a file, and return the peak of its memory."""
    with (folder.path / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "watcher", "export", *arguments], cwd=folder.path, env=folder.env(), stdout=out
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024

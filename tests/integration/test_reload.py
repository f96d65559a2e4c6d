"""A daemon that applies changes, and leaves the rest alone."""

from __future__ import annotations

import json
import re
import signal
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.hostile.harness import TRIES
from tests.integration.daemon import NO_DATABASE, START_SECONDS, Folder, settings_for
from tests.integration.sites import answering, response, serving
from tests.rounds import rounds
from watcher.checking.scheduling.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.daemon import Daemon
    from tests.integration.proxy import Proxy
    from watcher.postgres.db import Database


MANY = rounds(2500, many=10_000)
CHECKS_A_SECOND = 150
ON_TIME = "skipped_slots=0 late_checks=0"


@pytest.fixture
async def site() -> AsyncIterator[int]:
    async with serving(answering(response(b"hello"))) as port:
        yield port


def a_url(name: str, port: int, **options: Any) -> dict[str, Any]:
    return {"name": name, "address": f"http://127.0.0.1:{port}/", "interval": 0.5, **options}


def moments(folder: Folder, name: str) -> list[float]:
    """Return when the checks of a target started, in seconds since 1970, of which the lines have whole milliseconds."""
    return [moment_of(line) for line in folder.successes() if f'target="{name}"' in line]


def moment_of(line: str) -> float:
    """Return when the event of a line happened, in seconds since 1970."""
    return datetime.fromisoformat(line.split()[0]).timestamp()


async def until_stored(database: Database, target: str, state: str, times: int = 1) -> None:
    """Wait until the database has that many changes of a target to a state."""
    query = "SELECT FROM flips WHERE target = $1 AND state = $2"
    with trio.fail_after(START_SECONDS):
        while len(await database.fetch(query, target, state)) < times:  # noqa: ASYNC110
            await trio.sleep(0.02)


def skipped_slots(daemon: Daemon) -> int:
    """Return how many slots a stopped daemon reports as skipped."""
    [count] = re.findall(r" skipped_slots=(\d+) ", daemon.lines("stopped")[0])
    return int(count)


async def reload(daemon: Daemon, word: str = "reloaded") -> str:
    """Reload the configuration, and return the daemon's line about it."""
    before = len(daemon.lines(word))
    daemon.process.send_signal(signal.SIGHUP)
    await daemon.until(lambda: len(daemon.lines(word)) > before)
    return daemon.lines(word)[-1]


@pytest.mark.smoke
async def test_a_hangup_takes_the_difference_over(folder: Folder, proxy: Proxy, test_db: Database, site: int) -> None:
    settings = {**settings_for(proxy), "WATCHER_RELOAD": "off"}
    folder.configure([a_url("stays", site), a_url("goes", site), a_url("changes", site)], **settings)
    async with folder.daemon() as daemon:
        await daemon.until(lambda: all(len(moments(folder, name)) > 2 for name in ("stays", "goes", "changes")))
        urls = [a_url("comes", site), a_url("changes", site, regex="bye"), a_url("stays", site)]
        folder.configure(urls, **settings)
        line = await reload(daemon)
        assert re.search(r"configuration reloaded added=comes removed=goes changed=changes unchanged=1$", line), line
        await daemon.until(lambda: len(moments(folder, "comes")) > 2 and daemon.lines('failure target="changes"'))
        kept = len(moments(folder, "stays"))
        await daemon.until(lambda: len(moments(folder, "stays")) > kept + 3)
        await until_stored(test_db, "comes", "up")
        await until_stored(test_db, "goes", "paused")
        status, _ = await daemon.stop()
        assert status == 0
    assert max(moments(folder, "goes")) <= moment_of(line)
    # The slots of the one that stays are unchanged, all of them except those that a busy machine has skipped.
    schedule = Schedule.of("stays", 0.5)
    slots = [(moment + 0.001 - schedule.offset_seconds) // 0.5 for moment in moments(folder, "stays")[1:]]
    assert len(set(slots)) == len(slots)
    assert max(slots) - min(slots) + 1 - len(slots) <= skipped_slots(daemon)
    after = [moment for moment in moments(folder, "stays") if moment > moment_of(line)]
    assert min((moment + 0.001 - schedule.offset_seconds) % 0.5 for moment in after) < 0.2
    flips = await test_db.fetch("SELECT target, state, before FROM flips ORDER BY target, at")
    assert [(row["target"], row["before"], row["state"]) for row in flips if row["target"] != "changes"] == [
        ("comes", "pending", "up"),
        ("goes", "pending", "up"),
        ("goes", "up", "paused"),
        ("stays", "pending", "up"),
    ]
    # It was up, and then failed: never pending again.
    [first, *_] = [row for row in flips if row["target"] == "changes"]
    assert (first["before"], first["state"]) == ("pending", "up")
    assert sum(row["before"] == "pending" for row in flips if row["target"] == "changes") == 1
    watched = await test_db.fetch("SELECT target FROM states WHERE watched ORDER BY target")
    assert [row["target"] for row in watched] == ["changes", "comes", "stays"]


async def test_a_target_is_paused_and_taken_up_again(
    folder: Folder, proxy: Proxy, test_db: Database, site: int
) -> None:
    settings = settings_for(proxy)
    folder.configure([a_url("a", site), a_url("b", site)], **settings)
    async with folder.daemon() as daemon:
        await daemon.until(lambda: len(moments(folder, "a")) > 1 and daemon.lines("connected"))
        folder.configure([a_url("a", site, enabled=False), a_url("b", site)], **settings)
        await daemon.until(lambda: daemon.lines("changed=a"))
        seen = len(moments(folder, "b"))
        await daemon.until(lambda: len(moments(folder, "b")) > seen + 3)
        paused = moments(folder, "a")
        assert max(paused) <= moment_of(daemon.lines("changed=a")[0])
        await until_stored(test_db, "a", "paused")
        folder.configure([a_url("a", site), a_url("b", site)], **settings)
        await daemon.until(lambda: len(daemon.lines("changed=a")) == 2)
        await daemon.until(lambda: len(moments(folder, "a")) > len(paused) + 2)
        await until_stored(test_db, "a", "up", times=2)
        await daemon.stop()
    flips = await test_db.fetch("SELECT state FROM flips WHERE target = 'a' ORDER BY at")
    assert [row["state"] for row in flips] == ["up", "paused", "unknown", "up"]


async def test_a_target_is_checked_where_it_is_watched_and_nowhere_else(
    folder: Folder, proxy: Proxy, test_db: Database, site: int
) -> None:
    def configure(**places: list[str]) -> None:
        urls = [a_url(name, site, locations=where) for name, where in places.items()]
        folder.configure(urls, **settings_for(proxy), WATCHER_LOCATION="fra")

    async def flips() -> list[tuple[str, str]]:
        query = "SELECT target, state FROM flips WHERE location = 'fra' ORDER BY target, at"
        return [(row["target"], row["state"]) for row in await test_db.fetch(query)]

    configure(stays=["fra"], everywhere=[], leaves=["nyc", "fra"], never=["nyc"], comes=["nyc"])
    async with folder.daemon() as daemon:
        await daemon.until(lambda: all(moments(folder, name) for name in ("stays", "everywhere", "leaves")))
        configure(stays=["fra", "nyc"], everywhere=[], leaves=["nyc"], never=["sgp"], comes=["fra"])
        await daemon.until(lambda: len(moments(folder, "comes")) > 2)
        assert max(moments(folder, "leaves")) < min(moments(folder, "comes"))
        await until_stored(test_db, "leaves", "paused")
        await until_stored(test_db, "comes", "up")
        await daemon.stop()
    assert moments(folder, "never") == []
    expected = [("comes", "up"), ("everywhere", "up"), ("leaves", "up"), ("leaves", "paused"), ("stays", "up")]
    assert await flips() == expected
    query = "SELECT target FROM states WHERE location = 'fra' AND watched ORDER BY target"
    assert [row["target"] for row in await test_db.fetch(query)] == ["comes", "everywhere", "stays"]

    configure(stays=["nyc"], everywhere=["fra"], leaves=["nyc"], never=["sgp"])
    async with folder.daemon() as daemon:
        await until_stored(test_db, "stays", "paused")
        await until_stored(test_db, "comes", "paused")
        await daemon.stop()
    gone = [flip for flip in await flips() if flip not in {("everywhere", "up"), ("everywhere", "unknown")}]
    assert gone == [
        *[("comes", state) for state in ("up", "paused")],
        *[("leaves", state) for state in ("up", "paused")],
        *[("stays", state) for state in ("up", "paused")],
    ]


async def test_a_broken_file_changes_nothing_and_is_reported_with_its_place(folder: Folder, site: int) -> None:
    folder.configure([a_url("a", site)], **NO_DATABASE)
    async with folder.daemon() as daemon:
        await daemon.until(lambda: moments(folder, "a"))
        (folder.path / "config.yaml").write_text("urls:\n  - address: https://example.com/\n    regx: x\n")
        await daemon.until(lambda: daemon.lines("regx"))
        assert " error config.yaml:3:5: urls[0].regx: unknown key; did you mean regex?" in daemon.lines("regx")[0]
        assert daemon.lines("nothing is changed")
        seen = len(moments(folder, "a"))
        await daemon.until(lambda: len(moments(folder, "a")) > seen + 3)
        folder.configure([a_url("a", site), a_url("b", site)], **NO_DATABASE)
        await daemon.until(lambda: moments(folder, "b"))
        assert (await daemon.stop())[0] == 0


async def test_a_change_of_a_file_is_enough_unless_that_is_switched_off(folder: Folder, site: int) -> None:
    folder.configure([a_url("a", site)], **NO_DATABASE)
    async with folder.daemon() as daemon:
        await daemon.until(lambda: moments(folder, "a"))
        with (folder.path / ".env").open("a") as file:
            file.write("MAX_WORKERS=20\nWATCHER_LOG_FILE=other.log\nWATCHER_LOG_FORMAT=json\n")
        await daemon.until(lambda: daemon.lines("reloaded"))
        taken_over = json.loads(daemon.lines("reloaded")[0])["settings"]
        assert taken_over == ["MAX_WORKERS", "WATCHER_LOG_FILE", "WATCHER_LOG_FORMAT"]
        other = folder.path / "other.log"
        await daemon.until(lambda: other.exists() and len(other.read_text().splitlines()) > 2)
        assert {json.loads(line)["target"] for line in other.read_text().splitlines()} == {"a"}
        with (folder.path / ".env").open("a") as file:
            file.write("WATCHER_RELOAD=off\nWATCHER_LOCATION=Oslo\n")
        await daemon.until(lambda: daemon.lines("restart"))
        assert json.loads(daemon.lines("restart")[0])["keys"] == ["WATCHER_LOCATION"]
        folder.configure([a_url("b", site)], **NO_DATABASE, WATCHER_RELOAD="off", WATCHER_LOG_FILE="other.log")
        count = len(other.read_text().splitlines())
        await daemon.until(lambda: len(other.read_text().splitlines()) > count + 4)  # two seconds
        assert '"b"' not in other.read_text()
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.until(lambda: 'target="b"' in other.read_text())
        assert (await daemon.stop())[0] == 0


async def test_of_many_targets_none_is_late_while_one_is_changed(tmp_path: Path, proxy: Proxy, site: int) -> None:
    """Some thousand targets, or with `THOROUGH=1` in the environment ten thousand."""
    for number in range(TRIES):
        folder = Folder(tmp_path / f"try {number}")
        folder.path.mkdir()
        stopped = await _changed_one_of_many(folder, proxy, site)
        if ON_TIME in stopped:
            break
    assert ON_TIME in stopped


async def _changed_one_of_many(folder: Folder, proxy: Proxy, site: int) -> str:
    """Return the daemon's lines at its end."""
    urls = [a_url(f"t{number}", site, interval=MANY / CHECKS_A_SECOND) for number in range(MANY)]
    folder.configure(urls[:1], MAX_WORKERS=100, WATCHER_RELOAD="off", **settings_for(proxy))
    config = folder.path / "config.yaml"
    config.write_text(json.dumps({"urls": urls}))  # is YAML, and quickly written: the site lives in this process
    async with folder.daemon() as daemon:
        await daemon.until(lambda: len(folder.successes()) > 1000, seconds=120)
        urls[MANY // 2]["timeout"] = 5
        config.write_text(json.dumps({"urls": urls}))
        assert f"changed=t{MANY // 2} unchanged={MANY - 1}" in await reload(daemon)
        seen = len(folder.successes())
        await daemon.until(lambda: len(folder.successes()) > seen + 500, seconds=120)
        assert (await daemon.stop())[0] == 0
    return daemon.lines("stopped")[0]


async def test_a_secret_that_comes_later_is_enough(folder: Folder, site: int) -> None:
    folder.configure([a_url("a", site)], **NO_DATABASE)
    async with folder.daemon() as daemon:
        await daemon.until(lambda: moments(folder, "a"))
        folder.configure([a_url("a", site, basic_auth={"username": "u", "password_file": "late.pw"})], **NO_DATABASE)
        await daemon.until(lambda: daemon.lines("late.pw"))
        (folder.path / "late.pw").write_text("hunter2")
        await daemon.until(lambda: daemon.lines("changed=a"))
        assert (await daemon.stop())[0] == 0


async def test_a_log_file_that_cannot_be_written_is_not_taken(folder: Folder, site: int) -> None:
    folder.configure([a_url("a", site)], **NO_DATABASE, WATCHER_RELOAD="off")
    (folder.path / "taken").mkdir()
    async with folder.daemon() as daemon:
        await daemon.until(lambda: moments(folder, "a"))
        folder.configure([a_url("a", site)], **NO_DATABASE, WATCHER_RELOAD="off", WATCHER_LOG_FILE="taken")
        await reload(daemon)
        assert "monitor.log is still in use" in daemon.lines("WATCHER_LOG_FILE: taken")[0]
        count = len(moments(folder, "a"))
        await daemon.until(lambda: len(moments(folder, "a")) > count + 2)
        assert (await daemon.stop())[0] == 0


async def test_hangups_in_a_row_while_it_starts_and_while_it_stops_do_no_harm(folder: Folder, site: int) -> None:
    folder.configure([a_url("a", site)])
    async with folder.daemon() as daemon:
        await daemon.until(lambda: _ignores_or_catches_hangups(daemon.process.pid))
        for _ in range(20):
            daemon.process.send_signal(signal.SIGHUP)
            await trio.sleep(0.02)
        await daemon.until(lambda: len(moments(folder, "a")) > 2)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.process.send_signal(signal.SIGTERM)
        with trio.fail_after(10):
            while daemon.process.poll() is None:  # up to its last moment
                daemon.process.send_signal(signal.SIGHUP)
                await trio.sleep(0.0005)
    assert daemon.process.returncode == 0


def _ignores_or_catches_hangups(pid: int) -> bool:
    masks = dict(re.findall(r"^(Sig\w+):\s+([0-9a-f]+)$", (_proc(pid)).decode(), re.MULTILINE))
    bit = 1 << (signal.SIGHUP - 1)
    return any(int(masks[name], 16) & bit for name in ("SigBlk", "SigIgn", "SigCgt"))


def _proc(pid: int) -> bytes:
    with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123
        return file.read()

"""The daemon is killed again and again, while its database comes and goes: no conclusion of a check is lost.

A run has eight kills; `THOROUGH=1` in the environment makes them fifty.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from tests.integration.daemon import Daemon, Folder, settings_for
from tests.integration.evidence import failed_in, given_up_ids, left_in, measured_in, successes_in, told_ids
from tests.integration.own_server import FAST, IMMEDIATE, OwnServer, running_server
from tests.integration.proxy import Proxy, open_proxy
from tests.integration.sites import read_request, response, serving
from tests.rounds import rounds
from watcher.postgres.db import Database, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 20_261_124
ROUNDS = rounds(8, many=50)
# A start takes about a second on a quiet machine: some kills come during it, most at some moment after the first line
# about a target that is down, since only a known state leaves a gap behind.
PART_IN_A_START = 0.2
MAX_START_SECONDS, MAX_ROUND_SECONDS = 1.2, 1.6
# Lines have whole milliseconds.
MOMENT_SECONDS = 0.005
NAMES = [*(f"failing {n}" for n in range(20)), *(f"fine {n}" for n in range(20)), *(f"changing {n}" for n in range(10))]
INTERVAL_SECONDS = 0.2
# After that many reports, earlier results were surely read: a daemon that waits for a processor reads in any order.
TOLD_SINCE = 20
REQUESTS_UNTIL_A_CHANGE = 8
OK, BROKEN = response(), response(status="500 Internal Server Error")


@dataclass(frozen=True)
class Kill:
    """A kill; moments are in seconds since 1970.

    Attributes:
        safe_before: the start of a check after which the daemon has reported many more: whatever ended by then was
            read, concluded and written before the last of them.
        over_at: when the daemon was gone, and the site had seen every request.
    """

    safe_before: float
    over_at: float

    def may_have_cost(self, at: float) -> bool:
        """Return whether a check that ended at this moment may have been in flight."""
        return self.safe_before - MOMENT_SECONDS <= at <= self.over_at + MOMENT_SECONDS


class Site:
    """Answers, and counts its answers by target and time."""

    def __init__(self) -> None:
        self.answered_at: defaultdict[str, list[float]] = defaultdict(list)

    async def behave(self, stream: trio.abc.Stream) -> None:
        request = await read_request(stream)
        name = request.split(b" ", 2)[1][1:].decode().replace("-", " ") if request else ""
        times = self.answered_at[name]
        changed = name.startswith("changing") and len(times) // REQUESTS_UNTIL_A_CHANGE % 2
        await stream.send_all(BROKEN if changed or name.startswith("failing") else OK)
        times.append(time.time())


@pytest.fixture
def server(made_server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    with running_server(made_server, tmp_path_factory.mktemp("postgres")) as server:
        yield server


async def test_kills_lose_nothing(bridge: None, server: OwnServer, tmp_path: Path) -> None:
    folder, site = Folder(tmp_path), Site()
    kills: list[Kill] = []
    async with open_proxy(server.url) as proxy, serving(site.behave) as port:
        addresses = {name: f"http://127.0.0.1:{port}/{name.replace(' ', '-')}" for name in NAMES}
        urls = [{"name": name, "address": addresses[name], "interval": INTERVAL_SECONDS} for name in NAMES]
        folder.configure(urls, MAX_WORKERS=20, **settings_for(proxy))
        started_at = await _kill_again_and_again(folder, proxy, server, kills)
        length_before = len((tmp_path / "stderr.log").read_text())
        async with folder.daemon() as daemon, open_database(server.url) as database:
            # A process without its handlers is killed by signals; and earlier daemons may not have had time for tables.
            for word in (" started ", "database connected"):
                await daemon.until(lambda word=word: word in daemon.log.read_text()[length_before:])  # type: ignore[misc]
            await _drained(daemon, database)
            status, _seconds = await daemon.stop()
    assert status == 0
    said = daemon.log.read_text()
    assert "waiting=0" in daemon.lines("stopped")[-1]
    assert "Traceback" not in said
    assert "damaged" not in said
    left = left_in(tmp_path / "data")
    assert left.damaged == []
    assert left.set_aside == 0
    assert not left.entries
    async with open_database(server.url) as database:
        await _failures_are_there_once(database, said)
        measured = left.measured + await measured_in(database)
        await _failures_are_measured(database, measured)
        _nothing_is_invented_and_nothing_missing(site, measured, kills)
        _successes_are_measured((tmp_path / "monitor.log").read_text(), measured, kills)
        await _flips_make_sense(database, started_at, _told_at(said))


async def _kill_again_and_again(folder: Folder, proxy: Proxy, server: OwnServer, kills: list[Kill]) -> list[datetime]:
    """Return when each daemon was started."""
    moments, outages = random.Random(SEED), random.Random(SEED + 1)
    started_at, over, length = [], trio.Event(), 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_upset, proxy, server, outages, over)
        for _ in range(ROUNDS):
            started_at.append(datetime.now(UTC))
            async with folder.daemon() as daemon:
                is_in_the_start = moments.random() < PART_IN_A_START
                if not is_in_the_start:
                    await daemon.until(lambda begin=length: b"failing 0" in _said_since(begin, daemon.log))  # type: ignore[misc]
                await trio.sleep(moments.uniform(0, MAX_START_SECONDS if is_in_the_start else MAX_ROUND_SECONDS))
                assert daemon.process.poll() is None, daemon.lines()
                daemon.process.kill()
                await daemon.process.wait()
                await trio.testing.wait_all_tasks_blocked(0.01)
                said = _said_since(length, daemon.log)
                length += len(said)
                told_at = _told_at(said.decode())
                safe_before = told_at[-TOLD_SINCE] if len(told_at) >= TOLD_SINCE else started_at[-1].timestamp()
                kills.append(Kill(safe_before, time.time()))
        over.set()
    started_at.append(datetime.now(UTC))
    return started_at


def _said_since(begin: int, log: Path) -> bytes:
    """Return the rest of a log after that many bytes."""
    with log.open("rb") as file:
        file.seek(begin)
        return file.read()


def _told_at(said: str) -> list[float]:
    """Return when the checks with failures reported as safe started, in order, in seconds since 1970."""
    lines = [line for line in said.splitlines() if told_ids(line)]
    return sorted(datetime.fromisoformat(line.split(" ", 1)[0]).timestamp() for line in lines)


async def _upset(proxy: Proxy, server: OwnServer, outages: random.Random, over: trio.Event) -> None:
    """Let the database come and go until the end, and leave it running."""
    while not over.is_set():
        await trio.sleep(outages.uniform(0.1, 1.5))
        kind, seconds = outages.choice(("refused", "black hole", "fast", "immediate")), outages.uniform(0.1, 1.5)
        if kind == "refused":
            await proxy.shut()
            await trio.sleep(seconds)
            await proxy.open()
        elif kind == "black hole":
            proxy.freeze()
            await trio.sleep(seconds)
            proxy.thaw()
        else:
            await server.halt(FAST if kind == "fast" else IMMEDIATE)
            await server.start()


async def _drained(daemon: Daemon, database: Database) -> None:
    """Wait until everything that the lines have reported is stored."""
    waiting = set(told_ids(daemon.log.read_text()))
    assert len(waiting) > ROUNDS, "hardly anything was checked"
    with trio.fail_after(120):
        while waiting:
            await trio.sleep(0.1)
            waiting -= {str(row["id"]) for row in await database.fetch("SELECT id FROM failures")}


async def _failures_are_there_once(database: Database, said: str) -> None:
    told = told_ids(said)
    assert given_up_ids(said) == []
    assert len(told) == len(set(told)), "told twice"
    rows = [str(row["id"]) for row in await database.fetch("SELECT id FROM failures")]
    assert len(rows) == len(set(rows)), "stored twice"
    assert set(told) <= set(rows)
    # What was safe but not reported: what was in flight at one kill.
    assert len(rows) - len(told) < ROUNDS * len(NAMES)


async def _failures_are_measured(database: Database, measured: Counter[tuple[str, str]]) -> None:
    """A failure and its addition to its minute are written together, or not at all."""
    failed = await failed_in(database)
    assert failed == Counter({key: count for key, count in measured.items() if key[1] not in ("up", "degraded")})


def _nothing_is_invented_and_nothing_missing(site: Site, measured: Counter[tuple[str, str]], kills: list[Kill]) -> None:
    """The site's answers are the conclusions, except for those in flight at a kill."""
    checks = Counter[str]()
    for (name, result), count in measured.items():
        checks[name] += count if result in ("up", "status") else 0
    for name in NAMES:
        times = site.answered_at[name]
        safe = [at for at in times if not any(kill.may_have_cost(at) for kill in kills)]
        assert len(safe) <= checks[name] <= len(times), name
        assert len(safe) > ROUNDS // 2, "hardly anything was checked"


def _successes_are_measured(log: str, measured: Counter[tuple[str, str]], kills: list[Kill]) -> None:
    """A line of monitor.log does not wait for the outbox: it may be ahead by what a kill finds in flight."""
    ended_at = [(name, at.timestamp()) for name, at in successes_in(log)]
    safe = Counter(name for name, at in ended_at if not any(kill.may_have_cost(at) for kill in kills))
    missing = {name: count - measured[name, "up"] for name, count in safe.items() if count > measured[name, "up"]}
    assert not missing


async def _flips_make_sense(database: Database, started_at: list[datetime], told_at: list[float]) -> None:
    flips: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for flip in await database.fetch("SELECT * FROM flips ORDER BY at"):
        flips[flip["target"]].append(flip)
    present = {row["target"]: row for row in await database.fetch("SELECT * FROM states")}
    assert set(flips) == set(present) == set(NAMES)
    for name, history in flips.items():
        assert [flip["before"] for flip in history] == ["pending", *(flip["state"] for flip in history[:-1])], name
        times = [flip["at"] for flip in history]
        assert times == sorted(set(times)), name
        assert all(flip["at"] <= flip["confirmed_at"] for flip in history)
        assert (present[name]["state"], present[name]["since"]) == (history[-1]["state"], history[-1]["at"])
        for moment in started_at[1:]:
            states = [flip["state"] for flip in history if flip["at"] <= moment]
            assert not states or states[-1] == "unknown", f"{name} is said to be {states[-1]} while nobody looked"
    assert {flip["state"] for name, history in flips.items() if name.startswith("fine") for flip in history} == {
        *("up", "unknown")
    }
    gaps = [flip for flip in flips["failing 0"] if flip["detail"] == "the monitor was not running"]
    assert len(gaps) > ROUNDS // 2
    for gap in gaps:  # is one without checks
        first, last = gap["at"].timestamp(), gap["confirmed_at"].timestamp() - MOMENT_SECONDS
        assert not any(first < at < last for at in told_at)

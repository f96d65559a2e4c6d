"""The daemon is killed fifty times, while its database comes and goes: nothing that a check concluded is lost."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.integration.daemon import Daemon, Folder, settings_for
from tests.integration.evidence import failed_in, given_up_ids, left_in, measured_in, successes_in, told_ids
from tests.integration.own_server import FAST, IMMEDIATE, OwnServer, running_server
from tests.integration.proxy import Proxy, open_proxy
from tests.integration.sites import read_request, response, serving
from watcher.storage.db import Database, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 20_261_124
ROUNDS = 50
# A start takes half a second: some kills come before the first check.
MIN_ROUND_SECONDS, MAX_ROUND_SECONDS = 0.3, 2.1
# What a check concludes is on disk at once, which is after 50 ms, a commit and what a busy machine adds.
ON_DISK_SECONDS = 0.5
NAMES = [*(f"failing {n}" for n in range(20)), *(f"fine {n}" for n in range(20)), *(f"changing {n}" for n in range(10))]
INTERVAL_SECONDS = 0.2
REQUESTS_UNTIL_A_CHANGE = 8
OK, BROKEN = response(), response(status="500 Internal Server Error")


class Site:
    """Answers, and counts what it has answered, by the target that asked and the time."""

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
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    with running_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


async def test_fifty_kills_lose_nothing(bridge: None, server: OwnServer, tmp_path: Path) -> None:
    folder, site = Folder(tmp_path), Site()
    killed_at: list[float] = []
    async with open_proxy(server.url) as proxy, serving(site.behave) as port:
        addresses = {name: f"http://127.0.0.1:{port}/{name.replace(' ', '-')}" for name in NAMES}
        urls = [{"name": name, "address": addresses[name], "interval": INTERVAL_SECONDS} for name in NAMES]
        folder.configure(urls, MAX_WORKERS=20, **settings_for(proxy))
        started_at = await _kill_again_and_again(folder, proxy, server, killed_at)
        length_before = len((tmp_path / "stderr.log").read_text())
        async with folder.daemon() as daemon, open_database(server.url) as database:
            # Whoever reads no signals yet is killed by them.
            await daemon.until(lambda: " started " in daemon.log.read_text()[length_before:])
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
        _nothing_is_invented_and_nothing_missing(site, measured, killed_at)
        _successes_are_measured((tmp_path / "monitor.log").read_text(), measured, killed_at)
        await _flips_make_sense(database, started_at)


async def _kill_again_and_again(
    folder: Folder, proxy: Proxy, server: OwnServer, killed_at: list[float]
) -> list[datetime]:
    """Return when each daemon was started."""
    moments, outages = random.Random(SEED), random.Random(SEED + 1)
    started_at, over = [], trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_upset, proxy, server, outages, over)
        for _ in range(ROUNDS):
            started_at.append(datetime.now(UTC))
            async with folder.daemon() as daemon:
                await trio.sleep(moments.uniform(MIN_ROUND_SECONDS, MAX_ROUND_SECONDS))  # any moment will do
                assert daemon.process.poll() is None, daemon.lines()
                killed_at.append(time.time())
                daemon.process.kill()
                await daemon.process.wait()
        over.set()
    started_at.append(datetime.now(UTC))
    return started_at


async def _upset(proxy: Proxy, server: OwnServer, outages: random.Random, over: trio.Event) -> None:
    """Let the database come and go until it is over, and leave it there."""
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
    """Wait until all is stored of which the lines told so far."""
    waiting = set(told_ids(daemon.log.read_text()))
    assert len(waiting) > ROUNDS, "hardly anything was checked"
    with trio.fail_after(30):
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
    # What was safe, and not told any more: what one kill finds in flight.
    assert len(rows) - len(told) < ROUNDS * len(NAMES)


async def _failures_are_measured(database: Database, measured: Counter[tuple[str, str]]) -> None:
    """A failure and what it adds to its minute are written together, or not at all."""
    failed = await failed_in(database)
    assert failed == Counter({key: count for key, count in measured.items() if key[1] not in ("up", "degraded")})


def _nothing_is_invented_and_nothing_missing(
    site: Site, measured: Counter[tuple[str, str]], killed_at: list[float]
) -> None:
    """What the site has answered is what was concluded, but for what a kill found in flight."""
    checks = Counter[str]()
    for (name, result), count in measured.items():
        checks[name] += count if result in ("up", "status") else 0
    for name in NAMES:
        times = site.answered_at[name]
        safe = [at for at in times if not _just_before_a_kill(at, killed_at)]
        assert len(safe) <= checks[name] <= len(times), name
        assert len(safe) > ROUNDS // 2, "hardly anything was checked"


def _successes_are_measured(log: str, measured: Counter[tuple[str, str]], killed_at: list[float]) -> None:
    """A line of monitor.log waits for no outbox: it may be ahead of it by what a kill finds in flight, and no more."""
    safe = Counter(name for name, at in successes_in(log) if not _just_before_a_kill(at.timestamp(), killed_at))
    missing = {name: count - measured[name, "up"] for name, count in safe.items() if count > measured[name, "up"]}
    assert not missing


def _just_before_a_kill(at: float, killed_at: list[float]) -> bool:
    return any(killed - ON_DISK_SECONDS < at < killed + ON_DISK_SECONDS for killed in killed_at)


async def _flips_make_sense(database: Database, started_at: list[datetime]) -> None:
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
    assert all(flip["confirmed_at"] - flip["at"] < timedelta(seconds=5) for flip in gaps)

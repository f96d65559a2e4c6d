"""The fuzzing proxy of asyncpg's own tests between the outbox and PostgreSQL: rows arrive once, and in order."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import trio
from asyncpg._testbase.fuzzer import Connection, TCPFuzzingProxy
from structlog.testing import capture_logs

from tests.doubles import MOMENT, a_failure
from tests.integration.proxy import open_proxy
from watcher.history.rollup import measurement_of, roll_up, rollup_rows
from watcher.model.state import Flip, State
from watcher.outbox.encoding import ROLLUPS, encode_failure, encode_flip
from watcher.outbox.outbox import Outbox
from watcher.outbox.thread import OutboxThread
from watcher.postgres.db import Database, open_database
from watcher.postgres.drain import Drain
from watcher.postgres.registration import Registration
from watcher.postgres.store import TableStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from structlog.typing import EventDict

SEED = 7
TARGETS, ROUNDS, FAILURES_IN_A_ROUND = 5, 8, 400
CUTS = 6
LOSSES = 3
COMMAND_SECONDS = 1.0
LIMIT_SECONDS = 60.0
# Longer than a command may take, with the drain's waits before it; a batch starts within the delay.
LOSS_SECONDS, MAX_DELAY_SECONDS = COMMAND_SECONDS + 0.6, 0.3
SLOW_BYTES, SLOW_SECONDS = 2048, 0.001


class CutAnywhere(Connection):
    """Is cut after a random number of bytes in one direction, as long as there are cuts left."""

    left = CUTS
    moments = random.Random(SEED)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.to_server = self.moments.random() < 0.6
        # A batch is some 500 kB; its answer is short.
        self.room = int(10 ** self.moments.uniform(2, 6 if self.to_server else 3.6))

    async def _write(self, sock: Any, data: Any) -> Any:
        if (sock is self.backend_sock) == self.to_server and data and type(self).left:
            self.room -= len(data)
            if self.room <= 0:
                type(self).left -= 1
                await super()._write(sock, data[: self.room])  # type: ignore[misc]  # the stubs leave it out
                raise ConnectionResetError
        return await super()._write(sock, data)  # type: ignore[misc]


class Slow(Connection):
    """Has a slow line."""

    async def _read(self, sock: Any, n: int) -> Any:
        await asyncio.sleep(SLOW_SECONDS)
        return await super()._read(sock, min(n, SLOW_BYTES))  # type: ignore[misc]


async def test_a_connection_that_is_cut_anywhere(test_db: Database, db_config: str, tmp_path: Path) -> None:
    CutAnywhere.left = CUTS
    logs = await _fill_and_drain(test_db, db_config, tmp_path, CutAnywhere)
    assert CutAnywhere.left == 0
    _one_line_for_each_change(logs, outages=1)


async def test_a_slow_connection(test_db: Database, db_config: str, tmp_path: Path) -> None:
    logs = await _fill_and_drain(test_db, db_config, tmp_path, Slow)
    _one_line_for_each_change(logs, outages=0)


async def test_a_connection_that_drops_data(test_db: Database, db_config: str, tmp_path: Path) -> None:
    logs = await _fill_and_drain(test_db, db_config, tmp_path, Connection, losses=LOSSES)
    _one_line_for_each_change(logs, outages=1)


async def _fill_and_drain(
    database: Database, url: str, folder: Path, kind: type[Connection], losses: int = 0
) -> list[EventDict]:
    """Insert a history into the outbox while it is drained over a bad line; return what was logged."""
    # The order of rows as the server itself knows it.
    await database.execute_query("ALTER TABLE failures ADD COLUMN arrived bigserial")
    disk = OutboxThread(Outbox(folder / "outbox.sqlite"))
    moments = random.Random(SEED)
    with capture_logs() as logs:
        async with open_proxy(url) as proxy:
            with _fuzzing(proxy.port, kind) as fuzzing:
                bad_url = _with_port(proxy.url(), fuzzing.listening_port)
                async with (
                    open_database(bad_url, command_seconds=COMMAND_SECONDS) as bad,
                    trio.open_nursery() as nursery,
                ):
                    store = TableStore(bad, Registration("default", disk.outbox.id, MOMENT, ()))
                    drain, ready = Drain(disk, store), trio.Event()
                    ready.set()
                    nursery.start_soon(drain.run, ready)
                    for number in range(ROUNDS):
                        # A loss during the upkeep of the tables is waited for as long as the upkeep may take.
                        await _until(lambda: drain.is_up)
                        await disk.run(partial(_append, number=number))
                        drain.wake()
                        if number < losses:
                            # Before the batch is sent, for the first; then at some moment of it.
                            await trio.sleep(moments.uniform(0, MAX_DELAY_SECONDS) if number else 0)
                            fuzzing.trigger_connectivity_loss()
                            if number:
                                await trio.sleep(LOSS_SECONDS)
                            else:
                                await _until(lambda: not drain.is_up)
                            fuzzing.restore_connectivity()
                    await _until(lambda: not disk.outbox.rows)
                    # A cut one would ask the server to cancel, over a connection that the ending proxy leaves open.
                    drain.close()
    await disk.run(Outbox.close)
    await _everything_came_once_and_in_order(database)
    return list(logs)


async def _until(condition: Callable[[], object]) -> None:
    """Wait for a condition; a server and a thread set no event."""
    with trio.fail_after(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.02)


def _append(outbox: Outbox, number: int) -> None:
    at = MOMENT + timedelta(minutes=number)
    failures = [
        a_failure(f"target {place % TARGETS}", at=at + timedelta(milliseconds=place), excerpt="x" * 200)
        for place in range(FAILURES_IN_A_ROUND)
    ]
    state, before = (State.DOWN, State.UP) if number % 2 == 0 else (State.UP, State.DOWN)
    flips = [Flip(f"target {place}", "default", at, at, state, before) for place in range(TARGETS)]
    rows = rollup_rows(roll_up(map(measurement_of, failures)), at.replace(second=0, microsecond=0), part=1)
    entries = [*map(encode_flip, flips), *map(encode_failure, failures), (ROLLUPS, json.dumps(rows))]
    outbox.append(entries, now=at.timestamp(), minute=0)


async def _everything_came_once_and_in_order(database: Database) -> None:
    rows = await database.fetch("SELECT target, scheduled_at, id FROM failures ORDER BY arrived")
    assert len(rows) == len({row["id"] for row in rows}) == ROUNDS * FAILURES_IN_A_ROUND
    for target in {row["target"] for row in rows}:
        times = [row["scheduled_at"] for row in rows if row["target"] == target]
        assert times == sorted(times)
    [(flips,)] = [row.values() for row in await database.fetch("SELECT count(*) FROM flips")]
    assert flips == ROUNDS * TARGETS
    states = await database.fetch("SELECT state, since FROM states")
    last = MOMENT + timedelta(minutes=ROUNDS - 1)
    assert [(row["state"], row["since"]) for row in states] == [("up", last)] * TARGETS
    measured = await database.fetch("SELECT sum((results->>'status')::int) AS number FROM rollups")
    assert measured[0]["number"] == ROUNDS * FAILURES_IN_A_ROUND


def _one_line_for_each_change(logs: list[EventDict], outages: int) -> None:
    up, down = "database connected", "database unavailable, the outbox keeps new entries"
    events = [entry["event"] for entry in logs]
    assert set(events) <= {up, down}
    assert all(one != following for one, following in pairwise(events))
    assert events[-1] == up
    assert events.count(down) >= outages


@contextmanager
def _fuzzing(port: int, kind: type[Connection]) -> Iterator[TCPFuzzingProxy]:
    proxy = TCPFuzzingProxy(backend_host="127.0.0.1", backend_port=port)
    proxy.connection_factory = kind
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def _with_port(url: str, port: int | None) -> str:
    parts = urlsplit(url)
    userinfo = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{userinfo}@127.0.0.1:{port}"))

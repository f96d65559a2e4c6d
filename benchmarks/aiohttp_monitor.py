"""The competitor: a monitor as a good programmer would write it in an afternoon, with asyncio, aiohttp and asyncpg.

It does what watcher does at its simplest, in the usual way: a task for each URL, a semaphore around the checks, one
session, a deadline for each check, successes to a log file, failures into PostgreSQL.
"""

import asyncio
import json
import logging
import re
import signal
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import yaml

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS aiohttp_failures (
    id bigserial PRIMARY KEY, address text NOT NULL, started_at timestamptz NOT NULL, duration_ms float8 NOT NULL,
    status_code int, reason text NOT NULL
)
"""
INSERT_FAILURE = """
INSERT INTO aiohttp_failures (address, started_at, duration_ms, status_code, reason)
VALUES ($1, to_timestamp($2), $3, $4, $5)
"""

log = logging.getLogger("monitor")


@dataclass(frozen=True, slots=True)
class Target:
    """One URL."""

    address: str
    interval_seconds: float
    timeout: aiohttp.ClientTimeout
    regex: re.Pattern[str]

    def seconds_to_next(self, now: float) -> float:
        """Return the seconds to the next slot; the slots of all targets are spread over the interval."""
        offset = zlib.crc32(self.address.encode()) / 2**32 * self.interval_seconds
        return self.interval_seconds - (now - offset) % self.interval_seconds


async def watch(target: Target, session: aiohttp.ClientSession, pool: asyncpg.Pool, workers: asyncio.Semaphore) -> None:
    """Check one target for ever."""
    while True:
        await asyncio.sleep(target.seconds_to_next(time.time()))
        async with workers:
            await check(target, session, pool)


async def check(target: Target, session: aiohttp.ClientSession, pool: asyncpg.Pool) -> None:
    """Check once, and record the result: in the log, or in the database."""
    started_at, started, status, size = time.time(), time.perf_counter(), None, 0
    try:
        async with session.get(target.address, timeout=target.timeout, max_redirects=10) as response:
            status = response.status
            body = await response.text()
            size = len(body)
        reason = None if 200 <= status <= 299 else f"status {status}"
        if reason is None and target.regex.search(body) is None:
            reason = "the body does not match"
    except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError) as error:
        reason = f"{type(error).__name__}: {error}"
    duration_ms = (time.perf_counter() - started) * 1000
    if reason is None:
        log.info("success url=%s status=%d duration_ms=%.1f bytes=%d", target.address, status, duration_ms, size)
        return
    try:
        await pool.execute(INSERT_FAILURE, target.address, started_at, duration_ms, status, reason)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        log.exception("cannot store the failure of %s", target.address)


def read_targets(file: Path) -> tuple[list[Target], bool]:
    """Read the config file; the second value is whether connections are kept."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    urls = yaml.load(file.read_text("utf-8"), Loader=loader)["urls"]  # noqa: S506
    targets = [
        Target(url["address"], url["interval"], aiohttp.ClientTimeout(total=url["timeout"]), re.compile(url["regex"]))
        for url in urls
    ]
    return targets, any(url.get("keep_alive") for url in urls)


async def run(targets: list[Target], *, keeps: bool, database: str, workers: int) -> None:
    """Watch all targets until SIGTERM."""
    connector = aiohttp.TCPConnector(limit=workers, force_close=not keeps)
    async with (
        asyncpg.create_pool(database, min_size=1, max_size=5) as pool,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        await pool.execute(CREATE_TABLE)
        free = asyncio.Semaphore(workers)
        tasks = [asyncio.create_task(watch(target, session, pool, free)) for target in targets]
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        await stopped.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(filename="monitor.log", level=logging.INFO, format=form)
    watched, kept = read_targets(Path("config.yaml"))
    asyncio.run(run(watched, keeps=kept, **json.loads(sys.argv[1])))

"""The competitor: a monitor as a good programmer would write it in an afternoon, with asyncio, aiohttp and asyncpg.

It does what watcher does at its simplest, in the usual way: a task for each URL, a semaphore around the checks, one
session, a deadline for each check, successes to a log file, failures into PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import re
import signal
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
    regex: re.Pattern[str] | None

    def seconds_to_next(self, now: float) -> float:
        """Return the seconds to the next slot; the slots of all targets are spread over the interval."""
        offset = zlib.crc32(self.address.encode()) / 2**32 * self.interval_seconds
        index = math.floor((now - offset) / self.interval_seconds) + 1
        return offset + index * self.interval_seconds - now


@dataclass(frozen=True, slots=True)
class Monitor:
    """The state shared by all checks."""

    session: aiohttp.ClientSession
    database: asyncpg.Pool
    semaphore: asyncio.Semaphore

    async def watch(self, target: Target) -> None:
        """Check one target for ever."""
        while True:
            await asyncio.sleep(target.seconds_to_next(time.time()))
            async with self.semaphore:
                await self.check(target)

    async def check(self, target: Target) -> None:
        """Check once, and record the result."""
        started_at, started, status, size = time.time(), time.perf_counter(), None, 0
        try:
            async with self.session.get(target.address, timeout=target.timeout, max_redirects=10) as response:
                status = response.status
                body = await response.text()
                size = len(body)
            reason = None if 200 <= status <= 299 else f"status {status}"
            if reason is None and target.regex is not None and target.regex.search(body) is None:
                reason = "the body does not match"
        except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError) as error:
            reason = f"{type(error).__name__}: {error}"
        duration_ms = (time.perf_counter() - started) * 1000
        if reason is None:
            log.info("success url=%s status=%d duration_ms=%.1f bytes=%d", target.address, status, duration_ms, size)
        else:
            await self.store_failure(target, started_at, duration_ms, status, reason)

    async def store_failure(
        self, target: Target, started_at: float, duration_ms: float, status: int | None, reason: str
    ) -> None:
        """Write a failure to the database, or to the log if that fails."""
        try:
            await self.database.execute(INSERT_FAILURE, target.address, started_at, duration_ms, status, reason)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            log.exception("cannot store the failure of %s", target.address)


def read_targets(file: Path) -> tuple[list[Target], bool]:
    """Read the config file; the second value is whether connections are kept."""
    with file.open(encoding="utf-8") as stream:
        urls = yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["urls"]  # noqa: S506
    targets = [
        Target(
            address=url["address"],
            interval_seconds=url["interval"],
            timeout=aiohttp.ClientTimeout(total=url["timeout"]),
            regex=re.compile(url["regex"]) if "regex" in url else None,
        )
        for url in urls
    ]
    return targets, any(url.get("keep_alive") for url in urls)


async def run(targets: list[Target], workers: int, database_url: str, *, keep_alive: bool) -> None:
    """Watch all targets until SIGTERM."""
    connector = aiohttp.TCPConnector(limit=workers, force_close=not keep_alive)
    async with (
        asyncpg.create_pool(database_url, min_size=1, max_size=5) as database,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        await database.execute(CREATE_TABLE)
        monitor = Monitor(session, database, asyncio.Semaphore(workers))
        tasks = [asyncio.create_task(monitor.watch(target)) for target in targets]
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        await stopped.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    """Read the arguments, and watch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--workers", type=int, required=True)
    options = parser.parse_args()
    logging.basicConfig(filename=options.log, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    targets, keep_alive = read_targets(options.config)
    asyncio.run(run(targets, options.workers, options.database, keep_alive=keep_alive))


if __name__ == "__main__":
    main()

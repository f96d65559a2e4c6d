"""The upkeep of the tables: partitions made ahead and dropped in time, minutes merged into hours, hours into days."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

import structlog
import trio

from watcher.model.clock_trust import next_beat, utc_now
from watcher.postgres.bridge import transaction
from watcher.postgres.errors import DatabaseRefusedError, DatabaseUnavailableError
from watcher.postgres.tables.partitions import KEEP_FAILURES, TABLES, needed_partitions, outlived_partitions
from watcher.postgres.tables.rollup_pieces import DAY, HOUR
from watcher.postgres.tables.rollups import UPKEEP_LOCK
from watcher.postgres.upkeep.steps import (
    STEP_SECONDS,
    dropping,
    forgetting,
    making,
    making_default,
    merging_of,
    renaming,
    survey,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from watcher.postgres.bridge import Connection

Result = TypeVar("Result")

log = structlog.get_logger()

ROUND_SECONDS = 60.0
# Whoever waits for a lock makes others wait behind it; what failed so is tried again in the next round.
LOCK_MILLISECONDS = 1000
# While the clock is not believed, nothing is old.
_NOTHING_IS_OLD = datetime(1970, 1, 1, tzinfo=UTC)
# How long after its end an hour or a day is merged: by then what is on its way has come, usually.
RIPE_AFTER = {HOUR: timedelta(seconds=90), DAY: timedelta(hours=1)}


class Operated(Protocol):
    """What the upkeep needs of a `Database`."""

    async def operate(
        self, operation: Callable[[Connection], Awaitable[Result]], limit_seconds: float | None = None
    ) -> Result:
        """Do one operation on a connection."""


@dataclass(slots=True)
class UpkeepReport:
    """What one round of the upkeep did.

    Attributes:
        made, dropped: names of partitions.
        merged: how many hours and days.
        failed: what could not be done, a sentence each; the next round tries again.
    """

    made: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    merged: int = 0
    failed: list[str] = field(default_factory=list)


class _BusyError(Exception):
    """Another replica is at it."""


async def upkeep(
    database: Operated,
    keep_failures: timedelta = KEEP_FAILURES,
    *,
    up: trio.Event | None = None,
    clock: Callable[[], datetime] = utc_now,
    trusts: Callable[[float], bool] = lambda _now: True,
) -> NoReturn:
    """Keep the tables up each minute, until cancelled.

    This is a trio-flavoured function. A database that is away is not told of: whoever writes to it does that.

    Args:
        database: whatever its state.
        keep_failures: how long failures are kept.
        up: set once there is a database to be used; None for one that is there.
        clock: tells the time, with a time zone.
        trusts: whether it may be believed, at so many seconds since 1970; where not, nothing is dropped.
    """
    if up is not None:
        await up.wait()
    while True:
        try:
            now = clock()
            report = await keep_up(database, keep_failures, now, may_drop=trusts(now.timestamp()))
        except DatabaseUnavailableError:
            pass
        except DatabaseRefusedError as error:
            log.warning("upkeep of the tables refused by the database", error=error)
        else:
            _tell(report)
        await trio.sleep_until(next_beat(trio.current_time(), ROUND_SECONDS))


async def keep_up(
    database: Operated, keep_failures: timedelta, now: datetime, *, may_drop: bool = True
) -> UpkeepReport:
    """Do one round: make partitions, merge what has ended, and drop what is no longer kept.

    This is a trio-flavoured function. Each step is a transaction of its own under a lock; where another replica has it,
    the round ends, and the other goes on.

    Args:
        database: with its tables.
        keep_failures: how long failures are kept.
        now: with a time zone. What is old is told by this clock and by the server's: by the one that is behind.
        may_drop: whether anything is to be dropped for its age.

    Returns:
        what was done.

    Raises:
        DatabaseUnavailableError, DatabaseRefusedError: the database is away. One step that fails is in the report.
    """
    round_ = _Round(database, keep_failures, now, may_drop=may_drop)
    with suppress(_BusyError):  # whoever has the lock does the rest
        await round_.run()
    return round_.report


def _tell(report: UpkeepReport) -> None:
    if report.dropped:
        log.info("partitions dropped, whose time is over", partitions=", ".join(report.dropped))
    if report.failed:
        log.warning("upkeep of the tables incomplete, to be tried again", failed="; ".join(report.failed))


class _Round:
    def __init__(self, database: Operated, keep_failures: timedelta, now: datetime, *, may_drop: bool) -> None:
        self._database = database
        self._keep_failures = keep_failures
        self._now = now
        self._may_drop = may_drop
        self.report = UpkeepReport()

    async def run(self) -> None:
        """Do all there is to do."""
        there, marks, server_now = await self._database.operate(survey)
        old_at = min(self._now, server_now) if self._may_drop else _NOTHING_IS_OLD
        for table in TABLES:
            name = f"{table.name}_default"
            if name not in there and await self._step(name, making_default(table)):
                self.report.made.append(name)
        for partition in needed_partitions(self._now, self._keep_failures):
            if partition.name not in there and await self._step(partition.name, making(partition)):
                self.report.made.append(partition.name)
        await self._step("late rows of renamed targets", renaming(old_at))
        for period, began_at in marks:
            if began_at + timedelta(seconds=period) + RIPE_AFTER[period] < self._now:
                name = f"{'hour' if period == HOUR else 'day'} {began_at:%Y-%m-%d %H:%M}"
                self.report.merged += bool(await self._step(name, merging_of(period, began_at, self._now, old_at)))
        await self._step("default partitions", forgetting(old_at, self._keep_failures))
        for partition in outlived_partitions(there, old_at, self._keep_failures):
            if await self._step(partition.name, dropping(partition)):
                self.report.dropped.append(partition.name)

    async def _step(self, name: str, work: Callable[[Connection], Awaitable[bool]]) -> bool:
        """Do one thing in a transaction, and return whether there was something to do."""

        async def locked(connection: Connection) -> bool | None:
            async with transaction(connection, isolation="READ COMMITTED"):
                if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", UPKEEP_LOCK):
                    return None
                # The server must stop by itself, a little before it is cut off, since it holds the lock.
                await connection.execute(
                    f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS};"
                    f" SET LOCAL statement_timeout = {int(STEP_SECONDS * 990)}"
                )
                return await work(connection)

        try:
            done = await self._database.operate(locked, STEP_SECONDS)
        except (DatabaseUnavailableError, DatabaseRefusedError) as error:
            await self._database.operate(_ping)  # raises, unless only this one thing fails
            self.report.failed.append(f"{name}: {error}")
            return False
        if done is None:
            raise _BusyError
        return done


async def _ping(connection: Connection) -> None:
    await connection.execute("SELECT 1")

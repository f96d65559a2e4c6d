"""Keeps up the tables: creates and drops partitions, merges minutes into hours and hours into days."""

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
# A statement that waits for a lock makes others wait behind it; a step that fails so is tried again in the next round.
LOCK_MILLISECONDS = 1000
# While the clock is not trusted, nothing is old.
_NOTHING_IS_OLD = datetime(1970, 1, 1, tzinfo=UTC)
# How long after its end an hour or a day is merged: late minutes have usually come by then.
RIPE_AFTER = {HOUR: timedelta(seconds=90), DAY: timedelta(hours=1)}


class Operated(Protocol):
    """The part of `Database` that the upkeep needs."""

    async def operate(
        self, operation: Callable[[Connection], Awaitable[Result]], limit_seconds: float | None = None
    ) -> Result:
        """Run one operation on a connection."""


@dataclass(slots=True)
class UpkeepReport:
    """The result of one round of the upkeep.

    Attributes:
        made, dropped: names of partitions.
        merged: the number of hours and days.
        failed: a sentence for each step that failed; the next round tries it again.
    """

    made: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    merged: int = 0
    failed: list[str] = field(default_factory=list)


class _BusyError(Exception):
    """Another replica holds the lock."""


async def upkeep(
    database: Operated,
    keep_failures: timedelta = KEEP_FAILURES,
    *,
    up: trio.Event | None = None,
    clock: Callable[[], datetime] = utc_now,
    trusts: Callable[[float], bool] = lambda _now: True,
) -> NoReturn:
    """Do a round of the upkeep each minute, until cancelled.

    This is a trio-flavoured function. It does not log that the database is away: the drain does that.

    Args:
        database: in any state.
        keep_failures: how long failures are kept.
        up: set once the database can be used; None if it can be used now.
        clock: returns the time, with a time zone.
        trusts: whether the clock can be trusted at a time in seconds since 1970; if not, nothing is dropped.
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
            _log_report(report)
        await trio.sleep_until(next_beat(trio.current_time(), ROUND_SECONDS))


async def keep_up(
    database: Operated, keep_failures: timedelta, now: datetime, *, may_drop: bool = True
) -> UpkeepReport:
    """Do one round: create partitions, merge hours and days that have ended, and drop what is no longer kept.

    This is a trio-flavoured function. Each step is a transaction of its own under a lock; if another replica has the
    lock, the round ends, and the other one goes on.

    Args:
        database: with its tables.
        keep_failures: how long failures are kept.
        now: with a time zone. Ages are by this clock or by the server's, whichever is behind.
        may_drop: whether anything may be dropped for its age.

    Returns:
        the result of the round.

    Raises:
        DatabaseUnavailableError, DatabaseRefusedError: the database is away. A step that fails alone is in the report.
    """
    round_ = _Round(database, keep_failures, now, may_drop=may_drop)
    with suppress(_BusyError):  # the replica with the lock does the rest
        await round_.run()
    return round_.report


def _log_report(report: UpkeepReport) -> None:
    if report.dropped:
        log.info("old partitions dropped", partitions=", ".join(report.dropped))
    if report.failed:
        log.warning("upkeep of the tables incomplete, will be tried again", failed="; ".join(report.failed))


class _Round:
    def __init__(self, database: Operated, keep_failures: timedelta, now: datetime, *, may_drop: bool) -> None:
        self._database = database
        self._keep_failures = keep_failures
        self._now = now
        self._may_drop = may_drop
        self.report = UpkeepReport()

    async def run(self) -> None:
        """Do all steps."""
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
        """Do one step in a transaction; return whether there was something to do."""

        async def locked(connection: Connection) -> bool | None:
            async with transaction(connection, isolation="READ COMMITTED"):
                if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", UPKEEP_LOCK):
                    return None
                # The server holds the lock, so it must stop by itself a little before the connection is cut.
                await connection.execute(
                    f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS};"
                    f" SET LOCAL statement_timeout = {int(STEP_SECONDS * 990)}"
                )
                return await work(connection)

        try:
            done = await self._database.operate(locked, STEP_SECONDS)
        except (DatabaseUnavailableError, DatabaseRefusedError) as error:
            await self._database.operate(_ping)  # raises, unless only this step fails
            self.report.failed.append(f"{name}: {error}")
            return False
        if done is None:
            raise _BusyError
        return done


async def _ping(connection: Connection) -> None:
    await connection.execute("SELECT 1")

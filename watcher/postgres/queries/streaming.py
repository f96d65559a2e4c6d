"""Streams the history from its start to its end, however long: a cursor on the server, a batch of rows at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from watcher.model.places import COMBINED
from watcher.postgres.bridge import transaction
from watcher.postgres.errors import DatabaseUnavailableError, StorageError
from watcher.postgres.queries.states_and_flips import flip_of_row
from watcher.postgres.tables.failures import FAILURE_COLUMNS, decode_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from watcher.model.state import Flip
    from watcher.postgres.bridge import Connection
    from watcher.postgres.db import Database

    Rows = list[dict[str, Any]]
    Take = Callable[[str, Rows], None]

FLIP, FAILURE = "flip", "failure"
BATCH_ROWS = 500
# The longest that the server may take for a batch. The reader may take longer, up to a day.
BATCH_SECONDS = 60.0
WHOLE_SECONDS = 86_400.0

_QUERIES = {
    FLIP: """
SELECT id, target, location, at, confirmed_at, state, before, reason, detail, check_id, number
FROM flips
WHERE at >= $1 AND at < $2
ORDER BY at, id
""",
    FAILURE: f"""
SELECT {FAILURE_COLUMNS}
FROM failures
WHERE scheduled_at >= $1 AND scheduled_at < $2
ORDER BY scheduled_at, id
""",  # noqa: S608  # no part of it comes from outside
}
# For each target, the last flip before the window and, if that one does not tell its state, the last one that does.
# Both come from the index, one descent a target.
_FLIPS_AS_CONFIRMED = """
WITH newest AS MATERIALIZED (
    SELECT before.*
    FROM states CROSS JOIN LATERAL (
        SELECT target, location, at, confirmed_at, state, before, reason, detail, check_id, number
        FROM flips
        WHERE flips.target = states.target AND flips.location = states.location AND at < $1
        ORDER BY at DESC, confirmed_at DESC
        LIMIT 1
    ) AS before
    WHERE states.location IN ($3, '*')
)
SELECT * FROM newest
UNION ALL
SELECT earlier.*
FROM newest CROSS JOIN LATERAL (
    SELECT target, location, at, confirmed_at, state, before, reason, detail, check_id, number
    FROM flips
    WHERE flips.target = newest.target AND flips.location = newest.location AND at < newest.at
        AND state IN ('up', 'degraded', 'down', 'paused')
    ORDER BY at DESC, confirmed_at DESC
    LIMIT 1
) AS earlier
WHERE newest.state IN ('unknown', 'maintenance')
UNION ALL
SELECT target, location, at, confirmed_at, state, before, reason, detail, check_id, number
FROM flips
WHERE at >= $1 AND at < $2 AND location IN ($3, '*')
ORDER BY confirmed_at, number, at
"""
_COUNT = """
SELECT (SELECT count(*) FROM flips WHERE at >= $1 AND at < $2)
     + (SELECT count(*) FROM failures WHERE scheduled_at >= $1 AND scheduled_at < $2)
"""


async def stream_history(
    database: Database,
    since: datetime,
    until: datetime,
    take: Take,
    *,
    expect: Callable[[int], None] | None = None,
) -> None:
    """Read the flips of a window, then its failures, each oldest first, in one snapshot.

    Args:
        database: with its tables.
        since, until: the window, from `since` on, until just before `until`.
        take: called in a thread with "flip" or "failure" and a batch of rows, which is emptied when it returns; it may
            wait, and its exception ends the reading and is raised here.
        expect: called in a thread beforehand with the number of rows; without it they are not counted.

    Raises:
        DatabaseUnavailableError: before the first batch: the database cannot be reached.
        StorageError: after it: rows already taken must not be taken again.
    """
    await _read(database, _Reading(_QUERIES, (since, until), take, expect))


async def stream_flips(
    database: Database,
    since: datetime,
    until: datetime,
    location: str,
    take: Callable[[Sequence[Flip]], None],
    *,
    combined: frozenset[str] = frozenset(),
) -> None:
    """Read the flips of a window at a location in the order in which they were confirmed; see `stream_history`.

    Args:
        database: with its tables.
        since, until: the window, from `since` on, until just before `until`. The last flips before it that tell each
            target's state come first.
        location: of the targets.
        take: called in a thread with a batch of flips.
        combined: names of targets that several places watch: their combined flips are read.
    """

    def take_rows(_: str, rows: Rows) -> None:
        flips = [flip_of_row(row) for row in rows]
        take([flip for flip in flips if (flip.location == COMBINED) is (flip.target in combined)])

    await _read(database, _Reading({FLIP: _FLIPS_AS_CONFIRMED}, (since, until, location), take_rows))


async def _read(database: Database, reading: _Reading) -> None:
    try:
        await database.operate(reading.run, WHOLE_SECONDS)
    except DatabaseUnavailableError as error:
        if not reading.has_begun:
            raise
        raise StorageError(f"the database connection broke in the middle: {error}") from error
    if reading.error is not None:
        raise reading.error


class _Reading:
    """One reading, and its result.

    Attributes:
        has_begun: whether rows have been handed out.
        error: the exception of the function that takes the rows, so that it is not mistaken for the database's.
    """

    def __init__(
        self,
        queries: Mapping[str, str],
        arguments: tuple[Any, ...],
        take: Take,
        expect: Callable[[int], None] | None = None,
    ) -> None:
        self._queries = queries
        self._arguments = arguments
        self._take = take
        self._expect = expect
        self.has_begun = False
        self.error: Exception | None = None

    async def run(self, connection: Connection) -> None:
        """Hand out all rows. This is an asyncio-flavoured function."""
        async with transaction(connection, limit_seconds=None, isolation="REPEATABLE READ", readonly=True):
            if self._expect is not None:
                total = await connection.fetchval(_COUNT, *self._arguments, timeout=BATCH_SECONDS)
                await asyncio.get_running_loop().run_in_executor(None, self._expect, total)
            for kind, query in self._queries.items():
                cursor = await connection.cursor(query, *self._arguments, timeout=BATCH_SECONDS)
                while rows := await cursor.fetch(BATCH_ROWS, timeout=BATCH_SECONDS):
                    if not await self._hand_out(kind, [_exported(kind, dict(row)) for row in rows]):
                        return

    async def _hand_out(self, kind: str, rows: Rows) -> bool:
        """Hand out a batch; return whether more is wanted. This is an asyncio-flavoured function."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._take_in_thread, kind, rows)
        except Exception as error:  # noqa: BLE001  # raised again by the caller as the taker's error
            self.error = error
            return False
        return True

    def _take_in_thread(self, kind: str, rows: Rows) -> None:
        self.has_begun = True
        try:
            self._take(kind, rows)
        finally:
            rows.clear()  # the call is in a reference cycle that the garbage collector may find late


def _exported(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    return decode_failure(row) if kind == FAILURE else row

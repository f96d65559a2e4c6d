"""Writes minutes to the table `rollups`, and merges them into hours and days.

Storing a minute marks its hour and its day in `rollup_work`, in the same statement. A mark is a row, and each batch of
minutes gives it a new version (`xmin`). A merge removes a mark only if its version is still the one from before the
merge started to read. So no minute is missed, and minutes that come meanwhile wait for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.postgres.tables.rollup_pieces import DAY, FINER, HOUR, MINUTE

if TYPE_CHECKING:
    from watcher.postgres.bridge import Connection

# Held while dropping, merging or renaming: one at a time.
UPKEEP_LOCK = 0x77617464  # "watd", the one after that of the schema
RENAME_SECONDS = 1800.0  # a year of failures is rewritten, row by row

COLUMNS = "results, sums_ms, mins_ms, maxs_ms, keys, counts"
# The column `packed`, from others that have the buckets of whole checks first; a binary search finds their end.
PACKED = """(
    SELECT sum((count || 'e' || 8 * (255 - key))::numeric)
    FROM unnest(keys[1:width_bucket(255::smallint, keys)], counts[1:width_bucket(255::smallint, keys)])
         AS bucket (key, count)
)"""

_IN_PLACE = """
ON CONFLICT (period_seconds, target, location, began_at, part) DO UPDATE
SET results = EXCLUDED.results, sums_ms = EXCLUDED.sums_ms, mins_ms = EXCLUDED.mins_ms, maxs_ms = EXCLUDED.maxs_ms,
    keys = EXCLUDED.keys, counts = EXCLUDED.counts, packed = EXCLUDED.packed
"""

# Minutes, as the JSON of `rollup_rows` or an array of several; existing minutes stay as they are. An existing mark is
# written again for its new version. Replicas wait here for each other's marks, which one statement locks in one order:
# so a transaction does this once, with all its minutes, and last.
INSERT_ROLLUPS = f"""
WITH given AS (
    SELECT *
    FROM jsonb_to_recordset(jsonb_path_query_array($1::jsonb, '$[*][*]')) AS row (
        target text, location text, began_at timestamptz, part bigint, results jsonb, sums_ms double precision[],
        mins_ms double precision[], maxs_ms double precision[], keys smallint[], counts int[]
    )
), kept AS (
    INSERT INTO rollups (period_seconds, began_at, target, location, part, {COLUMNS})
    SELECT {MINUTE}, began_at, target, location, part, {COLUMNS}
    FROM given
    ON CONFLICT DO NOTHING
    RETURNING began_at
)
INSERT INTO rollup_work (period_seconds, began_at)
SELECT {HOUR}, date_trunc('hour', began_at, 'UTC') FROM kept
UNION SELECT {DAY}, date_trunc('day', began_at, 'UTC') FROM kept
ORDER BY 1, 2
ON CONFLICT (period_seconds, began_at) DO UPDATE SET began_at = EXCLUDED.began_at
"""  # noqa: S608  # no part of it comes from outside

# A day waits for its hours.
_READ_MARK = """
SELECT xmin::text
FROM rollup_work
WHERE period_seconds = $1 AND began_at = $2
      AND NOT EXISTS (SELECT FROM rollup_work WHERE period_seconds < $1 AND began_at >= $2 AND began_at < $3)
"""

# A mark that another transaction holds has got more minutes.
_TAKE_MARK_AWAY = """
DELETE FROM rollup_work
WHERE (period_seconds, began_at) IN (
    SELECT period_seconds, began_at
    FROM rollup_work
    WHERE period_seconds = $1 AND began_at = $2 AND xmin::text = $3
    FOR UPDATE SKIP LOCKED
)
"""


def merging(source: str, by: str) -> str:
    """Write the common table expressions that merge rollups; the last of them is `merged`.

    The results of three aggregations are combined by a fourth, not by joins: the planner has no estimate of such rows,
    and might join them in quadratic time.

    Args:
        source: a query for rollups, with the columns of `by` and COLUMNS.
        by: the columns to group by, separated by commas.
    """
    sums, mins, maxs = (
        f"ARRAY[{', '.join(f'{join}({column}[{place}])' for place in range(1, 7))}] AS {column}"
        for join, column in (("sum", "sums_ms"), ("min", "mins_ms"), ("max", "maxs_ms"))
    )
    # The buckets of whole checks come first, for readers that need no others.
    keys, counts = (
        " || ".join(
            f"coalesce(array_agg({name}) FILTER (WHERE {which}), '{{}}')" for which in ("key < 256", "key > 255")
        )
        for name in ("key", "count")
    )
    return f"""
source AS ({source}), merged_parts AS (
    SELECT {by}, NULL::jsonb AS results, {sums}, {mins}, {maxs}, NULL::smallint[] AS keys, NULL::int[] AS counts
    FROM source
    GROUP BY {by}
    UNION ALL
    SELECT {by}, jsonb_object_agg(word, number), NULL, NULL, NULL, NULL, NULL
    FROM (SELECT {by}, word, sum(number::bigint) AS number
          FROM source, jsonb_each_text(results) AS result (word, number) GROUP BY {by}, word) AS words
    GROUP BY {by}
    UNION ALL
    SELECT {by}, NULL, NULL, NULL, NULL, {keys}, {counts}
    FROM (SELECT {by}, key, sum(count)::int AS count
          FROM source, unnest(keys, counts) AS bucket (key, count) GROUP BY {by}, key) AS histograms
    GROUP BY {by}
), merged AS (
    SELECT {by}, jsonb_agg(results) FILTER (WHERE results IS NOT NULL) -> 0 AS results,
           max(sums_ms) AS sums_ms, max(mins_ms) AS mins_ms, max(maxs_ms) AS maxs_ms,
           coalesce(max(keys), '{{}}') AS keys, coalesce(max(counts), '{{}}') AS counts
    FROM merged_parts
    GROUP BY {by}
)"""  # noqa: S608  # no part of it comes from outside


def _merge_text(period: int, *, into_what_is_there: bool) -> str:
    columns = f"target, location, {COLUMNS}"
    finer = f"period_seconds = {FINER[period]} AND began_at >= $1 AND began_at < $2"
    texts = {
        "taken": f"DELETE FROM rollups WHERE {finer} RETURNING {columns}",  # noqa: S608
        "finer": f"SELECT {columns} FROM rollups WHERE {finer}",  # noqa: S608
        "there": f"SELECT {columns} FROM rollups WHERE period_seconds = {period} AND began_at = $1",  # noqa: S608
    }
    taken = f"taken AS ({texts['taken']})," if into_what_is_there else ""
    source = f"TABLE taken UNION ALL {texts['there']}" if into_what_is_there else texts["finer"]
    return f"""
WITH {taken} {merging(source, "target, location")}
INSERT INTO rollups (period_seconds, began_at, target, location, part, {COLUMNS}, packed)
SELECT {period}, $1, target, location, 0, {COLUMNS}, {PACKED} FROM merged
{_IN_PLACE}
"""  # noqa: S608  # no part of it comes from outside


# Rollups `taken` from the old name are merged with the new name's rollups of the same time.
_RENAME = f"""
WITH taken AS (
    DELETE FROM rollups WHERE target = $1 RETURNING period_seconds, began_at, location, part, {COLUMNS}
), {
    merging(
        f'''
SELECT * FROM taken
UNION ALL
SELECT period_seconds, began_at, location, part, {", ".join(f"rollups.{name}" for name in COLUMNS.split(", "))}
FROM rollups JOIN (SELECT period_seconds, began_at, location, part FROM taken) AS places
     USING (period_seconds, began_at, location, part)
WHERE target = $2
''',
        "period_seconds, began_at, location, part",
    )
}
INSERT INTO rollups (period_seconds, began_at, target, location, part, {COLUMNS}, packed)
SELECT period_seconds, began_at, $2, location, part, {COLUMNS}, {PACKED} FROM merged
{_IN_PLACE}
"""  # noqa: S608  # no part of it comes from outside


async def merge_rollups(
    connection: Connection, period: int, window: tuple[object, object], *, into_what_is_there: bool, timeout: float
) -> bool:
    """Merge the minutes or hours of one hour or day, and remove its mark if no more have come.

    This is an asyncio-flavoured function, for a transaction at READ COMMITTED that holds UPKEEP_LOCK.

    Args:
        connection: in a transaction.
        period: 3600 or 86400.
        window: the start and end of the hour or the day, with a time zone.
        into_what_is_there: whether finer rollups are missing: those that exist are added to the hour or day, and
            deleted. Otherwise the hour or day is computed again, which can be repeated.
        timeout: of the merging statement, in seconds.

    Returns:
        whether there was a mark for a time that has ended.
    """
    version = await connection.fetchval(_READ_MARK, period, *window)
    if version is None:
        return False
    await connection.execute(_merge_text(period, into_what_is_there=into_what_is_there), *window, timeout=timeout)
    await connection.execute(_TAKE_MARK_AWAY, period, window[0], version)
    return True


async def rename_rollups(connection: Connection, old: str, new: str, timeout: float = RENAME_SECONDS) -> None:
    """Rename the rollups of a target, and merge them where both names have some of the same time.

    This is an asyncio-flavoured function, for the caller's transaction at READ COMMITTED. It waits for a merge that is
    going on, and keeps others out until the transaction ends.

    Args:
        connection: in a transaction.
        old, new: names of targets; no rollup keeps the old one.
        timeout: of each statement, in seconds.
    """
    if old == new:
        return
    await connection.execute("SELECT pg_advisory_xact_lock($1)", UPKEEP_LOCK, timeout=timeout)
    await connection.execute(_RENAME, old, new, timeout=timeout)

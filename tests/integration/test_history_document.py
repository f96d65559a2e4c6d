"""The tables answer the queries of docs/history.md."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.doubles import an_outcome
from watcher.history.rollup import measurement_of, roll_up

if TYPE_CHECKING:
    from watcher.postgres.db import Database

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "history.md"
QUERIES = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
WHERE, UPTIME, FAILED, DAYS, PERCENTILE = range(5)

_FILL = """
INSERT INTO replicas VALUES ('default', gen_random_uuid(), now() - interval '2 days', now());
INSERT INTO states (target, location, state, since)
VALUES ('Checkout', 'default', 'up', now() - interval '2 hours');
INSERT INTO flips (id, target, location, at, confirmed_at, state, before) VALUES
    (gen_random_uuid(), 'Checkout', 'default', now() - interval '40 hours', now(), 'up', 'pending'),
    (gen_random_uuid(), 'Checkout', 'default', now() - interval '20 hours', now(), 'unknown', 'up'),
    (gen_random_uuid(), 'Checkout', 'default', now() - interval '12 hours', now(), 'down', 'unknown'),
    (gen_random_uuid(), 'Checkout', 'default', now() - interval '2 hours', now(), 'up', 'down');
"""
_ROLLUP = """
INSERT INTO rollups SELECT $1::int, $2::timestamptz, 'Checkout', 'default', 0, '{"up": 100}', $3, $4, $5, $6, $7
"""
HOURS_UP, HOURS_DOWN = 20 + 2, 10


async def _filled(database: Database) -> None:
    await database.operate(lambda connection: connection.execute(_FILL))
    outcomes = [an_outcome(duration_seconds=(place + 1) / 100) for place in range(100)]
    [rollup] = roll_up(map(measurement_of, outcomes)).values()
    arrays = (rollup.sums_ms, rollup.mins_ms, rollup.maxs_ms, list(rollup.histogram), list(rollup.histogram.values()))
    for period in (3600, 86_400):
        await database.fetch(_ROLLUP, period, datetime.now(UTC) - timedelta(hours=2), *arrays)


async def test_every_query_of_the_document_has_its_answer(test_db: Database) -> None:
    assert len(QUERIES) == 5
    await _filled(test_db)
    answers = [await test_db.fetch(query.strip().rstrip(";")) for query in QUERIES]
    assert [(row["target"], row["state"]) for row in answers[WHERE]] == [("Checkout", "up")]
    [uptime] = answers[UPTIME]
    assert float(uptime["uptime"]) == pytest.approx(100 * HOURS_UP / (HOURS_UP + HOURS_DOWN), abs=0.1)
    assert answers[FAILED] == []
    [day] = answers[DAYS]
    assert day["mean_ms"] == pytest.approx(505)
    [percentile] = answers[PERCENTILE]
    assert float(percentile["p95_ms"]) == pytest.approx(950, rel=0.05)

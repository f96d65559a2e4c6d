"""The year of history, and the figures of queries over it."""

from datetime import UTC, datetime, timedelta

from benchmarks.history import Extent, floor, partitions_between
from benchmarks.queries import Times, rows, shortened
from watcher.postgres.tables.partitions import HOURS, MINUTES

UNTIL = datetime(2026, 11, 24, 20, 5, 42, tzinfo=UTC)
PLAN = """\
Limit (actual rows=100.00 loops=1)
  Buffers: shared hit=42
  ->  Append (actual rows=100.00 loops=1)
        Buffers: shared hit=42
        ->  Index Scan using failures_2026_11_pkey on failures_2026_11 (actual rows=100.00 loops=1)
        ->  Index Scan using failures_2026_10_pkey on failures_2026_10 (never executed)
Planning Time: 1.432 ms
Execution Time: 0.093 ms"""


def test_whole_periods_end_before_now() -> None:
    extent = Extent(UNTIL, hour_days=2, minute_days=1)
    end = datetime(2026, 11, 24, 20, tzinfo=UTC)
    assert extent.window("hours") == (end - timedelta(days=2), end)
    assert extent.window("minutes")[1] == end + timedelta(minutes=5)
    assert extent.window("days")[1] == floor(UNTIL, 86_400) == datetime(2026, 11, 24, tzinfo=UTC)


def test_every_time_has_its_partition() -> None:
    months = partitions_between(HOURS, UNTIL - timedelta(days=60), UNTIL)
    assert [one.name for one in months] == [f"rollups_hours_2026_{month}" for month in ("09", "10", "11")]
    days = partitions_between(MINUTES, UNTIL - timedelta(days=1), UNTIL)
    assert [one.name[-2:] for one in days] == ["23", "24"]


def test_a_median_within_the_limit_is_one() -> None:
    found = [
        Times("fast", 1, 0.06, (0.04, 0.049, 0.09)),
        Times("slow", 1234, 0.06, (0.04, 0.051, 0.09)),
        Times("report", 1, 0.06, (2.0,), of_a_page=False),
    ]
    assert rows(found) == [
        ("fast", "1", "60.0 ms", "49.0 ms", "90.0 ms", "yes"),
        ("slow", "1,234", "60.0 ms", "51.0 ms", "90.0 ms", "no"),
        ("report", "1", "60.0 ms", "2000.0 ms", "2000.0 ms", "no, a report"),
    ]


def test_a_plan_is_cut_down_to_how_rows_are_found() -> None:
    assert shortened(PLAN).splitlines() == [
        "Limit (actual rows=100.00 loops=1)",
        "  Buffers: shared hit=42",
        "  ->  Append (actual rows=100.00 loops=1)",
        "        Buffers: shared hit=42",
        "        ->  Index Scan using failures_2026_11_pkey on failures_2026_11 (actual rows=100.00 loops=1)",
        "Execution Time: 0.093 ms",
    ]

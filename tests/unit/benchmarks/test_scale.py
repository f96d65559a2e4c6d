"""The shares that replicas report, the cost of a check over all of them, and the extent of a history."""

from datetime import UTC, datetime, timedelta

from benchmarks.history import Extent, partitions_between
from benchmarks.queries import Query, row, shortened
from benchmarks.scale import HEAD, Share, is_shared, newest_share
from benchmarks.scale import row as scale_row
from benchmarks.showing import Table
from benchmarks.workload import Kind, Workload
from watcher.postgres.queries.states_and_flips import present_states
from watcher.postgres.tables.partitions import HOURS

SAID = b"""2026-11-26T12:46:41.250Z info share epoch=3 replicas=2 targets=236 gained=236
2026-11-26T12:46:51.500Z info share epoch=4 replicas=1 targets=500 gained=264
2026-11-26T12:46:52.000Z info stopping signal=SIGTERM
"""
SHARES = [Share(1.0, 7, 2, 264), Share(2.0, 7, 2, 236)]
UNTIL = datetime(2026, 11, 24, 20, 5, 42, tzinfo=UTC)


def test_targets_are_shared_once_all_replicas_agree_and_have_all_of_them() -> None:
    ((at, *numbers),) = newest_share(SAID)
    assert (at % 60, numbers) == (51.5, [4, 1, 500])
    assert newest_share(b"") == []
    assert is_shared(SHARES, replicas=2, targets=500)
    assert not is_shared(SHARES[:1], replicas=2, targets=264)
    assert not is_shared(SHARES, replicas=2, targets=501)
    assert not is_shared([SHARES[0], SHARES[1]._replace(epoch=6)], replicas=2, targets=500)
    assert not is_shared([SHARES[0], SHARES[1]._replace(replicas=3)], replicas=2, targets=500)


def test_the_cost_of_a_check_is_the_total_time_by_the_total_checks() -> None:
    names = ("seconds", "checks", "cpu_seconds", "database_seconds", "rows", "commits", "connections")
    first = dict(zip(names, (10, 5, 1, 1, 1, 1, 9), strict=True))
    last = dict(zip(names, (20, 1005, 1.5, 1.02, 26, 51, 13), strict=True))
    cells = Table("", HEAD, [[*scale_row(Workload(Kind.HTTP, 500, 50), 2, first, last), 100.0]]).markdown()
    assert "| 500 | 2 | 100 | 500 µs | 0.2% of a core | 20 µs | 2.5 | 5.0 | 13 | 100 MiB |" in cells


def test_a_history_has_whole_periods_each_in_its_partition() -> None:
    extent = Extent(UNTIL, hour_days=2)
    end = datetime(2026, 11, 24, 20, tzinfo=UTC)
    assert extent.window("hours") == (end - timedelta(days=2), end)
    assert extent.window("minutes")[1] == end + timedelta(minutes=5)
    months = [arguments[1] for _, arguments in partitions_between(HOURS, UNTIL - timedelta(days=60), UNTIL)]
    assert months == [f"rollups_hours_2026_{month}" for month in ("09", "10", "11")]


def test_a_median_within_the_limit_is_fast() -> None:
    query = Query("states", present_states)
    assert row(query, 7, 0.06, [0.04, 0.09, 0.049]) == ("states", 7, 60.0, 49.0, 90.0, "yes")
    assert row(query, 7, 0.06, [0.04, 0.09, 0.051])[-1] == "no"
    assert row(query._replace(of_a_page=False), 7, 0.06, [2.0])[-1] == "no, a report"


def test_a_plan_is_cut_down_to_how_rows_are_found() -> None:
    plan = "Limit\n  ->  Append\n        ->  Index Scan (never executed)\nPlanning Time: 1.4 ms\nExecution Time: 0.1 ms"
    assert shortened(plan) == "Limit\n  ->  Append\nExecution Time: 0.1 ms"

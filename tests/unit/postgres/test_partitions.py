"""Which partitions must exist, and which are expired."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.postgres.tables.partitions import (
    FAILURES,
    HOURS,
    KEEP_FAILURES,
    MINUTES,
    TABLES,
    Table,
    kept_since,
    needed_partitions,
    outlived_partitions,
    parse_partition,
    partition_of,
)

NOW = datetime(2026, 11, 23, 15, 20, tzinfo=UTC)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


def needed_names(now: datetime, keep_failures: timedelta = KEEP_FAILURES) -> list[str]:
    return [partition.name for partition in needed_partitions(now, keep_failures)]


def outlived_names(names: list[str], keep_failures: timedelta = KEEP_FAILURES, now: datetime = NOW) -> list[str]:
    return [partition.name for partition in outlived_partitions(names, now, keep_failures)]


def test_partitions_are_there_before_they_are_needed() -> None:
    assert needed_names(NOW) == [
        "failures_2026_10",
        "failures_2026_11",
        "failures_2026_12",
        "failures_2027_01",
        "rollups_minutes_2026_11_23",
        "rollups_minutes_2026_11_24",
        "rollups_minutes_2026_11_25",
        "rollups_minutes_2026_11_26",
        "rollups_hours_2026_11",
        "rollups_hours_2026_12",
        "rollups_hours_2027_01",
    ]


def test_partitions_that_would_expire_at_once_are_not_needed() -> None:
    assert needed_names(NOW, timedelta(days=30))[0] == "failures_2026_10"
    assert needed_names(NOW, timedelta(days=22))[0] == "failures_2026_11"


def test_days_and_months_are_those_of_utc() -> None:
    evening = datetime(2026, 12, 31, 22, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert partition_of(FAILURES, evening).name == "failures_2027_01"
    assert partition_of(MINUTES, evening).name == "rollups_minutes_2027_01_01"


def test_a_partition_is_dropped_once_its_end_is_no_longer_kept() -> None:
    names = [f"failures_2025_{month:02}" for month in range(1, 13)]
    assert timedelta(days=400) == KEEP_FAILURES  # back to 2025-10-19
    assert outlived_names(names) == names[:9]
    assert outlived_names(names, timedelta(days=10)) == names
    days = [f"rollups_minutes_2026_11_{day}" for day in range(10, 24)]
    assert outlived_names(days) == days[:6]
    hours = ["rollups_hours_2025_09", "rollups_hours_2025_10"]
    assert outlived_names(hours, timedelta(days=1)) == hours[:1]


def test_a_partition_that_ends_exactly_at_the_limit_is_kept() -> None:
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    assert outlived_names(["rollups_minutes_2026_11_15"], now=midnight) == []
    assert outlived_names(["rollups_minutes_2026_11_15"], now=midnight + timedelta(microseconds=1)) != []


@pytest.mark.parametrize(
    "name",
    [
        "failures_default",
        "failures",
        "failures_2020_1",
        "failures_2020_13",
        "failures_2020_00",
        "failures_0000_01",
        "failures_2020_01_01",
        "failures_2020_01_old",
        "old_failures_2020_01",
        "failures_of_0001",
        "failures_2020_01\n",
        "failures_\u0662020_01",
        "FAILURES_2020_01",
        "rollups_minutes_2020_01",
        "rollups_minutes_2020_02_30",
        "rollups_hours_2020_01_01",
        "rollups_days_2020_01",
        "rollups_days",
        "orders_2020_01",
        "",
    ],
)
def test_foreign_tables_are_never_dropped(name: str) -> None:
    assert parse_partition(name) is None
    assert outlived_names([name]) == []


@given(st.sampled_from(TABLES), moments)
def test_each_moment_has_one_partition_and_each_name_is_read_back(table: Table, moment: datetime) -> None:
    partition = partition_of(table, moment)
    assert partition.begins_at <= moment < partition.ends_at
    assert parse_partition(partition.name) == partition
    assert partition_of(partition.table, partition.ends_at).begins_at == partition.ends_at


@given(moments, st.timedeltas(timedelta(hours=1), timedelta(days=1000)))
def test_needed_partitions_are_never_dropped(now: datetime, keep_failures: timedelta) -> None:
    assert outlived_names(needed_names(now, keep_failures), keep_failures, now) == []
    present = {partition_of(table, now).name for table in (FAILURES, MINUTES, HOURS)}
    assert present <= set(needed_names(now, keep_failures))


@given(st.sampled_from(TABLES), moments)
def test_default_partitions_keep_as_long_as_the_others(table: Table, now: datetime) -> None:
    keep = timedelta(days=9)
    oldest = kept_since(table, now, keep)
    assert oldest < now - keep <= partition_of(table, oldest).ends_at

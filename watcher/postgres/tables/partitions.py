"""Lists the partitions that must exist and those that are due to be dropped; pure, all in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KEEP_FAILURES = timedelta(days=400)
KEEP_MINUTES = timedelta(days=7)
KEEP_HOURS = timedelta(days=400)  # days are kept for ever

_DAY = timedelta(days=1)
_NAME = re.compile(r"([a-z_]+)_([0-9]{4})_([0-9]{2})(?:_([0-9]{2}))?")


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is partitioned by time.

    Attributes:
        name: the start of its partitions' names.
        time_column: the column that decides to which partition a row belongs.
        daily: whether a partition has a day instead of a month.
        before, ahead: how many partitions must exist besides the present one.
    """

    name: str
    time_column: str
    daily: bool = False
    before: int = 0
    ahead: int = 2


FAILURES = Table("failures", "scheduled_at", before=1)
MINUTES = Table("rollups_minutes", "began_at", daily=True, ahead=3)
HOURS = Table("rollups_hours", "began_at")
TABLES = (FAILURES, MINUTES, HOURS)


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: the rows of [begins_at, ends_at)."""

    table: Table
    begins_at: datetime

    @property
    def ends_at(self) -> datetime:
        """The start of the next one."""
        return _next(self.table, self.begins_at)

    @property
    def name(self) -> str:
        """The name, such as failures_2026_11 or rollups_minutes_2026_11_23."""
        return f"{self.table.name}_{self.begins_at:{'%Y_%m_%d' if self.table.daily else '%Y_%m'}}"


def keeping(keep_failures: timedelta) -> dict[Table, timedelta]:
    """Return how long the rows of each table are kept."""
    return {FAILURES: keep_failures, MINUTES: KEEP_MINUTES, HOURS: KEEP_HOURS}


def partition_of(table: Table, moment: datetime) -> Partition:
    """Return the partition to which a moment belongs."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Partition(table, day if table.daily else day.replace(day=1))


def has_had_its_time(partition: Partition, now: datetime, keep: timedelta) -> bool:
    """Return whether even the newest possible row of a partition is no longer kept."""
    return partition.ends_at < now - keep


def kept_since(table: Table, now: datetime, keep: timedelta) -> datetime:
    """Return the start of the oldest partition that is still kept."""
    return partition_of(table, now - keep - timedelta(microseconds=1)).begins_at


def needed_partitions(now: datetime, keep_failures: timedelta) -> list[Partition]:
    """List the partitions that must exist, except those that would be dropped at once."""
    keeps = keeping(keep_failures)
    return [
        partition
        for table in TABLES
        for partition in _around(table, now)
        if not has_had_its_time(partition, now, keeps[table])
    ]


def outlived_partitions(names: Iterable[str], now: datetime, keep_failures: timedelta) -> list[Partition]:
    """Return the partitions that are no longer kept, from the names of tables; other names are ignored.

    Args:
        names: of all tables that are partitions.
        now: with a time zone.
        keep_failures: how long failures are kept; other tables have times of their own.

    Returns:
        the partitions that end before the kept time starts, in the order of their names.
    """
    keeps = keeping(keep_failures)
    known = (parse_partition(name) for name in sorted(names))
    return [
        partition
        for partition in known
        if partition is not None and has_had_its_time(partition, now, keeps[partition.table])
    ]


def parse_partition(name: str) -> Partition | None:
    """Parse the name of a partition; None unless this module would give that name."""
    match = _NAME.fullmatch(name)
    table = next((table for table in TABLES if match and table.name == match[1]), None)
    if match is None or table is None or table.daily != (match[4] is not None):
        return None
    try:
        return Partition(table, datetime(int(match[2]), int(match[3]), int(match[4] or 1), tzinfo=UTC))
    except ValueError:
        return None  # no such day


def _around(table: Table, now: datetime) -> Iterator[Partition]:
    begins_at = partition_of(table, now).begins_at
    for _ in range(table.before):
        begins_at = partition_of(table, begins_at - _DAY).begins_at
    for _ in range(table.before + 1 + table.ahead):
        yield Partition(table, begins_at)
        begins_at = _next(table, begins_at)


def _next(table: Table, begins_at: datetime) -> datetime:
    if table.daily:
        return begins_at + _DAY
    return (begins_at + 31 * _DAY).replace(day=1)

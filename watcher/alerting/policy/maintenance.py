"""Finds the maintenance windows of each target. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

from watcher.alerting.policy.windows import is_open, next_change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.model.alerts.windows import Maintenance
    from watcher.model.target import Target

# Windows that follow without a gap are one maintenance; the end after more than this many is found later.
_MAX_IN_A_ROW = 100


class MaintenancePlan:
    """The windows of all targets; equal ones are stored once."""

    def __init__(self, for_all: Sequence[Maintenance]) -> None:
        """Create a plan without targets.

        Args:
            for_all: windows of the whole file, some restricted to a group or to names.
        """
        self.targets: dict[str, Target] = {}
        self.for_all = tuple(for_all)
        self._own: dict[Maintenance, list[str]] = {}
        self._members: dict[str, list[str]] = {}

    def add(self, target: Target) -> None:
        """Add a watched target."""
        self.targets[target.name] = target
        for window in target.alerts.maintenance:
            self._own.setdefault(window, []).append(target.name)
        if target.group is not None and self.for_all:
            self._members.setdefault(target.group, []).append(target.name)

    @property
    def windows(self) -> Sequence[Maintenance]:
        """All windows."""
        return list(dict.fromkeys(chain(self.for_all, self._own)))

    def names_of(self, window: Maintenance) -> Iterator[str]:
        """Yield the names of a window's targets; some more than once."""
        yield from self._own.get(window, ())
        if window not in self.for_all:
            return
        if window.targets is not None:
            yield from (name for name in window.targets if name in self.targets)
        elif window.group is not None:
            yield from self._members.get(window.group, ())
        else:
            yield from self.targets

    def covers(self, window: Maintenance, target: Target) -> bool:
        """Return whether a window covers a target."""
        return window in target.alerts.maintenance or (window in self.for_all and _covers(window, target))

    def end_of(self, target: Target, since: datetime, now: datetime) -> datetime | None:
        """Return when the last maintenance of a target ended.

        Args:
            target: in no maintenance now.
            since: when it started.
            now: a moment with a time zone.

        Returns:
            the moment; None if unknown, since the window is no longer configured.
        """
        windows = [*target.alerts.maintenance, *(one for one in self.for_all if _covers(one, target))]
        moment = since.astimezone(UTC)
        for _ in range(_MAX_IN_A_ROW):
            open_now = [one.window for one in windows if is_open(one.window, moment)]
            ends = [end for window in open_now if (end := next_change(window, moment)) is not None]
            if not ends or moment > now:
                break
            moment = max(ends)
        return moment if since < moment <= now else None


def _covers(window: Maintenance, target: Target) -> bool:
    if window.targets is not None:
        return target.name in window.targets
    return window.group is None or window.group == target.group

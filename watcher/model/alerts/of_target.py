"""What alerts need to know of a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.model.alerts.channel import Route
    from watcher.model.alerts.windows import Maintenance


@dataclass(frozen=True, slots=True)
class Dependency:
    """What a target depends on: another target, or a whole group, which is down when all of it is. One is None."""

    target: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class TargetAlerts:
    """How a target's incidents are told; targets that say the same share one.

    Attributes:
        routes: channels, with delays; None for all that are the default, empty for none.
        depends_on: while one of these is down, the target's own incidents are not told.
        maintenance: windows of its own; their `group` and `targets` are None.
        description: for people, as where the runbook is.
        labels: for machines: names and values.
    """

    routes: tuple[Route, ...] | None = None
    depends_on: tuple[Dependency, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    description: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


NOTHING_SAID = TargetAlerts()

"""The alerting options of a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.model.alerts.channel import Route
    from watcher.model.alerts.windows import Maintenance


@dataclass(frozen=True, slots=True)
class Dependency:
    """A parent of a target: another target, or a whole group, which is down when all of it is. One is None."""

    target: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class TargetAlerts:
    """The alerting options of a target; targets with equal ones share one object.

    Attributes:
        routes: channels, with delays; None for all default ones, empty for none.
        depends_on: parents: while one of them is down, the target's own incidents are held back.
        maintenance: the target's own windows; their `group` and `targets` are None.
        description: for people, such as the address of the runbook.
        labels: names and values for machines.
    """

    routes: tuple[Route, ...] | None = None
    depends_on: tuple[Dependency, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    description: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


NOTHING_SAID = TargetAlerts()

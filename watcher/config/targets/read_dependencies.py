"""Checks the dependencies of all targets: each must exist, and circles are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from watcher.config.alerts.dependencies import Dependencies, Names, nodes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.config.mistakes import Complain
    from watcher.model.alerts.of_target import Dependency, TargetAlerts
    from watcher.model.target import Target


def settled(
    targets: Sequence[Target],
    from_defaults: tuple[Dependency, ...],
    has_own: Callable[[int], bool],
    complain_of: Callable[[int], Complain],
) -> tuple[Target, ...]:
    """Check all dependencies, and remove those of the defaults where they do not apply.

    Args:
        targets: all targets, each with its own dependencies or those of the defaults.
        from_defaults: the dependencies of the defaults. They do not apply to the targets that they name, nor to the
            dependencies of these; otherwise every such default would be a circle.
        has_own: returns whether the entry of a target, by its index, has dependencies of its own.
        complain_of: returns the function that records mistakes in an entry, by the same index.

    Returns:
        the targets with their final dependencies.
    """
    if not any(target.alerts.depends_on for target in targets):
        return tuple(targets)
    dependencies, names = Dependencies(targets), Names(targets)
    exempt = dependencies.reached_from(from_defaults)
    free = {i for i, target in enumerate(targets) if target.name in exempt and not has_own(i)} if exempt else set()
    dependencies.drop(targets[index].name for index in free)
    without: dict[int, TargetAlerts] = {}
    settled_targets = list(targets)
    for index in free:
        alerts = targets[index].alerts
        if id(alerts) not in without:
            without[id(alerts)] = replace(alerts, depends_on=())
        settled_targets[index] = replace(targets[index], alerts=without[id(alerts)])
    _refuse_unknown(settled_targets, names, complain_of)
    _refuse_circles(settled_targets, dependencies, complain_of)
    return tuple(settled_targets)


def _refuse_unknown(targets: Sequence[Target], names: Names, complain_of: Callable[[int], Complain]) -> None:
    looked_at: dict[int, list[tuple[int, str, str]]] = {}  # by the shared dependencies
    for index, target in enumerate(targets):
        shared = target.alerts.depends_on
        if id(shared) not in looked_at:
            found = looked_at[id(shared)] = []
            for position, node in enumerate(nodes_of(shared)):
                complaint = names.complaint_about(node) if node.name else None  # an empty one was reported before
                if complaint is not None:
                    found.append((position, "group" if node.is_group else "target", complaint))
        for position, key, complaint in looked_at[id(shared)]:
            complain_of(index)(("depends_on", position, key), complaint)


def _refuse_circles(
    targets: Sequence[Target], dependencies: Dependencies, complain_of: Callable[[int], Complain]
) -> None:
    index_of = {target.name: index for index, target in enumerate(targets)}
    for circle in dependencies.circles():
        index = index_of[circle[0].name]
        position = nodes_of(targets[index].alerts.depends_on).index(circle[1])
        if len(circle) == 2:
            text = "is the target itself; remove it"
        elif len(circle) == 3 and circle[1].is_group:
            text = "is the target's own group; name another, or targets"
        else:
            text = f"forms a circle: {' -> '.join(map(str, circle))}; remove one of these dependencies"
        complain_of(index)(("depends_on", position), text)

"""What targets depend on, seen over all of them: that it is there, and goes round in no circle."""

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
    """Look at what each target depends on.

    Args:
        targets: all of them, each with its own dependencies or those of the defaults.
        from_defaults: what the defaults say: it does not hold for what is named there, nor for what that depends on,
            or nothing could be said there.
        has_own: says of a target, by its index, whether its entry says what it depends on.
        complain_of: what takes the mistakes in an entry, by the same index.

    Returns:
        the targets, as they are from now on.
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
    looked_at: dict[int, list[tuple[int, str, str]]] = {}  # by what targets share
    for index, target in enumerate(targets):
        shared = target.alerts.depends_on
        if id(shared) not in looked_at:
            found = looked_at[id(shared)] = []
            for position, node in enumerate(nodes_of(shared)):
                complaint = names.complaint_about(node) if node.name else None  # what says nothing has been told
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
            text = "is the group that the target itself is in; name another, or targets"
        else:
            text = f"goes round in a circle: {' -> '.join(map(str, circle))}; remove one of these dependencies"
        complain_of(index)(("depends_on", position), text)

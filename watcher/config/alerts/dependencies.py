"""The dependencies between targets and groups, and the circles among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from watcher.config.mistakes import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from watcher.model.alerts.of_target import Dependency
    from watcher.model.target import Target

# A search for similar names takes a second among 100,000 names.
MAX_HINTS = 20
MAX_NAMES_OF_HINTS = 10_000


class Node(NamedTuple):
    """A target or a group, by its name."""

    name: str
    is_group: bool = False

    def __str__(self) -> str:
        return f"the group {shown(self.name)}" if self.is_group else shown(self.name)


class Names:
    """The names of all targets and groups, with suggestions for a misspelt one."""

    def __init__(self, targets: Sequence[Target]) -> None:
        """Collect the names.

        Args:
            targets: all targets.
        """
        self._targets = frozenset(target.name for target in targets)
        self._groups = frozenset(target.group for target in targets if target.group is not None)
        self._hints_left = MAX_HINTS

    def complaint_about(self, node: Node) -> str | None:
        """Return a complaint about a target or group that does not exist; None if it exists."""
        known = self._groups if node.is_group else self._targets
        if node.name in known:
            return None
        text = f"no target is {'in the group' if node.is_group else 'called'} {shown(node.name)}"
        if self._hints_left <= 0 or len(known) > MAX_NAMES_OF_HINTS:
            return text
        self._hints_left -= 1
        return f"{text}{did_you_mean(node.name, known)}"


class Dependencies:
    """The graph of targets, groups and their dependencies."""

    def __init__(self, targets: Sequence[Target]) -> None:
        """Build the graph.

        Args:
            targets: all targets.
        """
        self._parents: dict[Node, Sequence[Node]] = {}
        members: dict[Node, list[Node]] = {}
        for target in targets:
            node = Node(target.name)
            self._parents[node] = nodes_of(target.alerts.depends_on)
            if target.group is not None:
                members.setdefault(Node(target.group, is_group=True), []).append(node)
        self._parents.update(members)

    def reached_from(self, dependencies: Iterable[Dependency]) -> frozenset[str]:
        """Return the names of all direct and indirect dependencies."""
        seen: set[Node] = set()
        left = list(nodes_of(dependencies))
        while left:
            node = left.pop()
            if node not in seen:
                seen.add(node)
                left += self._parents.get(node, ())
        return frozenset(node.name for node in seen if not node.is_group)

    def drop(self, names: Iterable[str]) -> None:
        """Remove the dependencies of some targets."""
        for name in names:
            self._parents[Node(name)] = ()

    def circles(self) -> Iterator[list[Node]]:
        """Yield at least one circle for each target that is in one; each starts and ends with the same target."""
        done: set[Node] = set()
        for start in self._parents:
            yield from _circles_from(start, self._parents, done)


def nodes_of(dependencies: Iterable[Dependency]) -> tuple[Node, ...]:
    """Return dependencies as nodes of the graph."""
    return tuple(
        Node(one.target) if one.target is not None else Node(one.group or "", is_group=True) for one in dependencies
    )


def _circles_from(start: Node, parents: Mapping[Node, Sequence[Node]], done: set[Node]) -> Iterator[list[Node]]:
    """Go up from a target, without recursion: a chain may be as long as the file."""
    if start in done:
        return
    path, on_path = [start], {start}
    waiting = [iter(parents.get(start, ()))]
    while waiting:
        node = next(waiting[-1], None)
        if node is None:
            waiting.pop()
            last = path.pop()
            on_path.remove(last)
            done.add(last)
        elif node in on_path:
            circle = path[path.index(node) :]
            first = next(index for index, one in enumerate(circle) if not one.is_group)
            yield [*circle[first:], *circle[: first + 1]]
        elif node not in done:
            path.append(node)
            on_path.add(node)
            waiting.append(iter(parents.get(node, ())))

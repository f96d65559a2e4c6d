"""Finds records that wait for parents; records with the same parents share one look."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from watcher.model.alerts.of_target import Dependency


class WaitingForParents:
    """Keys of records, by the parents that they wait for."""

    def __init__(self) -> None:
        """Create it without records."""
        self._children: dict[str, set[str]] = {}
        self._depends_on: dict[str, Sequence[Dependency]] = {}
        self._of_child: dict[str, str] = {}
        self._of_parent: dict[str, set[str]] = {}

    def add(self, key: str, depends_on: Sequence[Dependency]) -> tuple[str, bool]:
        """Add a waiting record.

        Args:
            key: of the record.
            depends_on: its parents.

        Returns:
            the name of its look, and whether no other record shares that look.
        """
        look = " ".join(map(_name, depends_on))
        self._of_child[key] = look
        is_first = look not in self._children
        if is_first:
            self._children[look] = set()
            self._depends_on[look] = depends_on
            for dependency in depends_on:
                self._of_parent.setdefault(_name(dependency), set()).add(look)
        self._children[look].add(key)
        return look, is_first

    def discard(self, key: str) -> None:
        """Remove a record."""
        look = self._of_child.pop(key, None)
        if look is None:
            return
        self._children[look].discard(key)
        if not self._children[look]:
            del self._children[look]
            for dependency in self._depends_on.pop(look):
                looks = self._of_parent[_name(dependency)]
                looks.discard(look)
                if not looks:
                    del self._of_parent[_name(dependency)]

    def depends_on(self, look: str) -> Sequence[Dependency]:
        """Return the parents of a look; nothing if no record waits for it any more."""
        return self._depends_on.get(look, ())

    def children(self, look: str) -> list[str]:
        """Return the keys of the records that share a look, in order."""
        return sorted(self._children.get(look, ()))

    def looks_at(self, target: str, group: str | None) -> Iterable[str]:
        """Return the looks with a target among their parents, by its name or its group."""
        if not self._of_parent:
            return ()
        return self._of_parent.get(f"t{target!r}", set()) | self._of_parent.get(f"g{group!r}", set())

    def count(self, target: str, group: str | None) -> int:
        """Return the number of records that wait for a target or its group."""
        return sum(len(self._children[look]) for look in self.looks_at(target, group))


def _name(dependency: Dependency) -> str:
    return f"g{dependency.group!r}" if dependency.target is None else f"t{dependency.target!r}"

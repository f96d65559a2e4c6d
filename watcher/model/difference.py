"""Compares two configurations: which targets are added, removed, changed or renamed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from watcher.model.target import Expectations, HeaderPattern, JsonExpectation, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FIELDS = tuple(one.name for one in fields(Target) if one.name != "expected")
_EXPECTED_FIELDS = tuple(one.name for one in fields(Expectations))
# The fields that identify a target and route its alerts; all others define what is checked, and how.
_NAMING_FIELDS = frozenset({"name", "group", "alerts"})


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between two configurations.

    Attributes:
        added: targets with new names, in the order of the configuration.
        removed: targets whose names have disappeared.
        changed: the new versions of targets that differ in more than their place in the file.
        targets: all present ones; unchanged targets are the same objects as before.
        renamed: new names of removed targets: a removed target is renamed if exactly one added target is checked in the
            same way.
    """

    added: tuple[Target, ...] = ()
    removed: tuple[Target, ...] = ()
    changed: tuple[Target, ...] = ()
    targets: tuple[Target, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def unchanged(self) -> int:
        """The number of unchanged targets."""
        return len(self.targets) - len(self.added) - len(self.changed)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has changed."""
        return not (self.added or self.removed or self.changed)


def difference(before: Iterable[Target], after: Iterable[Target]) -> Difference:
    """Compare the former targets with the new ones.

    Args:
        before, after: targets with unique names.
    """
    identities = _Identities()
    former = {target.name: target for target in before}
    added, changed, targets = [], [], []
    for target in after:
        old = former.pop(target.name, None)
        targets.append(target)
        if old is None:
            added.append(target)
        elif identities.of(old) == identities.of(target):
            targets[-1] = old
        else:
            changed.append(target)
    removed = tuple(former.values())
    renamed = _renamed(removed, added, identities)
    return Difference(tuple(added), removed, tuple(changed), tuple(targets), renamed)


def checked_alike(one: Target, other: Target) -> bool:
    """Whether two targets differ only in the places that watch them and the quorum of these."""
    if (one.locations, one.quorum) == (other.locations, other.quorum):
        return one is other  # another field differs
    identities = _Identities()
    return identities.of(replace(one, locations=other.locations, quorum=other.quorum)) == identities.of(other)


def _renamed(removed: Iterable[Target], added: Iterable[Target], identities: _Identities) -> Mapping[str, str]:
    if not removed or not added:
        return {}
    gone, come = [{target.name: identities.of_checks(target) for target in some} for some in (removed, added)]
    names = {identity: name for name, identity in come.items()}
    counts = [Counter(some.values()) for some in (gone, come)]
    return {name: names[one] for name, one in gone.items() if all(count[one] == 1 for count in counts)}


class _Identities:
    """The values by which targets are compared; `==` does not do.

    Compiled patterns are equal only if they are the same object; and in expected JSON values, 1 and True must differ.
    """

    def __init__(self) -> None:
        # By id, with the object itself, so that no other object gets the id: 100,000 targets share a few.
        self._of_expectations: dict[int, tuple[Expectations, tuple[Any, ...]]] = {}

    def of(self, target: Target) -> tuple[Any, ...]:
        return *(getattr(target, name) for name in _FIELDS), self._expected(target.expected)

    def of_checks(self, target: Target) -> tuple[Any, ...]:
        names = (name for name in _FIELDS if name not in _NAMING_FIELDS)
        return *(getattr(target, name) for name in names), self._expected(target.expected)

    def _expected(self, expected: Expectations) -> tuple[Any, ...]:
        known = self._of_expectations.get(id(expected))
        if known is None:
            identity = tuple(_comparable(getattr(expected, name)) for name in _EXPECTED_FIELDS)
            known = self._of_expectations[id(expected)] = (expected, identity)
        return known[1]


def _comparable(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_comparable, value))
    if isinstance(value, HeaderPattern):
        return value.header, value.pattern.pattern, value.allow_missing
    if isinstance(value, JsonExpectation):
        return value.path, repr(value.equals)
    return getattr(value, "pattern", value)

"""What a changed configuration changes: which targets come, go, or are others than they were."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from watcher.model.target import Expectations, HeaderPattern, JsonExpectation, Target

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIELDS = tuple(field.name for field in fields(Target) if field.name != "expected")
_EXPECTED_FIELDS = tuple(field.name for field in fields(Expectations))


@dataclass(frozen=True, slots=True)
class Difference:
    """What lies between two configurations.

    Attributes:
        added: targets whose names are new, in the order of the configuration.
        removed: targets whose names are gone.
        changed: targets of which more than the place in the file has changed, as they are now.
        targets: all that there are now; of those that are the same, the very objects of before.
    """

    added: tuple[Target, ...] = ()
    removed: tuple[Target, ...] = ()
    changed: tuple[Target, ...] = ()
    targets: tuple[Target, ...] = ()

    @property
    def unchanged(self) -> int:
        """How many are the same."""
        return len(self.targets) - len(self.added) - len(self.changed)

    @property
    def is_empty(self) -> bool:
        """Whether nothing comes, goes or changes."""
        return not (self.added or self.removed or self.changed)


def difference(before: Iterable[Target], after: Iterable[Target]) -> Difference:
    """Compare what was to be watched with what is.

    Args:
        before, after: targets with names of their own.
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
    return Difference(tuple(added), tuple(former.values()), tuple(changed), tuple(targets))


class _Identities:
    """What makes two targets the same; their own equality will not do.

    Compiled patterns are equal only where they are one object, and of expected values of JSON, 1 and True are not.
    """

    def __init__(self) -> None:
        # By id, with the object itself, so that no other gets the id meanwhile: 100,000 targets share a few.
        self._of_expectations: dict[int, tuple[Expectations, tuple[Any, ...]]] = {}

    def of(self, target: Target) -> tuple[Any, ...]:
        return *(getattr(target, name) for name in _FIELDS), self._expected(target.expected)

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

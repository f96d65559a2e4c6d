"""Names targets for viewers who may not see addresses: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from watcher.model.target import Target


def shown_names(
    targets: Collection[Target], *, sees_all: bool, public_groups: Collection[str] | None = None
) -> Iterator[tuple[Target, str]]:
    """Yield each visible target with its shown name.

    Args:
        targets: all watched targets, in order.
        sees_all: whether addresses may be shown; if not, a target whose name is its address is "Site 3", by its
            number among all.
        public_groups: the groups visible without `sees_all`; None for all.
    """
    taken: set[str] | None = None
    for number, target in enumerate(targets, 1):
        if sees_all:
            yield target, target.name
        elif public_groups is None or target.group in public_groups:
            if _is_address(target):
                taken = {one.name for one in targets} if taken is None else taken
                yield target, _free(f"Site {number}", taken)
            else:
                yield target, target.name


def _is_address(target: Target) -> bool:
    return target.name in {target.address, target.shown_address} or "://" in target.name


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no target has; a target may be named "Site 3"."""
    while name in taken:
        name += "'"
    return name

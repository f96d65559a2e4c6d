"""Caches the sites that a viewer may see; rebuilt only when the targets have changed. Trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from watcher.web.sites import Sites

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from watcher.model.target import Target


class Directory:
    """The sites of the public, and of viewers who see all."""

    def __init__(
        self, targets: Callable[[], Mapping[str, Target]], public_groups: Callable[[], Collection[str] | None]
    ) -> None:
        """Store what returns the targets and the public groups: different objects after each change."""
        self._targets = targets
        self._public_groups = public_groups
        self._made: dict[bool, tuple[Mapping[str, Target], Collection[str] | None, Sites]] = {}
        self._making = trio.Lock()

    def is_public(self, target: str) -> bool:
        """Return whether the public sees a target, by its name; true for a target that is gone."""
        groups, found = self._public_groups(), self._targets().get(target)
        return groups is None or found is None or found.group in groups

    async def sites(self, public: bool) -> Sites:
        """Return the sites that a viewer may see; built in a thread, since many targets take a while."""
        async with self._making:
            targets, groups = self._targets(), self._public_groups()
            made = self._made.get(public)
            if made is None or made[0] is not targets or made[1] is not groups:
                sites = await trio.to_thread.run_sync(lambda: Sites.of(targets.values(), public=public, groups=groups))
                made = targets, groups, sites
                self._made[public] = made
            return made[2]

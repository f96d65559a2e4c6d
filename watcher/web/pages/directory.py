"""What a viewer may see, made anew only when the targets have changed. It is trio-flavoured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from watcher.web.sites import Sites

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from watcher.model.target import Target


class Directory:
    """The sites of the public and of those who see all."""

    def __init__(self, targets: Callable[[], Mapping[str, Target]]) -> None:
        """Take what returns the targets: another object after each change of them."""
        self._targets = targets
        self._made: dict[bool, tuple[Mapping[str, Target], Sites]] = {}
        self._making = trio.Lock()

    async def sites(self, public: bool) -> Sites:
        """Return what a viewer may see; of many targets it takes a while, which is a thread's."""
        async with self._making:
            targets = self._targets()
            made = self._made.get(public)
            if made is None or made[0] is not targets:
                made = targets, await trio.to_thread.run_sync(lambda: Sites.of(targets.values(), public=public))
                self._made[public] = made
            return made[1]

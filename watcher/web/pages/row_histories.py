"""The past of the rows of an overview, kept for a minute: what it says of 90 days hardly changes meanwhile; pure.

To read it for a hundred rows leaves some thousands of objects, which the garbage collector must look through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from watcher.model.state import State
    from watcher.web.pages.glance import Row
    from watcher.web.pages.rows import Past

KEPT_SECONDS = 60.0
# The bound of those that are kept, the oldest go first: five pages of 100 rows, each row some 5 KB.
MAX_KEPT = 500


class RowHistories:
    """Keeps the past of rows for as long as nothing has happened to them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: dict[str, tuple[float, State, Past]] = {}  # with when each ends

    def known(self, rows: Iterable[Row], now: float) -> dict[str, Past]:
        """Return what is kept, by the targets' names: of those whose state has not changed, and not for too long.

        Args:
            rows: those of a page.
            now: in seconds.
        """
        found = {}
        for one in rows:
            ends_at, state, history = self._kept.get(one.site.target, (now, None, None))
            if history is not None and ends_at > now and state is one.state:
                found[one.site.target] = history
        return found

    def keep(self, read: Mapping[str, Past], rows: Iterable[Row], now: float) -> None:
        """Keep what was read.

        Args:
            read: by the targets' names.
            rows: those of a page.
            now: in seconds.
        """
        for one in rows:
            name = one.site.target
            if name in read:
                self._kept.pop(name, None)
                self._kept[name] = now + KEPT_SECONDS, one.state, read[name]
        while len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]

"""Keeps the cause of each trouble in the rows at `*` as the present views have it. Trio.

A flip has the cause of its moment. While the state stays, other places may come to see the site down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.model.state import TROUBLE
from watcher.postgres.queries.places import tell_causes

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from watcher.model.places import PlaceView
    from watcher.postgres.db import Database

# The most rows written in one transaction.
ROWS_AT_ONCE = 500


class Causes:
    """The causes of the combined states that are decided here. Bounded by the number of these targets."""

    def __init__(self, database: Database, replica: uuid.UUID) -> None:
        """Start without causes.

        Args:
            database: with the rows.
            replica: whose rows they are.
        """
        self._database = database
        self._replica = replica
        self._known: dict[str, PlaceView] = {}  # the newest view at `*` of each target in trouble
        self._untold: dict[str, PlaceView] = {}  # those whose rows have another cause

    def note(self, name: str, view: PlaceView | None, *, is_flip: bool = False) -> None:
        """Note the present combined state of a target.

        Args:
            name: of the target.
            view: the combined state, with its cause; None if it is unknown.
            is_flip: whether a flip brings this cause to the database.
        """
        if view is None or view.state not in TROUBLE or view.reason is None:
            self._known.pop(name, None)
            self._untold.pop(name, None)
            return
        known, self._known[name] = self._known.get(name), view
        if is_flip:
            self._untold.pop(name, None)
        elif known is None or (known.reason, known.detail) != (view.reason, view.detail):
            self._untold[name] = view

    async def tell(self, holds: Callable[[str], bool]) -> None:
        """Write the causes that have changed; again next time, where the flip to that state is not stored yet.

        Args:
            holds: whether a target is decided here.

        Raises:
            StorageError: they cannot be written.
        """
        for name in [name for name in self._known if not holds(name)] if self._untold else ():
            del self._known[name]
            self._untold.pop(name, None)
        some = dict(list(self._untold.items())[:ROWS_AT_ONCE])
        if some:
            for name in await tell_causes(self._database, self._replica, some):
                if self._untold.get(name) is some[name]:
                    del self._untold[name]

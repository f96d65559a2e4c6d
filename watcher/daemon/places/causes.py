"""Writes the present cause of each combined state in trouble to its row at `*`. Trio.

A flip has the cause of its moment. The cause may change while the state stays, as when another place finds the site
down.
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
    """Finds the causes that have changed, and writes them. Bounded by the number of targets that are decided here."""

    def __init__(self, database: Database, replica: uuid.UUID) -> None:
        """Start without causes.

        Args:
            database: with the rows.
            replica: whose rows they are.
        """
        self._database = database
        self._replica = replica
        self._known: dict[str, PlaceView] = {}  # the newest view at `*` of each target in trouble
        self._unwritten: dict[str, PlaceView] = {}  # those whose rows have another cause

    def note(self, name: str, view: PlaceView | None, *, is_flip: bool = False) -> None:
        """Note the present combined state of a target.

        Args:
            name: the name of the target.
            view: the combined state, with its cause; None if it is unknown.
            is_flip: whether a flip brings this cause to the database.
        """
        if view is None or view.state not in TROUBLE or view.reason is None:
            self._known.pop(name, None)
            self._unwritten.pop(name, None)
            return
        known, self._known[name] = self._known.get(name), view
        if is_flip:
            self._unwritten.pop(name, None)
        elif known is None or (known.reason, known.detail) != (view.reason, view.detail):
            self._unwritten[name] = view

    async def write(self, holds: Callable[[str], bool]) -> None:
        """Write the causes that have changed. If the flip to a state is not stored yet, its cause is written next time.

        Args:
            holds: whether a target is decided here.

        Raises:
            StorageError: they cannot be written.
        """
        for name in [name for name in self._known if not holds(name)] if self._unwritten else ():
            del self._known[name]
            self._unwritten.pop(name, None)
        some = dict(list(self._unwritten.items())[:ROWS_AT_ONCE])
        if some:
            for name in await tell_causes(self._database, self._replica, some):
                if self._unwritten.get(name) is some[name]:
                    del self._unwritten[name]

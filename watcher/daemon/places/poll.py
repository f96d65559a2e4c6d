"""Reads the views of all places from PostgreSQL, and finds which places are alive. Trio."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import trio

from watcher.model.places import COMBINED, PlaceView
from watcher.model.state import State
from watcher.postgres.errors import StorageError
from watcher.postgres.queries.places import ages_of_places, recent_views_of_places, views_of_places

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from watcher.postgres.db import Database
    from watcher.postgres.queries.places import Age
    from watcher.recording.place_views import PlaceViews

# A look for changes goes back this far, since a flip may have waited in an outbox after it was confirmed.
RECENT_SECONDS = 15.0
# After this many looks for changes comes a look at all targets. Flips that were stored too late for a look for changes
# are counted in the database, and lead to a look at all at once.
LOOKS_BETWEEN_ALL = 60
# The most rows that are taken before other tasks get a turn.
ROWS_A_TURN = 1000
# The most targets in one query: more could take longer than the limit of a query.
TARGETS_A_QUESTION = 2000
_UNWATCHED = PlaceView(COMBINED, State.UNKNOWN)


class Look(NamedTuple):
    """The result of one look.

    Attributes:
        now: the time, by the server's clock.
        changed: the names of the targets with a changed view.
        is_other: whether other places are alive than before, or the wait for places without a view is over.
        is_back: whether the look before failed, since the database was away.
        missing: the targets without a watched row at `*`; always empty after a look for changes.
    """

    now: datetime
    changed: set[str]
    is_other: bool = False
    is_back: bool = False
    missing: Collection[str] = ()


class Poll:
    """Fills the views of places from the database, one look at a time.

    Attributes:
        is_settled: whether all living places have stored their flips from while the database was away.
    """

    def __init__(
        self,
        database: Database,
        views: PlaceViews,
        grace_seconds: float,
        is_decided_here: Callable[[str], bool],
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        """Start without knowledge.

        Args:
            database: to read; not shared with beats, which a long query would delay.
            views: to fill.
            grace_seconds: how long a place counts as alive after the last beat of its replicas.
            is_decided_here: returns whether this replica decides the combined state of a target. It then knows that
                state earlier than the database does.
            clock: seconds.
        """
        self._database = database
        self._views = views
        self._grace_seconds = grace_seconds
        self._is_decided_here = is_decided_here
        self._clock = clock
        self._looks = 0
        self._is_away, self._looks_at_all = False, True
        self._late: int | None = None  # the number of late flips at the last look
        # When the database was back. The places alive before, `_kept`, have one grace from then on for a beat.
        self._back_at = -math.inf
        self._kept = frozenset[str]()
        self.is_settled = True

    def look_at_all(self) -> None:
        """Look at all targets next time, for example because others are configured."""
        self._looks_at_all = True

    async def look(self) -> Look:
        """Look once: for changes, or at all targets, now and then and after the database was away.

        Raises:
            StorageError: the database cannot be read.
        """
        targets, is_back = self._views.targets, self._is_away
        try:
            now, ages, late = await ages_of_places(self._database)
            are_all = self._looks_at_all or is_back or self._looks >= LOOKS_BETWEEN_ALL or late != self._late
            self._looks_at_all = False
            said = await self._read(list(targets) if are_all else None)
        except StorageError:
            self._is_away = True
            raise
        if is_back:
            self._is_away, self._back_at, self._kept = False, self._clock(), self._views.living
        self._looks, self._late = 0 if are_all else self._looks + 1, late
        is_other = self._views.live(self._living(ages))
        changed = await self._take(said)
        known = {name for name, view in said if view.location == COMBINED and view != _UNWATCHED}
        return Look(now, changed, is_other, is_back, targets.keys() - known if are_all else ())

    async def _read(self, names: Sequence[str] | None) -> list[tuple[str, PlaceView]]:
        """Read the views of some targets; with None, of those with a flip of the last seconds."""
        places = {COMBINED, *self._views.places}
        if names is None:
            return await recent_views_of_places(self._database, places, RECENT_SECONDS)
        said: list[tuple[str, PlaceView]] = []
        for first in range(0, len(names), TARGETS_A_QUESTION):
            said += await views_of_places(self._database, places, names[first : first + TARGETS_A_QUESTION])
        return said

    def _living(self, ages: Mapping[str, Age]) -> frozenset[str]:
        """Return the living places, and set `is_settled` by whether they have stored the backlog of their outboxes.

        The views of a place are as old as the last moment until which it has stored everything. So a place that beats
        without catching up counts as alive for two graces after that moment.
        """
        grace, since_back = self._grace_seconds, self._clock() - self._back_at
        living = frozenset(
            place
            for place, age in ages.items()
            if age.heard <= grace and (age.stored is None or age.stored <= 2 * grace)
        )
        if since_back > 2 * grace:
            self.is_settled = True
            return living
        heard = {place for place, age in ages.items() if age.heard < since_back}
        living |= self._kept if since_back <= grace else self._kept & heard
        stored = {place for place, age in ages.items() if age.stored is not None and age.stored < since_back}
        self.is_settled = living <= stored
        return living

    async def _take(self, said: Sequence[tuple[str, PlaceView]]) -> set[str]:
        changed = set[str]()
        for first in range(0, len(said), ROWS_A_TURN):
            changed |= self._views.take(
                (name, view)
                for name, view in said[first : first + ROWS_A_TURN]
                if view.location != COMBINED or not self._is_decided_here(name)
            )
            await trio.lowlevel.checkpoint()
        return changed

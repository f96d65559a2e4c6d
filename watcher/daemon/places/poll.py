"""Looks at what all places say, and at which of them live. Trio."""

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

# A look for what has changed goes back so far: what was confirmed then may have waited in an outbox.
RECENT_SECONDS = 15.0
# A place that has stored all after it could not for so long may have told of what such a look does not find.
LATE_SECONDS = 10.0
# After so many looks for what has changed, one at all of them finds what came later than that.
LOOKS_BETWEEN_ALL = 60
# So many rows are taken before others get a turn.
ROWS_A_TURN = 1000
# So many targets are asked for at once: more could take longer than any question may.
TARGETS_A_QUESTION = 2000
_UNWATCHED = PlaceView(COMBINED, State.UNKNOWN)


class Look(NamedTuple):
    """What one look has found.

    Attributes:
        now: the time, by the server's clock.
        changed: the names of targets of which a place says something else than before.
        is_other: whether other places live than before.
        is_back: whether the database could not be asked before.
        missing: of a look at all, the targets that have no row of all places; of others, none.
    """

    now: datetime
    changed: set[str]
    is_other: bool = False
    is_back: bool = False
    missing: Collection[str] = ()


class Poll:
    """Looks, whenever it is told to, what has changed of what the places say.

    Attributes:
        is_settled: whether all places that live have stored what they had found while the database was away.
    """

    def __init__(
        self,
        database: Database,
        views: PlaceViews,
        grace_seconds: float,
        is_decided_here: Callable[[str], bool],
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        """Begin with nothing known.

        Args:
            database: where places say it; what it takes may hold up nobody else.
            views: told of what is found.
            grace_seconds: for how long a place counts after any of its replicas was last heard of.
            is_decided_here: says of a target whether this replica decides for all places, and knows it before the rows.
            clock: seconds.
        """
        self._database = database
        self._views = views
        self._grace_seconds = grace_seconds
        self._is_decided_here = is_decided_here
        self._clock = clock
        self._looks = 0
        self._is_away, self._looks_at_all = False, True
        self._ages: Mapping[str, Age] = {}
        # When the database was back: who lived before has so long to be heard of again.
        self._back_at = -math.inf
        self._kept = frozenset[str]()
        self.is_settled = True

    def look_at_all(self) -> None:
        """Have the next look find all, as when others decide than before, or other targets are configured."""
        self._looks_at_all = True

    async def look(self) -> Look:
        """Look once: at what has changed; now and then, and after the database was away, at all.

        Raises:
            StorageError: it cannot be read.
        """
        targets, is_back = self._views.targets, self._is_away
        try:
            now, ages = await ages_of_places(self._database)
            are_all = self._looks_at_all or is_back or self._looks >= LOOKS_BETWEEN_ALL or self._has_caught_up(ages)
            self._looks_at_all = False
            said = await self._read(list(targets) if are_all else None)
        except StorageError:
            self._is_away = True
            raise
        if is_back:
            self._is_away, self._back_at, self._kept = False, self._clock(), self._views.living
        self._looks, self._ages = 0 if are_all else self._looks + 1, ages
        is_other = self._views.live(self._living(ages))
        changed = await self._take(said)
        known = {name for name, view in said if view.location == COMBINED and view != _UNWATCHED}
        return Look(now, changed, is_other, is_back, targets.keys() - known if are_all else ())

    async def _read(self, names: Sequence[str] | None) -> list[tuple[str, PlaceView]]:
        """Read what is said of some targets, or None for those of which it has changed lately."""
        places = {COMBINED, *self._views.places}
        if names is None:
            return await recent_views_of_places(self._database, places, RECENT_SECONDS)
        said: list[tuple[str, PlaceView]] = []
        for first in range(0, len(names), TARGETS_A_QUESTION):
            said += await views_of_places(self._database, places, names[first : first + TARGETS_A_QUESTION])
        return said

    def _has_caught_up(self, ages: Mapping[str, Age]) -> bool:
        """Whether a place has stored all that had waited in its outbox for long."""
        before = {place: age.stored for place, age in self._ages.items() if age.stored is not None}
        return any(
            age.stored is not None and (former := before.get(place, math.inf)) > LATE_SECONDS and age.stored < former
            for place, age in ages.items()
        )

    def _living(self, ages: Mapping[str, Age]) -> frozenset[str]:
        """Say which places count, and whether all of these have told what they found while the database was away.

        What a place says is as old as what it has stored: one that is heard of and stores nothing, as with much to make
        up for, counts no longer than two graces.
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

"""Keeps the newest view of each location of a target in memory, for the page, alerts and decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from watcher.model.places import COMBINED, PlaceView, combine
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from watcher.model.target import Target

# A location still without a view after so many looks is unknown: its file may be older.
LOOKS_WAITED = 60


class PlaceViews:
    """The newest view of each location, and of all combined, of the targets with `locations`. No call waits.

    Its bound is the number of these targets times one more than the number of their locations (for `*`).

    Attributes:
        changes: grows with every change; 0 until the first view comes.
        places: the locations of all these targets.
        living: the locations where a replica watches.
    """

    def __init__(self) -> None:
        """Start without targets."""
        self.changes = 0
        self.places: frozenset[str] = frozenset()
        self.living: frozenset[str] = frozenset()
        self._targets: Mapping[str, Target] = {}
        self._views: dict[str, dict[str, PlaceView]] = {}
        self._combined: dict[str, PlaceView] = {}
        self._looks = 0  # since the targets or the live locations changed

    @property
    def targets(self) -> Mapping[str, Target]:
        """The targets with `locations`, by name."""
        return self._targets

    def use(self, targets: Iterable[Target]) -> None:
        """Replace the configured targets; those without `locations` are left out."""
        self._targets, self._looks = {target.name: target for target in targets if target.locations}, 0
        self.places = frozenset().union(*{target.locations for target in self._targets.values()})
        if self._views:
            self._views = {name: views for name, views in self._views.items() if name in self._targets}
            self._combined = {}
            self.changes += 1

    def take(self, views: Iterable[tuple[str, PlaceView]]) -> set[str]:
        """Store new views.

        Args:
            views: pairs of a target's name and a view; the location `*` is the combined state. Other views stay as they
                are.

        Returns:
            the names of the targets with a changed view.
        """
        changed = set[str]()
        for name, view in views:
            known = self._views.get(name)
            if name not in self._targets or (known is not None and known.get(view.location) == view):
                continue
            self._views.setdefault(name, {})[view.location] = view
            changed.add(name)
        for name in changed:
            self._combined.pop(name, None)
        self.changes += bool(changed)
        return changed

    def live(self, places: Collection[str]) -> bool:
        """Store the locations where replicas watch, as of one look.

        Returns:
            whether the live locations changed, or the wait for locations without a view is over.
        """
        living = frozenset(places)
        self._looks = self._looks + 1 if living == self.living else 0
        if self._looks not in {0, LOOKS_WAITED}:
            return False
        self.living, self._combined = living, {}
        self.changes += bool(self._views)
        return True

    def views_of(self, target: str) -> tuple[PlaceView, ...]:
        """Return the view of each location of a target, in the order of `locations`; empty until the first one comes.

        A location without a view is pending for the first `LOOKS_WAITED` looks, and unknown after them.
        """
        newest, known = self._views.get(target), self._targets.get(target)
        if newest is None or known is None:
            return ()
        state_without_view = State.PENDING if self._looks < LOOKS_WAITED else State.UNKNOWN
        views = (newest.get(place) or PlaceView(place, state_without_view) for place in known.locations)
        return tuple(view if view.location in self.living else replace(view, is_alive=False) for view in views)

    def combined_of(self, target: str) -> PlaceView | None:
        """Return the combined state of a target, as a view at `*`; None until the first decision.

        The state is the one that was decided. The cause comes from the present views.
        """
        combined = self._combined.get(target)
        if combined is not None:
            return combined
        decided = self._views.get(target, {}).get(COMBINED)
        if decided is None or decided.since is None:
            return None
        views = self.views_of(target)
        if decided.state is State.UP and all(view.state is State.UP and view.is_alive for view in views):
            self._combined[target] = decided = replace(decided, reason=None, detail=None)
            return decided  # most targets: there is no cause to combine
        found = combine(views, self._targets[target].quorum)
        if found.state is decided.state:
            cause = found.cause
            reason = None if cause is None or found.state is State.UP else str(cause.reason)
            decided = replace(decided, reason=reason, detail=None if cause is None else cause.detail)
        self._combined[target] = decided
        return decided

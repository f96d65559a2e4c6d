"""Returns the state that the page shows of a target: with several locations, their combined state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from watcher.model.outcome import reason_named
from watcher.model.state import Standing, State
from watcher.recording.board import Latest
from watcher.recording.place_views import PlaceViews

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from watcher.model.places import PlaceView
    from watcher.recording.board import Board
    from watcher.web.sites import Site

# For a target that is not watched here, until the first view of a location.
_NOTHING_SAID = Standing(State.PENDING)
_NOBODY_THERE: dict[str, Any] = {"state": State.UNKNOWN, "since": None, "reason": None, "detail": None}


class Standings:
    """Reads the board, and the views of locations for targets with `locations`; never waits."""

    def __init__(self, board: Board, views: PlaceViews | None = None) -> None:
        """Create a view of a board.

        Args:
            board: has the newest checks of the targets that are checked here.
            views: the views of locations; None for none.
        """
        self.board = board
        self._views = PlaceViews() if views is None else views

    @property
    def changes(self) -> tuple[int, int]:
        """The numbers of changes on the board, and of the views of locations."""
        return self.board.changes, self._views.changes

    def changed_since(self, changes: tuple[int, int]) -> list[str] | None:
        """Return the names of targets whose state has changed; None if it may be any target.

        Args:
            changes: the value of `changes` at the last call.
        """
        on_board, of_places = changes
        return self.board.changed_since(on_board) if of_places == self._views.changes else None

    def latest_of(self, site: Site) -> Latest | None:
        """Return a site's state and newest check at this location; None if it is not watched."""
        latest = self.board.of(site.target)
        if not site.locations:
            return latest
        standing = self.standing_of(site)
        if standing is None:
            return None
        latest = latest or Latest(site.target, standing)
        said = self._views.combined_of(site.target)
        if said is None:
            return latest
        return replace(latest, standing=standing, reason=reason_named(said.reason), detail=said.detail or "")

    def standing_of(self, site: Site) -> Standing | None:
        """Return the standing of a site; None if it is not watched."""
        said = self._views.combined_of(site.target) if site.locations else None
        if said is not None:
            return Standing(said.state, said.since, said.state)
        here = self.board.standing_of(site.target)
        return _NOTHING_SAID if here is None and site.locations else here

    def places_of(self, site: Site) -> tuple[PlaceView, ...]:
        """Return the view of each location of a site, in order; empty if the locations do not decide together.

        A location without a living replica is unknown, whatever its last view.
        """
        views = self._views.views_of(site.target) if site.locations else ()
        return tuple(view if view.is_alive else replace(view, **_NOBODY_THERE) for view in views)

    def is_combined(self, site: Site) -> bool:
        """Return whether a site has a combined state of its locations, so that the flips of the location `*` count."""
        return bool(site.locations) and self._views.combined_of(site.target) is not None

    def combined_among(self, sites: Iterable[Site]) -> Collection[str]:
        """Return the names of the targets of those sites for which `is_combined` is true."""
        return {site.target for site in sites if self.is_combined(site)}

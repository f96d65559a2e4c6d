"""Where targets stand as the page tells it: one that several places watch stands as all of them say together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from watcher.model.outcome import Reason
from watcher.model.places import COMBINED
from watcher.model.state import Standing, State
from watcher.recording.board import Latest
from watcher.recording.place_views import PlaceViews

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from watcher.model.places import PlaceView
    from watcher.recording.board import Board
    from watcher.web.sites import Site

_REASONS = frozenset(Reason)
# One whose places nobody has been asked for yet, and that is not watched here.
_NOTHING_SAID = Standing(State.PENDING)


class Standings:
    """Reads the board, and for targets with `locations` what their places say; nothing about it waits."""

    def __init__(self, board: Board, views: PlaceViews | None = None) -> None:
        """Make one.

        Args:
            board: what is checked here.
            views: what the places say; None where there are none.
        """
        self.board = board
        self._views = PlaceViews() if views is None else views

    @property
    def changes(self) -> int:
        """How often anything has changed of where targets stand, or that there are."""
        return self.board.changes + self._views.changes

    def changed_since(self, changes: int) -> list[str] | None:
        """Return whose state has changed, by name; None where that may be any; see `Board.changed_since`."""
        return None if self._views.changes else self.board.changed_since(changes)

    def latest_of(self, site: Site) -> Latest | None:
        """Return what is known of a site; its measurements are those of this place. None where it is not watched."""
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
        reason = None if said.reason is None else Reason(said.reason) if said.reason in _REASONS else Reason.INTERNAL
        return replace(latest, standing=standing, reason=reason, detail=said.detail or "")

    def standing_of(self, site: Site) -> Standing | None:
        """Return where a site stands; None where it is not watched."""
        said = self._views.combined_of(site.target) if site.locations else None
        if said is not None:
            return Standing(said.state, said.since, said.state)
        here = self.board.standing_of(site.target)
        return _NOTHING_SAID if here is None and site.locations else here

    def places_of(self, site: Site) -> tuple[PlaceView, ...]:
        """Return what each place says of a site, in their order; empty where each decides for itself."""
        return self._views.views_of(site.target) if site.locations else ()

    def location_of(self, target: str, here: str) -> str:
        """Return at which location the flips of a target are that count.

        Args:
            target: its name.
            here: where this daemon stands.
        """
        return here if self._views.combined_of(target) is None else COMBINED

    def combined_among(self, targets: Iterable[str]) -> Collection[str]:
        """Return those targets that stand as all of their places say together, by their names."""
        if not self._views.changes:
            return ()
        return {target for target in targets if self._views.combined_of(target) is not None}

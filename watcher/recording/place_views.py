"""What places say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.model.places import PlaceView


class PlaceViews:
    """A stand-in until the real one is there."""

    def __init__(self) -> None:
        """Begin with none."""
        self.changes = 0
        self._views: dict[str, tuple[PlaceView, ...]] = {}
        self._combined: dict[str, PlaceView] = {}

    def views_of(self, target: str) -> tuple[PlaceView, ...]:
        """Return them."""
        return self._views.get(target, ())

    def combined_of(self, target: str) -> PlaceView | None:
        """Return it."""
        return self._combined.get(target)

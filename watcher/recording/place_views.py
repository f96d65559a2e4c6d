"""What places say of targets that several of them watch, in memory: for the page, for alerts, and for who decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from watcher.model.places import COMBINED, PlaceView
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class PlaceViews:
    """The newest view of each place, and what all places say together; at most one a target and place.

    Attributes:
        changes: grows with every change.
        living: the locations where a replica watches.
    """

    def __init__(self) -> None:
        """Begin with no targets."""
        self.changes = 0
        self.living: frozenset[str] = frozenset()
        self._locations: Mapping[str, tuple[str, ...]] = {}
        self._known: dict[str, dict[str, PlaceView]] = {}
        self._news: set[str] = set()

    def use(self, locations: Mapping[str, tuple[str, ...]]) -> None:
        """Take which targets several places watch.

        Args:
            locations: the places of each, by its name.
        """
        self._locations = locations
        self._known = {name: views for name, views in self._known.items() if name in locations}
        self._news &= locations.keys()
        self.changes += 1

    def views_of(self, target: str) -> tuple[PlaceView, ...]:
        """Return what each place says of a target, in the order of the file; empty where one alone watches it."""
        known = self._known.get(target, {})
        return tuple(
            replace(known.get(location) or PlaceView(location, State.PENDING), is_alive=location in self.living)
            for location in self._locations.get(target, ())
        )

    def combined_of(self, target: str) -> PlaceView | None:
        """Return what all places say of a target together; None where nobody knows."""
        return self._known.get(target, {}).get(COMBINED)

    def take(self, target: str, combined: PlaceView) -> None:
        """Take what was decided of a target, before the database has it."""
        if target in self._locations:
            self._known.setdefault(target, {})[COMBINED] = combined
            self.changes += 1

    def take_all(self, seen: Iterable[tuple[str, PlaceView]], living: frozenset[str], *, are_all: bool) -> None:
        """Take what the database says.

        Args:
            seen: names of targets, each with a view; targets that one place alone watches are left out.
            living: the locations where a replica watches.
            are_all: whether there is no other view than these.
        """
        wanted = [(name, view) for name, view in seen if name in self._locations]
        before, is_news = self._known, living != self.living
        if are_all:
            self._known = {}
        for name, view in wanted:
            former = before.get(name, {}).get(view.location)
            if former != view:
                is_news = True
                self._news.add(name)
            self._known.setdefault(name, {})[view.location] = view
        if is_news or (are_all and _count(before) != _count(self._known)):
            self.changes += 1
        self.living = living

    def take_news(self) -> set[str]:
        """Return the names of targets of which a place says something else since this was asked last."""
        news, self._news = self._news, set()
        return news


def _count(known: Mapping[str, Mapping[str, PlaceView]]) -> int:
    return sum(map(len, known.values()))

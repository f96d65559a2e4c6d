"""What places say of targets that several of them watch, in memory: for the page, for alerts, and for who decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from watcher.model.places import COMBINED, PlaceView
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# What a place has not told after so many looks, it does not know.
LOOKS_WAITED = 60


class PlaceViews:
    """The newest view of each place, and what all places say together; at most one a target and place.

    Attributes:
        changes: grows with every change; 0 for as long as no target is watched by several places.
        living: the locations where a replica watches.
    """

    def __init__(self) -> None:
        """Begin with no targets."""
        self.changes = 0
        self.living: frozenset[str] = frozenset()
        self._locations: Mapping[str, tuple[str, ...]] = {}
        self._known: dict[str, dict[str, PlaceView]] = {}
        self._news: set[str] = set()
        self._looks = 0  # since other targets are watched, or other places live

    def use(self, locations: Mapping[str, tuple[str, ...]]) -> None:
        """Take which targets several places watch.

        Args:
            locations: the places of each, by its name.
        """
        self.changes += bool(locations or self._locations)
        self._locations, self._looks = locations, 0
        self._known = {name: views for name, views in self._known.items() if name in locations}
        self._news &= locations.keys()

    def views_of(self, target: str) -> tuple[PlaceView, ...]:
        """Return what each place says of a target, in the order of the file; empty where one alone watches it.

        A place that says nothing of it is waited for at first. Later it is one that cannot tell, as with an older file.
        """
        known, unsaid = self._known.get(target, {}), State.PENDING if self._looks < LOOKS_WAITED else State.UNKNOWN
        return tuple(
            replace(known.get(location) or PlaceView(location, unsaid), is_alive=location in self.living)
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
        self._looks = 0 if living != self.living else self._looks + 1
        self.living = living

    def take_news(self) -> set[str]:
        """Return the names of targets of which a place says something else since this was asked last."""
        news, self._news = self._news, set()
        return news


def _count(known: Mapping[str, Mapping[str, PlaceView]]) -> int:
    return sum(map(len, known.values()))

"""What several places say of the targets that they watch together, in memory, for whoever wants to know at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from watcher.model.places import COMBINED, PlaceView, combine
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from watcher.model.target import Target

# What a place has not told after so many looks, it does not know.
LOOKS_WAITED = 60


class PlaceViews:
    """The newest of each place; it is read in the loop, and nothing about it waits.

    Its bound is the number of targets that have `locations`, times that of their places.

    Attributes:
        changes: how often anything of it has changed; 0 as long as no place has said anything.
        places: of all these targets.
        living: the places where a replica watches.
    """

    def __init__(self) -> None:
        """Begin with no targets."""
        self.changes = 0
        self.places: frozenset[str] = frozenset()
        self.living: frozenset[str] = frozenset()
        self._targets: Mapping[str, Target] = {}
        self._said: dict[str, dict[str, PlaceView]] = {}
        self._combined: dict[str, PlaceView] = {}
        self._looks = 0  # since other targets are watched, or other places live

    @property
    def targets(self) -> Mapping[str, Target]:
        """Those that several places watch, by name."""
        return self._targets

    def use(self, targets: Iterable[Target]) -> None:
        """Take what is configured; of targets without `locations`, nothing is kept."""
        self._targets, self._looks = {target.name: target for target in targets if target.locations}, 0
        self.places = frozenset().union(*{target.locations for target in self._targets.values()})
        if self._said:
            self._said = {name: said for name, said in self._said.items() if name in self._targets}
            self._combined = {}
            self.changes += 1

    def take(self, said: Iterable[tuple[str, PlaceView]]) -> set[str]:
        """Take what places say now, and what they say together: those at the location `*`.

        Args:
            said: names of targets, with what one place says; of what is not among them, the former view stays.

        Returns:
            the names of the targets of which anything has changed.
        """
        changed = set[str]()
        for name, view in said:
            known = self._said.get(name)
            if name not in self._targets or (known is not None and known.get(view.location) == view):
                continue
            self._said.setdefault(name, {})[view.location] = view
            changed.add(name)
        for name in changed:
            self._combined.pop(name, None)
        self.changes += bool(changed)
        return changed

    def live(self, places: Collection[str]) -> bool:
        """Take where replicas watch at this look; return whether that has changed, or who is waited for."""
        living = frozenset(places)
        self._looks = self._looks + 1 if living == self.living else 0
        if self._looks not in {0, LOOKS_WAITED}:
            return False
        self.living, self._combined = living, {}
        self.changes += bool(self._said)
        return True

    def views_of(self, target: str) -> tuple[PlaceView, ...]:
        """Return what each place says of a target, in the order of its `locations`; empty where nobody knows yet.

        A place that has said nothing is waited for at first. Later it is one that cannot tell, as with an older file.
        """
        said, known = self._said.get(target), self._targets.get(target)
        if said is None or known is None:
            return ()
        unsaid = State.PENDING if self._looks < LOOKS_WAITED else State.UNKNOWN
        views = (said.get(place) or PlaceView(place, unsaid) for place in known.locations)
        return tuple(view if view.location in self.living else replace(view, is_alive=False) for view in views)

    def combined_of(self, target: str) -> PlaceView | None:
        """Return what all places say together of a target; None where nobody has said yet what that is.

        The state is the one that was decided on. Why it is so is told by what the places say now.
        """
        combined = self._combined.get(target)
        if combined is not None:
            return combined
        decided = self._said.get(target, {}).get(COMBINED)
        if decided is None or decided.since is None:
            return None
        views = self.views_of(target)
        if decided.state is State.UP and all(view.state is State.UP and view.is_alive for view in views):
            self._combined[target] = decided = replace(decided, reason=None, detail=None)
            return decided  # as most are: nothing is to be said
        found = combine(views, self._targets[target].quorum)
        if found.state is decided.state:
            cause = found.cause
            reason = None if cause is None or found.state is State.UP else str(cause.reason)
            decided = replace(decided, reason=reason, detail=None if cause is None else cause.detail)
        self._combined[target] = decided
        return decided

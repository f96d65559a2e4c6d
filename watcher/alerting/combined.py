"""Gives alerts the combined state of targets that several places watch. Trio."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn, Protocol

import trio

from watcher.model.places import combine
from watcher.model.returns import Returns
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from watcher.model.places import PlaceView
    from watcher.model.target import Target

LOOK_SECONDS = 0.5
# The longest time from a place's confirmation of a flip until all replicas have read it.
TELLING_SECONDS = 3.0
# Targets looked at before other tasks get a turn.
TARGETS_A_TURN = 2000


class Seen(Protocol):
    """The views of places; see `watcher.recording.place_views.PlaceViews`."""

    @property
    def changes(self) -> int:
        """Grows with every change."""

    def views_of(self, target: str) -> tuple[PlaceView, ...]:
        """Return the view of each place of a target; empty where one place alone watches it."""

    def combined_of(self, target: str) -> PlaceView | None:
        """Return the combined state of a target; None until the first decision."""


class _NothingSeen:
    """No views: no target is watched by several places."""

    changes = 0

    def views_of(self, _target: str) -> tuple[PlaceView, ...]:
        return ()

    def combined_of(self, _target: str) -> PlaceView | None:
        return None


NOTHING_SEEN: Seen = _NothingSeen()


class CombinedPresent:
    """The combined states of targets that several places watch, and when each target last recovered."""

    def __init__(self, seen: Seen, heard: Callable[[], None]) -> None:
        """Create one without targets.

        Args:
            seen: the views of places.
            heard: called when a combined state has changed.
        """
        self._seen = seen
        self._heard = heard
        self._targets: Mapping[str, Target] = {}
        self._states: dict[str, State] = {}
        self._returns = Returns()
        self._changes = -1
        self._has_targets = trio.Event()

    def use(self, targets: Mapping[str, Target]) -> None:
        """Replace the targets that several places watch, by name."""
        self._returns.drop(self._targets.keys() - targets.keys())
        self._targets = targets
        if targets:
            self._has_targets.set()
        elif self._has_targets.is_set():
            self._has_targets = trio.Event()
        self._states = {name: state for name, state in self._states.items() if name in targets}
        self._changes = -1

    def has(self, target: str) -> bool:
        """Say whether several places watch a target."""
        return target in self._targets

    def state_of(self, target: str) -> State | None:
        """Return the combined state of a target; None until the first decision."""
        combined = self._seen.combined_of(target)
        return None if combined is None else combined.state

    def since(self, target: str) -> datetime | None:
        """Return when a target entered its combined state; None until the first decision."""
        combined = self._seen.combined_of(target)
        return None if combined is None else combined.since

    def checked_at(self, target: str, now: datetime) -> datetime:
        """Return the latest moment up to which every place has confirmed and reported its checks."""
        one = self._targets[target]
        interval = one.recheck_interval_seconds or one.interval_seconds
        return now - timedelta(seconds=one.thresholds.failure * interval + one.timeout_seconds + TELLING_SECONDS)

    def is_in_doubt(self, target: str) -> bool:
        """Whether the combined state may be about to change: the views give another state, or a place sees it down."""
        combined, views = self._seen.combined_of(target), self._seen.views_of(target)
        if combined is None or not views:
            return False
        is_one_down = any(view.is_alive and view.state is State.DOWN for view in views)
        return combine(views, self._targets[target].quorum).state is not combined.state or (
            is_one_down and combined.state not in {State.DOWN, State.DEGRADED}
        )

    def back_at(self, target: str) -> datetime | None:
        """Return when a target was last found neither down nor in maintenance after being so."""
        return self._returns.of(target)

    async def run(self) -> NoReturn:
        """Look for changed combined states until cancelled."""
        while True:
            await self._has_targets.wait()
            if self._seen.changes != self._changes:
                await self.look()
            await trio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Record changed combined states, and call `heard` once if there are any."""
        self._changes, targets, is_news = self._seen.changes, self._targets, False
        for number, name in enumerate(targets, 1):
            combined = self._seen.combined_of(name)
            if combined is not None and combined.state is not self._states.get(name):
                is_news, self._states[name] = True, combined.state
                if combined.since is not None:
                    self._returns.take(name, combined.state, combined.since)
            if number % TARGETS_A_TURN == 0:
                await trio.lowlevel.checkpoint()
                if targets is not self._targets:
                    return
        if is_news:
            self._heard()

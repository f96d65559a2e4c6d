"""Where targets stand that several places watch, as alerts need to know it: as all places say together. Trio."""

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
# How long it takes until all know what a place has confirmed.
TELLING_SECONDS = 3.0
# So many targets are looked at before others get a turn.
TARGETS_A_TURN = 2000


class Seen(Protocol):
    """What places say; see `watcher.recording.place_views.PlaceViews`."""

    @property
    def changes(self) -> int:
        """Grows with every change."""

    def views_of(self, target: str) -> tuple[PlaceView, ...]:
        """Return what each place says of a target; nothing where one place alone watches it."""

    def combined_of(self, target: str) -> PlaceView | None:
        """Return what all of them say together; None where nobody knows."""


class _NothingSeen:
    """What there is to see where no target is watched by several places."""

    changes = 0

    def views_of(self, _target: str) -> tuple[PlaceView, ...]:
        return ()

    def combined_of(self, _target: str) -> PlaceView | None:
        return None


NOTHING_SEEN: Seen = _NothingSeen()


class CombinedPresent:
    """Where targets stand that several places watch, and when they were back."""

    def __init__(self, seen: Seen, heard: Callable[[], None]) -> None:
        """Begin with no targets.

        Args:
            seen: what places say.
            heard: called when one of the targets stands otherwise than before.
        """
        self._seen = seen
        self._heard = heard
        self._targets: Mapping[str, Target] = {}
        self._states: dict[str, State] = {}
        self._returns = Returns()
        self._changes = -1

    def use(self, targets: Mapping[str, Target]) -> None:
        """Take those that several places watch, by name."""
        self._returns.drop(self._targets.keys() - targets.keys())
        self._targets = targets
        self._states = {name: state for name, state in self._states.items() if name in targets}
        self._changes = -1

    def has(self, target: str) -> bool:
        """Say whether several places watch a target."""
        return target in self._targets

    def state_of(self, target: str) -> State | None:
        """Return what all places say; None where nobody knows."""
        combined = self._seen.combined_of(target)
        return None if combined is None else combined.state

    def since(self, target: str) -> datetime | None:
        """Return since when all places say so; None where nobody knows."""
        combined = self._seen.combined_of(target)
        return None if combined is None else combined.since

    def checked_at(self, target: str, now: datetime) -> datetime:
        """Return since when nobody has to know of a check: what began before has been confirmed at each place."""
        one = self._targets[target]
        interval = one.recheck_interval_seconds or one.interval_seconds
        return now - timedelta(seconds=one.thresholds.failure * interval + one.timeout_seconds + TELLING_SECONDS)

    def is_in_doubt(self, target: str) -> bool:
        """Whether the places say something else by now, or one of them does that may be the first."""
        combined, views = self._seen.combined_of(target), self._seen.views_of(target)
        if combined is None or not views:
            return False
        is_one_down = any(view.is_alive and view.state is State.DOWN for view in views)
        return combine(views, self._targets[target].quorum).state is not combined.state or (
            is_one_down and combined.state not in {State.DOWN, State.DEGRADED}
        )

    def back_at(self, target: str) -> datetime | None:
        """Return when a target was last found to be neither down nor in maintenance after it had been."""
        return self._returns.of(target)

    async def run(self) -> NoReturn:
        """Look for changes until cancelled."""
        while True:
            if self._seen.changes != self._changes:
                await self.look()
            await trio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look for what stands otherwise than before."""
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

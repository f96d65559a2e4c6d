"""Decides for this place alone while PostgreSQL is away, and hands back to all places after it. Trio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from watcher.daemon.places.decisions import Decision, decide_alone
from watcher.model.clock_trust import wall_seconds
from watcher.model.places import PlaceView
from watcher.model.state import NEVER_CHECKED, TROUBLE, Standing, State
from watcher.outbox.places.combined import end_alone, open_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from watcher.daemon.places.ownership import OwnedTargets
    from watcher.model.target import Target
    from watcher.outbox.thread import OutboxThread
    from watcher.recording.board import Board
    from watcher.recording.place_views import PlaceViews

log = structlog.get_logger()


class Alone:
    """Decides the combined state of the targets that are watched here, by the checks of this place alone."""

    def __init__(
        self,
        disk: OutboxThread,
        location: str,
        board: Board,
        views: PlaceViews,
        owned: OwnedTargets,
        written: Callable[[], None],
    ) -> None:
        """Start without decisions.

        Args:
            disk: the outbox.
            location: of this place.
            board: has the standing of each target that is watched here.
            views: the last views of all places.
            owned: the targets for which this replica decides at all times.
            written: called when the outbox has a new entry.
        """
        self._disk = disk
        self._location = location
        self._board = board
        self._views = views
        self._owned = owned
        self._written = written
        # The state here at the last decision. Not empty while this place decides alone.
        self._seen: dict[str, State] = {}
        self._standings: dict[str, Standing] = {}  # decided here, of targets for which another replica decides

    async def decide(self, targets: Mapping[str, Target], now: datetime) -> None:
        """Decide for the targets whose state here has changed since the last decision.

        Args:
            targets: those that several places watch, by name.
            now: the time.

        Raises:
            OutboxUnavailableError: the decisions are not written.
        """
        own, others = dict[str, Decision](), dict[str, Decision]()
        seen = dict[str, State]()
        for name, target in targets.items():
            standing = self._board.standing_of(name)
            if standing is None or self._board.is_elsewhere(name) or self._seen.get(name) is standing.state:
                continue
            seen[name] = standing.state
            found = decide_alone(target, self._before(name), self._view_of(name, standing), now)
            if found is not None:
                (own if name in self._owned.standings else others)[name] = found
        if seen and not self._seen:
            log.warning("PostgreSQL does not answer: this place decides the combined states alone")
        if own:
            await self._owned.record(own)
        if others:
            flips = [one.flip for one in others.values()]
            await self._disk.run(partial(open_alone, flips=flips, now=wall_seconds()))
            self._standings |= {name: one.standing for name, one in others.items()}
            self._written()
        for name, one in {**own, **others}.items():
            self._views.take([(name, one.view)])
        self._seen |= seen

    async def end(self) -> None:
        """Forget what was decided alone, once the views of all places are known again.

        Raises:
            OutboxUnavailableError: the ends of incidents are not written.
        """
        if self._standings:
            end = partial(end_alone, targets=list(self._standings), is_over=self._is_over, now=wall_seconds())
            await self._disk.run(end)
            self._written()
        if self._seen:
            log.info("PostgreSQL answers: all places decide together again")
        self._seen, self._standings = {}, {}

    def _is_over(self, name: str) -> bool:
        combined = self._views.combined_of(name)
        return combined is None or combined.state not in TROUBLE

    def _before(self, name: str) -> Standing:
        known = self._owned.standings.get(name) or self._standings.get(name)
        if known is not None:
            return known
        combined = self._views.combined_of(name)
        return NEVER_CHECKED if combined is None else Standing(combined.state, combined.since, combined.state)

    def _view_of(self, name: str, standing: Standing) -> PlaceView:
        latest = self._board.of(name)
        reason = None if latest is None or latest.reason is None else str(latest.reason)
        detail = None if latest is None or not latest.detail else latest.detail
        return PlaceView(self._location, standing.state, standing.since, reason, detail)

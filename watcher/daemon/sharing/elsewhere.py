"""Reads the states of targets that other replicas watch from the database once a second, for alerts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, Protocol

import trio

from watcher.model.state import State
from watcher.postgres.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from watcher.postgres.queries.channels import OtherNow

ASK_SECONDS = 1.0


class Told(Protocol):
    """Reads states; see `watcher.postgres.queries.channels`."""

    async def others(self) -> tuple[Mapping[str, OtherNow], datetime | None]:
        """Return the targets of others that are not up, and until when the others are known to be up."""

    async def at_other_places(self) -> Mapping[tuple[str, str], State]:
        """Return the states of targets at other locations that are not up, by location and target."""


class Elsewhere:
    """The recent states of other replicas' targets; empty while there are no other replicas.

    Attributes:
        asks_places: whether the replicas of other locations are among the others.
    """

    def __init__(self, told: Told, are_there: Callable[[], bool], heard: Callable[[], None]) -> None:
        """Start without states.

        Args:
            told: reads the states.
            are_there: returns whether there are other replicas.
            heard: called when one of the states has changed.
        """
        self._source = told
        self._are_there = are_there
        self._changed = heard
        self._known: Mapping[str, OtherNow] = {}
        self._checked_until: datetime | None = None
        self._has_read = False
        self._at_places: Mapping[tuple[str, str], State] = {}
        self.asks_places = False
        self._asked = trio.Event()

    def state_at(self, location: str, target: str) -> State | None:
        """Return the state of a target that is watched at another location; None if unknown."""
        if not (self._has_read and self.asks_places):
            return None
        return self._at_places.get((location, target), State.UP)

    def state_of(self, target: str) -> State | None:
        """Return the state of a target that another replica watches; None if unknown."""
        if not self._has_read:
            return None
        known = self._known.get(target)
        return State.UP if known is None else known.state

    def checked_at(self, target: str) -> datetime | None:
        """Return until when a target is known to have been checked."""
        known = self._known.get(target)
        return self._checked_until if known is None else known.checked_at

    def is_in_doubt(self, target: str) -> bool:
        """Whether the newest checks of a target contradict its state."""
        known = self._known.get(target)
        return known is not None and known.is_in_doubt

    async def ask(self) -> None:
        """Read the states now.

        Raises:
            StorageError: the database does not answer; the former states are kept.
        """
        self._asked.set()
        known, self._checked_until = await self._source.others()
        at_places = await self._source.at_other_places() if self.asks_places else {}
        is_news = _states(known) != _states(self._known) or at_places != self._at_places
        is_news = is_news and self._has_read
        self._known, self._at_places, self._has_read = known, at_places, True
        if is_news:
            self._changed()

    async def run(self) -> NoReturn:
        """Read the states regularly, until cancelled; without other replicas, only after a call of `ask`."""
        while True:
            if not self._are_there():
                self._known, self._at_places, self._checked_until, self._has_read = {}, {}, None, False
                self._asked = trio.Event()
                await self._asked.wait()
            else:
                with suppress(StorageError):  # the drain logs it
                    await self.ask()
            await trio.sleep(ASK_SECONDS)


def _states(known: Mapping[str, OtherNow]) -> dict[str, State]:
    return {name: one.state for name, one in known.items()}

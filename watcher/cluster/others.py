"""What other replicas watch, as PostgreSQL tells of it: for the page, and for whatever decides by all targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

import trio

from watcher.postgres.errors import StorageError
from watcher.postgres.queries.states_of_others import states_of_others

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterable

    from watcher.history.present_state import Present
    from watcher.postgres.db import Database

LOOK_SECONDS = 1.0
# A look for what has changed goes back so far: what was confirmed then may have waited in an outbox.
RECENT_SECONDS = 15.0
# After so many looks for what has changed, one at all of them finds what came later than that.
LOOKS_BETWEEN_ALL = 60


class Board(Protocol):
    """Who takes note of targets that are watched elsewhere; see `watcher.recording.board.Board`."""

    def place_elsewhere(self, seen: Iterable[Present], *, are_all: bool) -> None:
        """Take where they stand; those that are watched here are left alone."""


class Others:
    """Looks once a second where the targets of other replicas stand."""

    def __init__(
        self,
        database: Database,
        location: str,
        replica: uuid.UUID,
        board: Board,
        epoch: Callable[[], int | None],
    ) -> None:
        """Begin with nothing known.

        Args:
            database: where that is read; what it takes may hold up nobody else.
            location: of all replicas.
            replica: this one.
            board: told of what is found.
            epoch: asks which agreement this replica shares targets by; None while it shares them with nobody.
        """
        self._database = database
        self._location = location
        self._replica = replica
        self._board = board
        self._epoch = epoch
        self._known_epoch: int | None = None
        self._looks = 0

    async def run(self) -> NoReturn:
        """Look until cancelled; while PostgreSQL is away, what was known last stays."""
        while True:
            try:
                await self.look()
            except StorageError:
                self._known_epoch = None
            await trio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once: at all of them when others share them than before, and now and then, else at what has changed.

        Raises:
            DatabaseUnavailableError, DatabaseRefusedError: it cannot be read.
        """
        epoch = self._epoch()
        if epoch is None:
            if self._known_epoch is not None:
                self._board.place_elsewhere((), are_all=True)
            self._known_epoch = None
            return
        are_all = epoch != self._known_epoch or self._looks >= LOOKS_BETWEEN_ALL
        recent_seconds = None if are_all else RECENT_SECONDS
        seen = await states_of_others(self._database, self._location, self._replica, recent_seconds)
        self._board.place_elsewhere(seen, are_all=are_all)
        self._known_epoch, self._looks = epoch, 0 if are_all else self._looks + 1

"""What other replicas watch, as PostgreSQL tells of it: for the page, and for whatever decides by all targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

import trio

from watcher.postgres.errors import StorageError
from watcher.postgres.queries.states_of_others import PAGE_ROWS, recent_states_of_others, states_of_others

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from watcher.history.present_state import Present
    from watcher.postgres.db import Database

LOOK_SECONDS = 1.0
# A look takes a tenth of the time: at all that others watch, where those are a hundred thousand, it lasts for a second.
PAUSE_SHARE = 9
LONGEST_PAUSE_SECONDS = 10.0
# A look for what has changed goes back so far: what was confirmed then may have waited in an outbox.
RECENT_SECONDS = 15.0
# After so many looks for what has changed, one at all of them finds what came later than that.
LOOKS_BETWEEN_ALL = 60


class Board(Protocol):
    """Who takes note of targets that are watched elsewhere; see `watcher.recording.board.Board`."""

    def place_elsewhere(self, seen: Iterable[Present]) -> None:
        """Take where they stand; those that are watched here are left alone."""

    def drop_elsewhere(self, but: Collection[str] = ()) -> None:
        """Forget those that nobody watches any more, by the names of those that somebody does."""


class Others:
    """Looks once a second where the targets of other replicas stand."""

    def __init__(
        self,
        database: Database,
        location: str,
        replica: uuid.UUID,
        board: Board,
        epoch: Callable[[], int | None],
        until_shared: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
    ) -> None:
        """Begin with nothing known.

        Args:
            database: where that is read; what it takes may hold up nobody else.
            location: of all replicas.
            replica: this one.
            board: told of what is found.
            epoch: asks which agreement this replica shares targets by; None while it shares them with nobody.
            until_shared: returns once there are others.
        """
        self._database = database
        self._location = location
        self._replica = replica
        self._board = board
        self._epoch = epoch
        self._until_shared = until_shared
        self._known_epoch: int | None = None
        self._looks = 0

    async def run(self) -> NoReturn:
        """Look until cancelled; while PostgreSQL is away, what was known last stays."""
        while True:
            began_at = trio.current_time()
            try:
                await self.look()
            except StorageError:
                self._known_epoch = None
            await self._until_shared()
            pause_seconds = PAUSE_SHARE * (trio.current_time() - began_at)
            await trio.sleep(min(max(pause_seconds, LOOK_SECONDS), LONGEST_PAUSE_SECONDS))

    async def look(self) -> None:
        """Look once: at all of them when others share them than before, and now and then, else at what has changed.

        Raises:
            DatabaseUnavailableError, DatabaseRefusedError: it cannot be read.
        """
        epoch = self._epoch()
        place = self._database, self._location, self._replica
        if epoch is None:
            if self._known_epoch is not None:
                self._board.drop_elsewhere()
            self._known_epoch = None
            return
        if epoch == self._known_epoch and self._looks < LOOKS_BETWEEN_ALL:
            self._board.place_elsewhere(await recent_states_of_others(*place, RECENT_SECONDS))
            self._looks += 1
            return
        names, is_last, seen = set[str](), False, list["Present"]()
        while not is_last:
            seen = await states_of_others(*place, after=seen[-1].target if seen else "")
            self._board.place_elsewhere(seen)
            names.update(one.target for one in seen)
            is_last = len(seen) < PAGE_ROWS
        self._board.drop_elsewhere(but=names)
        self._known_epoch, self._looks = epoch, 0

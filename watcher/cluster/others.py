"""Reads the states of other replicas' targets from PostgreSQL, for the page and for decisions about all targets."""

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
# A look takes a tenth of the time: at 100,000 targets of others it lasts for a second.
PAUSE_SHARE = 9
LONGEST_PAUSE_SECONDS = 10.0
# A look for changes goes back this far. Flips that were stored later than that lead to a look at all targets, as
# happens now and then in any case.
RECENT_SECONDS = 15.0
LOOKS_BETWEEN_ALL = 60


class Board(Protocol):
    """Stores the states of other replicas' targets; see `watcher.recording.board.Board`."""

    def place_elsewhere(self, seen: Iterable[Present]) -> None:
        """Store states; targets watched here are ignored."""

    def drop_elsewhere(self, but: Collection[str] = ()) -> None:
        """Drop the targets that no replica watches any more; `but` are the watched ones."""


class Others:
    """Looks once a second at the states of other replicas' targets."""

    def __init__(
        self,
        database: Database,
        location: str,
        replica: uuid.UUID,
        board: Board,
        epoch: Callable[[], int | None],
        until_shared: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
    ) -> None:
        """Create one without states.

        Args:
            database: one of its own, since its reads must not delay other tasks.
            location: of all replicas.
            replica: this one.
            board: gets the states.
            epoch: returns the epoch of the agreement on shared targets; None without sharing.
            until_shared: returns once there are other replicas.
        """
        self._database = database
        self._location = location
        self._replica = replica
        self._board = board
        self._epoch = epoch
        self._until_shared = until_shared
        self._known_epoch: int | None = None
        self._looks = self._late = 0

    async def run(self) -> NoReturn:
        """Look until cancelled; while PostgreSQL is unreachable, the last states stay."""
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
        """Look once: at all targets after a new agreement and now and then, otherwise at changes.

        Raises:
            DatabaseUnavailableError, DatabaseRefusedError: the states cannot be read.
        """
        epoch = self._epoch()
        place = self._database, self._location, self._replica
        if epoch is None:
            if self._known_epoch is not None:
                self._board.drop_elsewhere()
            self._known_epoch = None
            return
        recent, late = await recent_states_of_others(*place, RECENT_SECONDS)
        if (epoch, late) == (self._known_epoch, self._late) and self._looks < LOOKS_BETWEEN_ALL:
            self._board.place_elsewhere(recent)
            self._looks += 1
            return
        names, is_last, seen = set[str](), False, list["Present"]()
        while not is_last:
            seen = await states_of_others(*place, after=seen[-1].target if seen else "")
            self._board.place_elsewhere(seen)
            names.update(one.target for one in seen)
            is_last = len(seen) < PAGE_ROWS
        self._board.drop_elsewhere(but=names)
        self._known_epoch, self._late, self._looks = epoch, late, 0

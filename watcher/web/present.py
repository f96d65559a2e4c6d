"""What the page knows of the daemon: it is read in the loop, and nothing about it waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watcher.alerting.silences.present import Silences
from watcher.model.clock_trust import wall_seconds
from watcher.model.page_options import PageOptions
from watcher.recording.board import Board
from watcher.recording.place_views import PlaceViews
from watcher.recording.recorder import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import trio

    from watcher.alerting.silences.keeper import SilenceKeeper
    from watcher.model.target import Target
    from watcher.postgres.db import Database


@dataclass
class Present:
    """The present of a daemon.

    Attributes:
        board: the newest of each target.
        tally: what has been done since the start.
        targets: by their names, in their order.
        page: how the page looks, and what of it the public sees.
        has_begun: whether checks have begun.
        is_database_up: asks whether PostgreSQL could be used when it was last tried.
        outbox_size: asks how many rows and bytes wait in the outbox.
        entries_lost: asks how many entries and failures were dropped before PostgreSQL had them.
        drained_until: asks until when all that the outbox was told is in PostgreSQL, in seconds since 1970; None where
            that is not known.
        database: where the past is read.
        workers: one token of them is one check in flight; None before the first.
        reload: asks for the configuration to be read again.
        notifications: asks how many messages wait to be sent, and how often a try came to what, by channel and result.
        location: where the daemon stands.
        shows_targets: whether metrics have series of each target.
        clock: seconds since 1970.
        share: asks how many replicas share the targets of the location, and how many of those this one checks; None
            where it has a database of its own, and with it all of them.
        silences: what holds of silences and acks.
        keeper: takes more of them; None before the first check.
        place_views: what several places say of the targets that they watch together.
        decides: returns whether this replica decides the common state of a target, by its name.
    """

    board: Board = field(default_factory=Board)
    tally: Tally = field(default_factory=Tally)
    targets: Mapping[str, Target] = field(default_factory=dict)
    page: PageOptions = field(default_factory=PageOptions)
    has_begun: bool = False
    is_database_up: Callable[[], bool] = lambda: False
    outbox_size: Callable[[], tuple[int, int]] = lambda: (0, 0)
    entries_lost: Callable[[], int] = lambda: 0
    drained_until: Callable[[], float | None] = lambda: None
    database: Database | None = None
    workers: trio.CapacityLimiter | None = None
    reload: Callable[[], None] = lambda: None
    notifications: Callable[[], tuple[int, Mapping[tuple[str, str], int]]] = lambda: (0, {})
    location: str = "default"
    shows_targets: bool = True
    clock: Callable[[], float] = wall_seconds
    share: Callable[[], tuple[int, int] | None] = lambda: None
    silences: Silences = field(default_factory=Silences)
    keeper: SilenceKeeper | None = None
    place_views: PlaceViews = field(default_factory=PlaceViews)
    decides: Callable[[str], bool] = lambda _target: False

    def begin(self, workers: trio.CapacityLimiter) -> None:
        """Take note that the checks have begun, and of what bounds them."""
        self.workers, self.has_begun = workers, True

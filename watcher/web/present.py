"""The daemon's present state, for the page; read in the loop, and no read waits."""

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
    """The present state of the daemon.

    Attributes:
        board: the newest check of each target.
        tally: counts since the start.
        targets: by name, in order.
        page: the look of the page, and the groups that the public sees.
        has_begun: whether checks have started.
        is_database_up: returns whether the last use of PostgreSQL succeeded.
        outbox_size: returns the rows and bytes in the outbox.
        entries_lost: returns the number of entries and failures dropped before they reached PostgreSQL.
        drained_until: returns the moment up to which all outbox entries are in PostgreSQL, in seconds since 1970; None
            if it is unknown.
        database: the database with the history.
        workers: one token is one check in flight; None before the first check.
        reload: reloads the configuration.
        notifications: returns the number of waiting messages, and of delivery attempts by channel and result.
        location: the location of this daemon.
        shows_targets: whether metrics include each target.
        clock: seconds since 1970.
        share: returns the number of replicas that share the targets of the location, and of targets that this one
            checks; None with a database of its own, when it checks all.
        silences: the active silences and acks.
        keeper: stores new silences and acks; None before the first check.
        place_views: the views of the locations of targets that several watch together.
        decides: returns whether this replica decides the combined state of a target, by its name.
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
        """Record that checks have started, and their workers."""
        self.workers, self.has_begun = workers, True

"""Reads the states of all sites at once; a page shows a few of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from watcher.model.state import State
from watcher.recording.board import Latest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from watcher.model.places import PlaceView
    from watcher.model.state import Standing
    from watcher.web.sites import Site, Sites
    from watcher.web.standings import Standings

SITES_A_STEP = 500  # read in one step: less than a millisecond


class Seen(NamedTuple):
    """A site, its present state and newest check, and the views of its locations, if several watch it together."""

    site: Site
    latest: Latest
    places: tuple[PlaceView, ...] = ()

    @property
    def state(self) -> State:
        """Its present state."""
        return self.latest.standing.state

    def since(self, down_since: datetime | None) -> datetime | None:
        """Return the start of its state; see `since`."""
        return since(self.latest.standing, down_since)


class Row(NamedTuple):
    """The part of a site that a row shows.

    Attributes:
        site: the site.
        state: its present state.
        seconds: the duration of its newest check; None without a check.
        places: the view of each location, if several watch it together.
        is_combined: whether `state` is their combined state, whose history counts.
    """

    site: Site
    state: State
    seconds: float | None
    places: tuple[PlaceView, ...] = ()
    is_combined: bool = False


def since(standing: Standing, down_since: datetime | None) -> datetime | None:
    """Return the start of a site's state; for an outage older than the daemon's start, the start of the outage.

    Args:
        standing: of the site.
        down_since: the start in the history; None if it has none, or cannot be read.
    """
    began = standing.since
    return min(began, down_since) if began and down_since and standing.state is State.DOWN else began


@dataclass(frozen=True, slots=True)
class Glance:
    """The standings of all sites at one moment.

    It has lists of existing objects: ten thousand new objects at each look would keep the garbage collector busy, and
    keeping them for the next look would take memory.

    Attributes:
        sites: those that the viewer may see.
        standings, states: of each site, in order; None for one that is no longer watched.
        counts: the number of sites in each state.
        present: the source of all other values.
    """

    sites: Sites
    standings: Sequence[Standing | None]
    states: Sequence[State | None]
    counts: Counter[State]
    present: Standings

    @property
    def total(self) -> int:
        """The number of sites."""
        return self.counts.total()

    def seen(self, place: int) -> Seen:
        """Return one site with its state and newest check.

        Args:
            place: its index among all sites.
        """
        site, standing = self.sites.all[place], self.standings[place]
        latest = self.present.latest_of(site)
        if latest is None:  # it has been removed since then
            assert standing is not None
            latest = Latest(site.target, standing)
        return Seen(site, latest, self.present.places_of(site))

    def row(self, place: int) -> Row:
        """Return the row of one site."""
        site, state = self.sites.all[place], self.states[place]
        seconds = self.present.board.duration_of(site.target)
        places, is_combined = self.present.places_of(site), self.present.is_combined(site)
        return Row(site, state or State.UNKNOWN, seconds, places, is_combined)

    def seconds(self, place: int) -> float:
        """Return the duration of a site's newest check; 0 without a check."""
        return self.present.board.duration_of(self.sites.all[place].target) or 0.0


def glancing(sites: Sites, present: Standings) -> Generator[None, None, Glance]:
    """Look at all sites, in steps; after each step, other tasks should get a turn."""
    standings: list[Standing | None] = []
    states: list[State | None] = []
    counts = Counter[State]()
    for first in range(0, len(sites.all), SITES_A_STEP):
        some = present.board.standings_of([site.target for site in sites.all[first : first + SITES_A_STEP]])
        for place in sites.with_locations_among(first, first + SITES_A_STEP):
            some[place - first] = present.standing_of(sites.all[place])
        standings += some
        states += [None if standing is None else standing.state for standing in some]
        counts.update([standing.state for standing in some if standing is not None])
        yield
    return Glance(sites, standings, states, counts, present)

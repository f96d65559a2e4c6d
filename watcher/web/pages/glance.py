"""A look at all sites, of which a page shows a few."""

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

SITES_A_STEP = 500  # that are looked at in one step: less than a millisecond


class Seen(NamedTuple):
    """A site, what is known of it now, and what its places say, if several of them watch it together."""

    site: Site
    latest: Latest
    places: tuple[PlaceView, ...] = ()

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.latest.standing.state

    def since(self, down_since: datetime | None) -> datetime | None:
        """Return since when it is so; see `since`."""
        return since(self.latest.standing, down_since)


class Row(NamedTuple):
    """What little of a site is shown in a row.

    Attributes:
        site: see there.
        state: where it stands.
        seconds: how long its newest check took; None where there was none.
        places: what each place says of it, if several of them watch it together.
    """

    site: Site
    state: State
    seconds: float | None
    places: tuple[PlaceView, ...] = ()


def since(standing: Standing, down_since: datetime | None) -> datetime | None:
    """Return since when a site stands so: of an outage that has outlived a restart, since it began.

    Args:
        standing: of the site.
        down_since: what the past says of it; None where it says nothing, or cannot be read.
    """
    began = standing.since
    return min(began, down_since) if began and down_since and standing.state is State.DOWN else began


@dataclass(frozen=True, slots=True)
class Glance:
    """Where all sites stand at one moment.

    It has lists of what is there anyway: ten thousand new objects at each look would keep the garbage collector busy,
    and to keep them for the next one would take memory.

    Attributes:
        sites: those that the viewer may see.
        standings, states: of each, in their order; None of one that is watched no more.
        counts: how many sites are in which state.
        present: where everything else is read.
    """

    sites: Sites
    standings: Sequence[Standing | None]
    states: Sequence[State | None]
    counts: Counter[State]
    present: Standings

    @property
    def total(self) -> int:
        """How many sites there are."""
        return self.counts.total()

    def seen(self, place: int) -> Seen:
        """Return what is known of one site.

        Args:
            place: among all sites.
        """
        site, standing = self.sites.all[place], self.standings[place]
        latest = self.present.latest_of(site)
        if latest is None:  # it has gone since then
            assert standing is not None
            latest = Latest(site.target, standing)
        return Seen(site, latest, self.present.places_of(site))

    def row(self, place: int) -> Row:
        """Return what is shown of one site in a row."""
        site, state = self.sites.all[place], self.states[place]
        seconds = self.present.board.duration_of(site.target)
        return Row(site, state or State.UNKNOWN, seconds, self.present.places_of(site))

    def seconds(self, place: int) -> float:
        """Return how long the newest check of a site took; 0 where there was none."""
        return self.present.board.duration_of(self.sites.all[place].target) or 0.0


def glancing(sites: Sites, present: Standings) -> Generator[None, None, Glance]:
    """Look at all sites, in steps between which others should get a turn."""
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

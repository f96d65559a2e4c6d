"""The page of incidents, and the same as an Atom feed (RFC 4287); pure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.history.incidents import Incident
from watcher.model.wording import duration, why
from watcher.text.timestamps import timestamp
from watcher.web.pages.incident_selection import PAGE_ENTRIES, SINCE_WORDS, STATES, IncidentSelection
from watcher.web.pages.rendering import pieces_of
from watcher.web.pages.words import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from watcher.history.incidents import Flapping
    from watcher.web.pages.rendering import Look
    from watcher.web.sites import Site

FEED_ENTRIES = 100
# Ids of entries are made from what never changes: the key of the site and the start, wherever the page stands.
_FEED_NAMESPACE = uuid.UUID("6f0d7b0e-6f5a-4f0e-9a53-1d2b4f6d7c11")


@dataclass(frozen=True, slots=True)
class Told:
    """An incident or a time of flapping, as it is told.

    Attributes:
        site: whose.
        start, end: of it; no end while it goes on.
        lasted: how long, in words.
        what: the cause, or that it flapped.
    """

    site: Site
    start: datetime
    end: datetime | None
    lasted: str
    what: str

    @property
    def id(self) -> str:
        """What stays the same of it, wherever and whenever it is told."""
        return f"urn:uuid:{uuid.uuid5(_FEED_NAMESPACE, f'{self.site.key} {timestamp(self.start)}')}"


@dataclass(frozen=True, slots=True)
class IncidentsView:
    """What the page of incidents shows.

    Attributes:
        told: newest first, those of one page; None where the past cannot be read.
        total: how many there are on all pages.
        selection: what was asked for, on a page that there is.
        groups: all that there are.
        history_lost_at: since when the past cannot be read; None where it can.
        now: in UTC.
    """

    told: Sequence[Told] | None
    total: int
    selection: IncidentSelection
    groups: Sequence[str]
    history_lost_at: datetime | None
    now: datetime

    @property
    def pages(self) -> int:
        """How many pages there are, one at least."""
        return pages_of(self.total)

    @property
    def first(self) -> int:
        """The number of the first incident of this page, from 1 on."""
        return (self.selection.page - 1) * PAGE_ENTRIES + 1


def pages_of(total: int) -> int:
    """Return how many pages so many incidents have, one at least."""
    return max(1, -(-total // PAGE_ENTRIES))


def all_told(
    found: Sequence[tuple[str, Incident | Flapping]], sites: Mapping[str, Site], *, public: bool
) -> list[Told]:
    """Put incidents into words.

    Args:
        found: those of one page, each with the name of its target.
        sites: of all those targets, by their names.
        public: whether causes stay hidden.
    """
    return [told_of(sites[target], entry, public=public) for target, entry in found]


def told_of(site: Site, entry: Incident | Flapping, *, public: bool) -> Told:
    """Put an incident or a time of flapping into words, in public without its cause."""
    lasted = duration(entry.length_seconds)
    if not isinstance(entry, Incident):
        what = f"flapping: {entry.flips} flips, down {duration(entry.down_seconds)}"
        return Told(site, entry.start, entry.end, lasted, what)
    lasted += ", goes on" if entry.end is None else "" if entry.end_is_exact else ", its end is not known exactly"
    cause = entry.cause
    what = "down" if public or cause is None else safe(why(str(cause.reason), cause.detail))
    return Told(site, entry.start, entry.end, lasted, what)


def incidents_page(view: IncidentsView, look: Look) -> Iterator[str]:
    """Write the page of incidents, as HTML in pieces.

    Args:
        view: what it shows.
        look: what is the same on all pages.
    """
    return pieces_of(
        "incidents.html",
        look,
        view=view,
        selection=view.selection,
        states=STATES,
        ranges=SINCE_WORDS,
        now=view.now,
    )


def feed_atom(view: IncidentsView, look: Look, origin: str) -> Iterator[str]:
    """Write the incidents as an Atom feed, in pieces.

    Args:
        view: what it tells.
        look: what is the same on all pages.
        origin: scheme and host of the page, as in `https://status.example`.
    """
    return pieces_of("feed.xml", look, view=view, query=view.selection.address(), origin=origin, now=view.now)

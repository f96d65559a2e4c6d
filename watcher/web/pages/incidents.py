"""Writes the page of incidents, and the same as an Atom feed (RFC 4287); pure."""

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
# Ids of entries depend only on what never changes: the key of the site and the start, not the address of the page.
_FEED_NAMESPACE = uuid.UUID("6f0d7b0e-6f5a-4f0e-9a53-1d2b4f6d7c11")


@dataclass(frozen=True, slots=True)
class Told:
    """An incident or a time of flapping, in words.

    Attributes:
        site: its site.
        start, end: of it; None as the end while it is open.
        lasted: its length, in words.
        what: the cause, or that it flapped.
    """

    site: Site
    start: datetime
    end: datetime | None
    lasted: str
    what: str

    @property
    def id(self) -> str:
        """A stable id, the same in every feed."""
        return f"urn:uuid:{uuid.uuid5(_FEED_NAMESPACE, f'{self.site.key} {timestamp(self.start)}')}"


@dataclass(frozen=True, slots=True)
class IncidentsView:
    """The values of the page of incidents.

    Attributes:
        told: the entries of one page, newest first; None if the history cannot be read.
        total: the number of entries on all pages.
        selection: the selection, with an existing page.
        groups: all groups.
        history_lost_at: since when the history cannot be read; None if it can.
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
        """The number of pages, at least one."""
        return pages_of(self.total)

    @property
    def first(self) -> int:
        """The number of the first incident of this page, from 1 on."""
        return (self.selection.page - 1) * PAGE_ENTRIES + 1


def pages_of(total: int) -> int:
    """Return the number of pages for this many incidents, at least one."""
    return max(1, -(-total // PAGE_ENTRIES))


def all_told(
    found: Sequence[tuple[str, Incident | Flapping]], sites: Mapping[str, Site], *, public: bool
) -> list[Told]:
    """Put incidents into words.

    Args:
        found: the entries of one page, each with the name of its target.
        sites: the sites of all those targets, by name.
        public: whether causes stay hidden.
    """
    return [told_of(sites[target], entry, public=public) for target, entry in found]


def told_of(site: Site, entry: Incident | Flapping, *, public: bool) -> Told:
    """Put an incident or a time of flapping into words; in public, without its cause."""
    lasted = duration(entry.length_seconds)
    if not isinstance(entry, Incident):
        what = f"flapping: {entry.flips} flips, down {duration(entry.down_seconds)}"
        return Told(site, entry.start, entry.end, lasted, what)
    lasted += ", ongoing" if entry.end is None else "" if entry.end_is_exact else ", its end is not known exactly"
    cause = entry.cause
    what = "down" if public or cause is None else safe(why(str(cause.reason), cause.detail))
    return Told(site, entry.start, entry.end, lasted, what)


def incidents_page(view: IncidentsView, look: Look) -> Iterator[str]:
    """Write the page of incidents, as HTML in pieces.

    Args:
        view: its values.
        look: the parts that all pages share.
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
        view: its values.
        look: the parts that all pages share.
        origin: scheme and host of the page, as in `https://status.example`.
    """
    return pieces_of("feed.xml", look, view=view, query=view.selection.address(), origin=origin, now=view.now)

"""The page of incidents, and the same as an Atom feed (RFC 4287); pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.history.incidents import Incident
from watcher.reporting.wording import duration, why
from watcher.web.pages.rendering import pieces_of
from watcher.web.pages.words import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from watcher.history.incidents import Flapping
    from watcher.web.pages.rendering import Look
    from watcher.web.sites import Site

MAX_SHOWN = 100


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


@dataclass(frozen=True, slots=True)
class IncidentsView:
    """What the page of incidents shows.

    Attributes:
        told: newest first; None where the past cannot be read.
        more: how many are not shown.
        group: the only group that is asked for, or None.
        groups: all that there are.
        history_lost_at: since when the past cannot be read; None where it can.
        now: in UTC.
    """

    told: Sequence[Told] | None
    more: int
    group: str | None
    groups: Sequence[str]
    history_lost_at: datetime | None
    now: datetime


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
    return pieces_of("incidents.html", look, view=view, now=view.now)


def feed_atom(view: IncidentsView, look: Look, origin: str) -> Iterator[str]:
    """Write the incidents as an Atom feed, in pieces.

    Args:
        view: what it tells.
        look: what is the same on all pages.
        origin: scheme and host of the page, as in `https://status.example`.
    """
    return pieces_of("feed.xml", look, view=view, origin=origin, now=view.now)

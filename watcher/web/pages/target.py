"""Writes the page of one site; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.history.incidents import Incident
from watcher.model.state import TROUBLE, State
from watcher.reporting.page_history import RANGES, down_since
from watcher.web.pages.rendering import pieces_of
from watcher.web.pages.response_times import LINES, chart
from watcher.web.pages.words import certificate, next_check
from watcher.web.silencing import HOURS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from watcher.model.alerts.silence import Ack, Silence
    from watcher.reporting.page_history import TargetHistory
    from watcher.web.pages.glance import Seen
    from watcher.web.pages.rendering import Look

SHOWN_ENTRIES = 50
SHOWN_FAILURES = 8  # the others are collapsed


@dataclass(frozen=True, slots=True)
class TargetView:
    """The values of the page of one site.

    Attributes:
        seen: the site, with its present state and newest check.
        history: its history; None if it cannot be read.
        range_name: of the chart, one of RANGES.
        history_lost_at: since when the history cannot be read; None if it can, or was never read.
        now: in UTC.
        silences: the active silences of the site.
        acks: the acks of its open incident, newest first.
        location: of this daemon, whose response times are shown.
    """

    seen: Seen
    history: TargetHistory | None
    range_name: str
    history_lost_at: datetime | None
    now: datetime
    silences: Sequence[Silence] = ()
    acks: Sequence[Ack] = ()
    location: str = "default"

    @property
    def is_here(self) -> bool:
        """Whether it is checked at this location."""
        locations = self.seen.site.locations
        return not locations or self.location in locations


def target_page(view: TargetView, look: Look) -> Iterator[str]:
    """Write the page of one site, as HTML in pieces.

    Args:
        view: its values.
        look: the parts that all pages share.
    """
    history, latest = view.history, view.seen.latest
    quantiles = {}
    if history is not None and history.rollup is not None:
        quantiles = dict(zip(LINES, history.rollup.percentiles_ms(list(LINES.values())), strict=True))
    entries = [] if history is None else list(reversed(history.entries))
    return pieces_of(
        "target.html",
        look,
        view=view,
        one=view.seen,
        ranges=RANGES,
        chart=None if history is None else chart(history),
        quantiles=quantiles,
        since=_since(view),
        last_down=entries[0].end if entries else None,
        said=_newest_failure(view),
        certificate=certificate(latest.cert_expires_at, view.now) if latest.cert_expires_at else None,
        next_check=next_check(latest.started_at, view.seen.site.interval_seconds, view.seen.state, view.now),
        shown_failures=SHOWN_FAILURES,
        entries=[(entry, isinstance(entry, Incident)) for entry in entries[:SHOWN_ENTRIES]],
        more_entries=len(entries) - len(entries[:SHOWN_ENTRIES]),
        now=view.now,
        hours=HOURS,
        is_in_trouble=view.seen.state in TROUBLE,
    )


def _since(view: TargetView) -> datetime | None:
    return view.seen.since(None if view.history is None else down_since(view.history.entries))


def _newest_failure(view: TargetView) -> dict[str, Any] | None:
    """Return the newest failure of a present outage, with the stored response; None for none."""
    failures = view.history.failures if view.history is not None else ()
    newest = failures[0] if failures and view.seen.state is State.DOWN else None
    return newest if newest is not None and (newest["excerpt"] or newest["headers"]) else None


def missing_page(look: Look, now: datetime) -> Iterator[str]:
    """Write the page for unknown paths, as HTML in pieces.

    Args:
        look: the parts that all pages share.
        now: in UTC.
    """
    return pieces_of("missing.html", look, now=now)

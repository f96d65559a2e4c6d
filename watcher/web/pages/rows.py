"""Writes the rows of the page of all sites; their history is written once, and cached for a minute; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup, escape

from watcher.web.pages.charts import bars, sparkline
from watcher.web.pages.rendering import mark, shape
from watcher.web.pages.words import DASH, percent, safe, seconds
from watcher.web.sites import target_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from watcher.model.places import PlaceView
    from watcher.model.state import State
    from watcher.reporting.page_history import RowHistory
    from watcher.web.pages.glance import Row

KEPT_SECONDS = 60.0
# The bound of cached histories, the oldest are dropped first: five pages of 100 rows, each row some 5 KB.
MAX_KEPT = 500

_CELLS = Markup(
    '<span class="days">{}</span>\n<span class="num u90">{}</span>\n<span class="num u24">{}</span>\n'
    '<span class="spark">{}</span>'
)


class Past(NamedTuple):
    """The history part of a row.

    Attributes:
        cells: the cells of the row: days, uptimes, response times.
        down_since: see `RowHistory`.
    """

    cells: Markup
    down_since: datetime | None = None


NO_PAST = Past(_CELLS.format("", DASH, DASH, DASH))


def past_of(history: RowHistory, *, with_causes: bool) -> Past:
    """Write the history part of a row.

    Args:
        history: of its target.
        with_causes: whether the viewer may read why the target was down.
    """
    drawn = bars(history.days, with_causes=with_causes)
    times = sparkline(history.means_ms) or DASH
    return Past(_CELLS.format(drawn, percent(history.quarter), percent(history.day), times), history.down_since)


def row_of(row: Row, past: Past, root: str) -> Markup:
    """Write a row; without a template, which would take half of the time of a page with a hundred rows.

    Args:
        row: its present part.
        past: its history part.
        root: the prefix of all paths.
    """
    site, name = row.site, escape(row.site.name)
    address = escape(site.address) if site.address and site.address != site.name else ""
    return Markup(  # noqa: S704  # all text is escaped
        f'<li class="row {row.state}">'
        f'<span class="name"><a href="{escape(target_path(root, site.key))}" title="{name}"><bdi>{name}</bdi></a>'
        f"{f'<small>{address}</small>' if address else ''}</span>\n"
        f'<span class="now-state">{mark(row.state)}{dots_of(row.places)}</span>\n{past.cells}\n'
        f'<span class="num time">{seconds(row.seconds)}</span></li>'
    )


def dots_of(places: Sequence[PlaceView]) -> str | Markup:
    """Write a row of dots, one for each location, followed by the same in words.

    Args:
        places: the view of each location; without any, the result is empty.
    """
    if not places:
        return ""
    dots = Markup("").join(shape(one.state) for one in places)
    told = ", ".join(f"{one.location}: {one.state}{'' if one.is_alive else ' (no replica)'}" for one in places)
    # Focusable, so that the words can be read without a pointer.
    return Markup('<span class="places" tabindex="0">{}<span class="told">{}</span></span>').format(dots, safe(told))


class RowHistories:
    """Caches the history of rows until their states change."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: dict[str, tuple[float, tuple[State, bool], Past]] = {}  # with its expiry time

    def known(self, rows: Iterable[Row], now: float) -> dict[str, Past]:
        """Return the cached histories that have not expired, of rows with an unchanged state, by target name.

        Args:
            rows: the rows of a page.
            now: in seconds.
        """
        found = {}
        for one in rows:
            ends_at, stood, history = self._kept.get(one.site.target, (now, None, None))
            if history is not None and ends_at > now and stood == _state_of(one):
                found[one.site.target] = history
        return found

    def keep(self, read: Mapping[str, Past], rows: Iterable[Row], now: float) -> None:
        """Cache histories.

        Args:
            read: by target name.
            rows: the rows of a page.
            now: in seconds.
        """
        for one in rows:
            name = one.site.target
            if name in read:
                self._kept.pop(name, None)
                self._kept[name] = now + KEPT_SECONDS, _state_of(one), read[name]
        while len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]


def _state_of(row: Row) -> tuple[State, bool]:
    """Return the state of a site, and whether several locations decided it, which selects the history shown."""
    return row.state, row.is_combined

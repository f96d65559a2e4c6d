"""The rows of the page of all sites: what they say of the past is written once, and kept for a minute; pure."""

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
# The bound of those that are kept, the oldest go first: five pages of 100 rows, each row some 5 KB.
MAX_KEPT = 500

_CELLS = Markup(
    '<span class="days">{}</span>\n<span class="num u90">{}</span>\n<span class="num u24">{}</span>\n'
    '<span class="spark">{}</span>'
)


class Past(NamedTuple):
    """What a row says of the past of its site.

    Attributes:
        cells: as they stand in the row: days, uptimes, response times.
        down_since: see `RowHistory`.
    """

    cells: Markup
    down_since: datetime | None = None


NO_PAST = Past(_CELLS.format("", DASH, DASH, DASH))


def past_of(history: RowHistory, *, with_causes: bool) -> Past:
    """Write what a row says of the past.

    Args:
        history: of its target.
        with_causes: whether the viewer may read why the target was down.
    """
    drawn = bars(history.days, with_causes=with_causes)
    times = sparkline(history.means_ms) or DASH
    return Past(_CELLS.format(drawn, percent(history.quarter), percent(history.day), times), history.down_since)


def row_of(row: Row, past: Past, root: str) -> Markup:
    """Write a row; of a hundred rows a template would take half of the time of a page.

    Args:
        row: what it shows of the present.
        past: what it shows of the past.
        root: what stands before all paths.
    """
    site, name = row.site, escape(row.site.name)
    address = escape(site.address) if site.address and site.address != site.name else ""
    return Markup(  # noqa: S704  # whatever is not markup is escaped
        f'<li class="row {row.state}">'
        f'<span class="name"><a href="{escape(target_path(root, site.key))}" title="{name}"><bdi>{name}</bdi></a>'
        f"{f'<small>{address}</small>' if address else ''}</span>\n"
        f'<span class="now-state">{mark(row.state)}{dots_of(row.places)}</span>\n{past.cells}\n'
        f'<span class="num time">{seconds(row.seconds)}</span></li>'
    )


def dots_of(places: Sequence[PlaceView]) -> str | Markup:
    """Write a row of dots, one for each place, followed by the same in words.

    Args:
        places: what each place says of a site; without any, the text is empty.
    """
    if not places:
        return ""
    dots = Markup("").join(shape(one.state) for one in places)
    told = ", ".join(f"{one.location}: {one.state}{'' if one.is_alive else ' (no replica)'}" for one in places)
    # It takes the focus, so that the words can be read without a pointer.
    return Markup('<span class="places" tabindex="0">{}<span class="told">{}</span></span>').format(dots, safe(told))


class RowHistories:
    """Keeps the past of rows for as long as nothing has happened to them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: dict[str, tuple[float, tuple[State, bool], Past]] = {}  # with when each ends

    def known(self, rows: Iterable[Row], now: float) -> dict[str, Past]:
        """Return what is kept, by the targets' names: of those whose state has not changed, and not for too long.

        Args:
            rows: those of a page.
            now: in seconds.
        """
        found = {}
        for one in rows:
            ends_at, stood, history = self._kept.get(one.site.target, (now, None, None))
            if history is not None and ends_at > now and stood == _stands(one):
                found[one.site.target] = history
        return found

    def keep(self, read: Mapping[str, Past], rows: Iterable[Row], now: float) -> None:
        """Keep what was read.

        Args:
            read: by the targets' names.
            rows: those of a page.
            now: in seconds.
        """
        for one in rows:
            name = one.site.target
            if name in read:
                self._kept.pop(name, None)
                self._kept[name] = now + KEPT_SECONDS, _stands(one), read[name]
        while len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]


def _stands(row: Row) -> tuple[State, bool]:
    """Return the state of a site, and whether it is that of several places: on that depends which past is shown."""
    return row.state, bool(row.places)

"""Draws bars, lines and tiles as SVG; the style sheet colours them by class; pure."""

from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING

from markupsafe import Markup

from watcher.history.uptime import GOOD
from watcher.model.state import State
from watcher.model.wording import why
from watcher.web.pages.words import losses, percent, safe
from watcher.web.sites import target_path

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from watcher.history.calendar import Part
    from watcher.web.pages.glance import Glance
    from watcher.web.sites import Site

_BAR, _HIGH = 4, 26  # a bar with its gap, and the height of a row's charts
_SPARK_STEP = 4
_TILES, _TILE = 100, 10  # tiles a line, and a tile with its gap
MAX_LINKED_TILES = 500
_WELL = GOOD - {State.DEGRADED}
_NOT_KNOWN = frozenset({State.PENDING, State.UNKNOWN})


def bars(days: Sequence[Part], *, with_causes: bool) -> Markup:
    """Draw one bar a day: good days are one shape, and each other day has a title.

    Args:
        days: oldest first.
        with_causes: whether the viewer may read why a target was down.
    """
    shapes = {"up": "", "none": ""}
    told = []
    worsts = [day.worst for day in days]  # computed once: it is slow for a hundred rows, and used repeatedly
    for number, (day, worst) in enumerate(zip(days, worsts, strict=True)):
        left = number * _BAR
        if worst in _NOT_KNOWN:
            shapes["none"] += f"M{left} 0h3v{_HIGH}h-3z"
        elif worst is State.UP:
            shapes["up"] += f"M{left} 0h3v{_HIGH}h-3z"
        else:
            told.append(
                Markup('<rect class="{}" x="{}" width="3" height="{}"><title>{}</title></rect>').format(
                    worst, left, _HIGH, day_sentence(day, with_cause=with_causes)
                )
            )
    titles = {"up": "nothing went wrong on these days", "none": "no data for these days"}
    drawn = [
        Markup('<path class="{}" d="{}"><title>{}</title></path>').format(name, shape, titles[name])
        for name, shape in shapes.items()
        if shape
    ]
    return Markup(
        '<svg class="bars" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}" data-until="{}">'
    ).format(
        max(1, len(days) * _BAR - 1), _HIGH, _sentence_of(days, worsts), f"{days[-1].start:%Y-%m-%d}" if days else ""
    ) + Markup("").join([*drawn, *told, Markup("</svg>")])


def days_sentence(days: Sequence[Part]) -> str:
    """Summarise days, as in `Last 90 days: down on 2, the last on Nov 24; degraded on 1; 12 not known`."""
    return _sentence_of(days, [day.worst for day in days])


def _sentence_of(days: Sequence[Part], worsts: Sequence[State]) -> str:
    told = []
    for state in (State.DOWN, State.DEGRADED, State.MAINTENANCE):
        if state in worsts:
            those = [day for day, worst in zip(days, worsts, strict=True) if worst is state]
            told.append(f"{state} on {len(those)}, the last on {those[-1].start:%b} {those[-1].start.day}")
    if unknown := sum(map(worsts.count, _NOT_KNOWN)):
        told.append(f"{unknown} not known")
    return f"Last {len(days)} days: " + ("; ".join(told) or "nothing went wrong")


def day_sentence(day: Part, *, with_cause: bool) -> str:
    """Describe a day, as in `2026-11-24: 98.750 %, down 18m (status: 503 Service Unavailable)`."""
    text = f"{day.start:%Y-%m-%d}: {percent(day.uptime)}"
    if lost := losses(day.uptime):
        text += f", {lost}"
    if with_cause and day.cause is not None:
        text += f" ({safe(why(str(day.cause.reason), day.cause.detail))})"
    return text


def sparkline(means_ms: Sequence[float | None]) -> Markup:
    """Draw a line from zero to the longest duration; it has gaps where there were no checks."""
    highest = max((value for value in means_ms if value is not None), default=0.0)
    if not highest:
        return Markup("")
    points, pen = [], "M"
    for number, value in enumerate(means_ms):
        if value is None:
            pen = "M"
            continue
        points.append(f"{pen}{number * _SPARK_STEP} {_HIGH - 1 - (_HIGH - 3) * value / highest:.1f}h.1")
        pen = "L"
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true"><path d="{}"/></svg>'
    ).format((len(means_ms) - 1) * _SPARK_STEP + 1, _HIGH, "".join(points))


def heat_map(glance: Glance, root: str) -> Generator[str, None, Markup]:
    """Draw one tile a site: neighbours that are well share one dashed line, and each other tile links to its page.

    Args:
        glance: at all sites.
        root: the prefix of all paths.

    Yields:
        an empty text after each line of tiles, so that other tasks get a turn.
    """
    well: dict[State, list[str]] = {}
    linked: list[Markup] = []
    places = (place for place, state in enumerate(glance.states) if state is not None)
    top = 0
    while line := list(islice(places, _TILES)):
        yield ""
        column = 0
        for state, run in groupby(line, glance.states.__getitem__):
            some = list(run)
            assert state is not None
            linked_here = 0 if state in _WELL else min(len(some), MAX_LINKED_TILES - len(linked))
            for place in some[:linked_here]:
                linked.append(_linked_tile(glance.sites.all[place], state, column * _TILE, top, root))
                column += 1
            if rest := len(some) - linked_here:
                # Each line starts its own dashes; the last tile has no gap after it.
                shape = f"M{column * _TILE} {top + _TILE // 2 - 1}h{rest * _TILE - 2}"
                well.setdefault(state, []).append(shape)
                column += rest
        top += _TILE
    shapes = [Markup('<path class="{}" d="{}"/>').format(state, "".join(tiles)) for state, tiles in well.items()]
    return Markup('<svg class="heat" viewBox="0 0 {} {}" aria-hidden="true">').format(
        _TILES * _TILE - 2, max(1, top - 2)
    ) + Markup("").join([*shapes, *linked, Markup("</svg>")])


def _linked_tile(site: Site, state: State, left: int, top: int, root: str) -> Markup:
    return Markup(
        '<a href="{}" tabindex="-1"><rect class="{}" x="{}" y="{}" width="8" height="8">'
        "<title>{}: {}</title></rect></a>"
    ).format(target_path(root, site.key), state, left, top, site.name, state)

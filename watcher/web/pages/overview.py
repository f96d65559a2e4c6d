"""Writes the page of all sites; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.model.state import State
from watcher.web.pages.charts import heat_map
from watcher.web.pages.glance import SITES_A_STEP, since
from watcher.web.pages.rendering import pieces_of
from watcher.web.pages.rows import NO_PAST, row_of
from watcher.web.pages.selection import SORTS, WORST_FIRST
from watcher.web.pages.words import counted, verdict
from watcher.web.silencing import SHOWN_SILENCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from watcher.model.alerts.silence import Silence
    from watcher.web.pages.glance import Glance
    from watcher.web.pages.rendering import Look
    from watcher.web.pages.rows import Past
    from watcher.web.pages.selection import Chosen

MAX_NOW = 5  # sites in trouble shown above the list
HEAT_MAP_BEYOND = 200

_TOLD_OF = {State.DOWN: State.DOWN, State.DEGRADED: State.DEGRADED}  # counted by the sentence itself
_WRONG = (State.DOWN, State.DEGRADED)


@dataclass(frozen=True, slots=True)
class Overview:
    """The values of the page of all sites.

    Attributes:
        glance: at all sites that the viewer may see.
        chosen: the sites of this page.
        pasts: the history of the rows of this page, by target name; None if it cannot be read.
        history_lost_at: since when it cannot be read; None if it can, or was never read.
        now: in UTC.
        silences: the active ones, sorted by their end.
    """

    glance: Glance
    chosen: Chosen
    pasts: Mapping[str, Past] | None
    history_lost_at: datetime | None
    now: datetime
    silences: Sequence[Silence] = ()


def overview_page(view: Overview, look: Look) -> Iterator[str]:
    """Write the page of all sites, as HTML in pieces.

    Args:
        view: its values.
        look: the parts that all pages share.
    """
    glance, counts = view.glance, view.glance.counts
    wrong: list[tuple[int, float, int]] = []  # severity, start and index, the worst and newest first
    down_since: datetime | None = None
    for first in range(0, len(glance.states), SITES_A_STEP):
        for place, state in enumerate(glance.states[first : first + SITES_A_STEP], first):
            if state is State.DOWN or state is State.DEGRADED:
                at = _since(place, view)
                wrong.append((_WRONG.index(state), -at.timestamp() if at else 0.0, place))
                if at and state is State.DOWN:
                    down_since = min(down_since or at, at)
        wrong = sorted(wrong)[:MAX_NOW]
        yield ""
    heat = None
    if glance.total > HEAT_MAP_BEYOND:
        heat = yield from heat_map(glance, look.root)
    sentence, state = verdict(counts)
    yield from pieces_of(
        "overview.html",
        look,
        view=view,
        total=glance.total,
        groups=glance.sites.groups,
        pasts=view.pasts or {},
        no_past=NO_PAST,
        row=row_of,
        chosen=view.chosen,
        selection=view.chosen.selection,
        sentence=sentence,
        down=counts[State.DOWN],
        state=state,
        down_since=down_since,
        rest=counted(counts, without=_TOLD_OF.get(state, State.UP)) if len(+counts) > 1 else "",
        wrong=[(glance.seen(place), _since(place, view)) for _, _, place in wrong],
        more_wrong=sum(counts[state] for state in _WRONG) - len(wrong),
        states=[(one, counts[one]) for one in WORST_FIRST if counts[one]],
        sorts=SORTS,
        heat=heat,
        now=view.now,
        shown_silences=SHOWN_SILENCES,
    )


def _since(place: int, view: Overview) -> datetime | None:
    standing, target = view.glance.standings[place], view.glance.sites.all[place].target
    return None if standing is None else since(standing, (view.pasts or {}).get(target, NO_PAST).down_since)

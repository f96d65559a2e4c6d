"""The page of all sites: what it is made of, and how it is written; pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.model.state import State
from watcher.web.pages.charts import heat_map
from watcher.web.pages.rendering import pieces_of
from watcher.web.pages.selection import SITES_A_STEP, SORTS, WORST_FIRST, Seen
from watcher.web.pages.silencing import SHOWN_SILENCES
from watcher.web.pages.words import counted, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from watcher.model.alerts.silence import Silence
    from watcher.reporting.page_history import RowHistory
    from watcher.web.pages.rendering import Look
    from watcher.web.pages.selection import Chosen

MAX_NOW = 5  # of the sites that are told before the list
HEAT_MAP_BEYOND = 200

_TOLD_OF = {State.DOWN: State.DOWN, State.DEGRADED: State.DEGRADED}  # what the sentence counts itself
_WRONG = (State.DOWN, State.DEGRADED)


@dataclass(frozen=True, slots=True)
class Overview:
    """What the page of all sites shows.

    Attributes:
        seen: all sites that the viewer may see, in the order of the configuration.
        chosen: those of this page.
        histories: the past of those of this page, by the names of their targets; None where it cannot be read.
        history_lost_at: since when it cannot be read; None where it can, or was never asked for.
        now: in UTC.
        silences: those that hold, the one that ends first at the top.
    """

    seen: Sequence[Seen]
    chosen: Chosen
    histories: Mapping[str, RowHistory] | None
    history_lost_at: datetime | None
    now: datetime
    silences: Sequence[Silence] = ()


def overview_page(view: Overview, look: Look) -> Iterator[str]:
    """Write the page of all sites, as HTML in pieces.

    Args:
        view: what it shows.
        look: what is the same on all pages.
    """
    counts, wrong, groups = Counter[State](), list[Seen](), set[str]()
    for number, one in enumerate(view.seen):
        counts[one.state] += 1
        if one.state in _WRONG:
            wrong.append(one)
        if one.site.group:
            groups.add(one.site.group)
        if number % SITES_A_STEP == 0:
            yield ""
    heat = None
    if len(view.seen) > HEAT_MAP_BEYOND:
        heat = yield from heat_map(view.seen, look.root)
    sentence, state = verdict(counts)
    began = {one.site.target: _since(one, view) for one in wrong}
    downs = [since for one in wrong if one.state is State.DOWN and (since := began[one.site.target])]
    wrong.sort(key=lambda one: (_WRONG.index(one.state), -_timestamp(began[one.site.target])))
    yield from pieces_of(
        "overview.html",
        look,
        view=view,
        chosen=view.chosen,
        selection=view.chosen.selection,
        sentence=sentence,
        down=counts[State.DOWN],
        state=state,
        down_since=min(downs, default=None),
        rest=counted(counts, without=_TOLD_OF.get(state, State.UP)) if len(+counts) > 1 else "",
        wrong=[(one, began[one.site.target]) for one in wrong[:MAX_NOW]],
        more_wrong=len(wrong) - len(wrong[:MAX_NOW]),
        states=[(one, counts[one]) for one in WORST_FIRST if counts[one]],
        sorts=SORTS,
        groups=sorted(groups),
        heat=heat,
        now=view.now,
        shown_silences=SHOWN_SILENCES,
    )


def _since(one: Seen, view: Overview) -> datetime | None:
    history = view.histories.get(one.site.target) if view.histories is not None else None
    return one.since(None if history is None else history.down_since)


def _timestamp(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0

"""The sites that a viewer selected, and their order: parses the address of the page, and writes it; pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from heapq import merge
from itertools import chain, islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from watcher.model.state import State
from watcher.web.pages.glance import SITES_A_STEP

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from watcher.web.pages.glance import Glance, Row
    from watcher.web.sites import Site

PAGE_ROWS = 100
MAX_QUERY_CHARS = 200
MAX_PAGE = 100_000
SORTS = {"worst": "Worst first", "name": "By name", "slowest": "Slowest first"}
WORST_FIRST = (
    State.DOWN,
    State.DEGRADED,
    State.UNKNOWN,
    State.PENDING,
    State.MAINTENANCE,
    State.PAUSED,
    State.UP,
)

_RANKS = {state: rank for rank, state in enumerate(WORST_FIRST)}


@dataclass(frozen=True, slots=True)
class Selection:
    """The selection in the address of the page.

    Attributes:
        text: searched for in the name, group or address; empty for all.
        state: None for all.
        group: None for all.
        sort: one of SORTS.
        page: from 1 on.
    """

    text: str = ""
    state: State | None = None
    group: str | None = None
    sort: str = "worst"
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Selection:
        """Parse the query of an address; invalid values are ignored."""
        state, sort = query.get("state", ""), query.get("sort", "")
        return cls(
            text=query.get("q", "")[:MAX_QUERY_CHARS].strip(),
            state=State(state) if state in set(State) else None,
            group=query.get("group") or None,
            sort=sort if sort in SORTS else "worst",
            page=page_number(query),
        )

    def address(self, **changes: Any) -> str:
        """Return the query of this selection with changes; of the first page, unless a page is given."""
        changed = replace(self, **{"page": 1, **changes})
        parts = {
            "q": changed.text,
            "state": changed.state or "",
            "group": changed.group or "",
            "sort": "" if changed.sort == "worst" else changed.sort,
            "page": "" if changed.page == 1 else changed.page,
        }
        return "?" + urlencode({name: value for name, value in parts.items() if value}, errors="replace")


@dataclass(frozen=True, slots=True)
class Group:
    """A group on one page.

    Attributes:
        name: None for the sites without a group.
        rows: its sites on this page.
        states: the number of its selected sites in each state, the worst first.
    """

    name: str | None
    rows: tuple[Row, ...]
    states: Mapping[State, int]

    @property
    def total(self) -> int:
        """The number of its selected sites."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Chosen:
    """The content of one page.

    Attributes:
        selection: the selection, with an existing page.
        groups: in their order.
        total: the number of selected sites on all pages.
        pages: the number of pages, at least one.
        first: the number of the first row of this page, from 1 on.
    """

    selection: Selection
    groups: tuple[Group, ...]
    total: int
    pages: int
    first: int

    @property
    def rows(self) -> list[Row]:
        """All rows of this page."""
        return [row for group in self.groups for row in group.rows]


def choosing(glance: Glance, selection: Selection) -> Generator[None, None, Chosen]:
    """Choose the content of one page, in steps; after each step, other tasks should get a turn.

    Args:
        glance: at all sites.
        selection: the viewer's selection.
    """
    found = yield from _finding(glance, selection)
    counts = {name: {state: len(found[name][state]) for state in WORST_FIRST if state in found[name]} for name in found}
    total = sum(sum(of_one.values()) for of_one in counts.values())
    pages = max(1, -(-total // PAGE_ROWS))
    page = min(selection.page, pages)
    ordered = yield from _ordering(glance, found, selection.sort)
    left, first = PAGE_ROWS, (page - 1) * PAGE_ROWS
    groups, skip = [], first
    for name, places in ordered:
        in_group = sum(counts[name].values())
        shown = []
        if left and skip < in_group:
            for number, place in enumerate(islice(places, skip + left)):
                if number >= skip:
                    shown.append(glance.row(glance.sites.by_name[place]))
                if number % SITES_A_STEP == SITES_A_STEP - 1:
                    yield
        skip = max(0, skip - in_group)
        left -= len(shown)
        if shown:
            groups.append(Group(name, tuple(shown), counts[name]))
    return Chosen(replace(selection, page=page), tuple(groups), total, pages, first + 1 if total else 0)


# Sites by group and state, each as its index in the order of names; each list is sorted.
_Found = defaultdict[str | None, defaultdict[State, list[int]]]


def _finding(glance: Glance, selection: Selection) -> Generator[None, None, _Found]:
    found: _Found = defaultdict(lambda: defaultdict(list))
    sites, states, by_name = glance.sites.all, glance.states, glance.sites.by_name
    wanted_state, wanted_group, wanted = selection.state, selection.group, selection.text.casefold()
    for first in range(0, len(by_name), SITES_A_STEP):
        for place, number in enumerate(by_name[first : first + SITES_A_STEP], first):
            site, state = sites[number], states[number]
            if state is None or (wanted_state is not None and state is not wanted_state):
                continue
            group = site.group
            if (wanted_group is not None and group != wanted_group) or (wanted and not _has(site, wanted)):
                continue
            found[group][state].append(place)
        yield
    return found


def _ordering(
    glance: Glance, found: _Found, sort: str
) -> Generator[None, None, list[tuple[str | None, Iterable[int]]]]:
    """Sort groups by their worst sites, then by name, those without a group last; and sort the sites of each."""
    by_name = glance.sites.by_name
    ranked: list[tuple[float, str | None, Iterable[int]]] = []
    for name, of_states in found.items():
        places: Iterable[int]
        if sort == "slowest":
            runs = []
            for run in _runs(of_states.values()):
                runs.append(sorted((-glance.seconds(by_name[place]), place) for place in run))
                yield
            rank, places = min(runs)[0][0], (place for _, place in merge(*runs))
        elif sort == "name":
            rank, places = 0, merge(*of_states.values())
        else:
            states = [state for state in WORST_FIRST if state in of_states]
            rank, places = _RANKS[states[0]], chain.from_iterable([of_states[state] for state in states])
        ranked.append((rank, name, places))
    ranked.sort(key=lambda one: (one[0], not one[1], one[1] or ""))
    return [(name, places) for _, name, places in ranked]


def _runs(lists: Iterable[Sequence[int]]) -> Iterator[Sequence[int]]:
    for places in lists:
        for first in range(0, len(places), SITES_A_STEP):
            yield places[first : first + SITES_A_STEP]


def _has(site: Site, wanted: str) -> bool:
    return any(wanted in text.casefold() for text in (site.name, site.group, site.address) if text)


def matches(site: Site, text: str, group: str | None) -> bool:
    """Return whether a site is selected.

    Args:
        site: as the viewer may see it.
        text: searched for in its name, group or address; empty for all.
        group: None for all.
    """
    if group is not None and site.group != group:
        return False
    return not text or _has(site, text.casefold())


def page_number(query: Mapping[str, str]) -> int:
    """Parse the number of a page from the query of an address; invalid numbers mean the first."""
    page = query.get("page", "")
    is_number = page.isascii() and page.isdigit() and len(page) < len(str(MAX_PAGE))
    return max(1, int(page)) if is_number else 1

"""Which sites a viewer asked for, and in which order: read from the address of the page, and written to it; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlencode

from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from datetime import datetime

    from watcher.recording.board import Latest
    from watcher.web.sites import Site

PAGE_ROWS = 100
SITES_A_STEP = 500  # that are looked at in one step: a millisecond
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


class Seen(NamedTuple):
    """A site, and what is known of it now."""

    site: Site
    latest: Latest

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.latest.standing.state

    def since(self, down_since: datetime | None) -> datetime | None:
        """Return since when: of an outage that has outlived a restart, since it began.

        Args:
            down_since: what the past says of it; None where it says nothing, or cannot be read.
        """
        since = self.latest.standing.since
        return min(since, down_since) if since and down_since and self.state is State.DOWN else since


@dataclass(frozen=True, slots=True)
class Selection:
    """What the address of the page says.

    Attributes:
        text: what must be in the name, group or address; empty for all.
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
        """Read the query of an address; what makes no sense in it is as if it were not there."""
        state, sort = query.get("state", ""), query.get("sort", "")
        return cls(
            text=query.get("q", "")[:MAX_QUERY_CHARS].strip(),
            state=State(state) if state in set(State) else None,
            group=query.get("group") or None,
            sort=sort if sort in SORTS else "worst",
            page=page_number(query),
        )

    def address(self, **changes: Any) -> str:
        """Return the query of this selection, or of one that differs; from the first page, unless a page is given."""
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
        rows: those of its sites that stand on this page.
        states: how many of all its selected sites are in which state, the worst first.
    """

    name: str | None
    rows: tuple[Seen, ...]
    states: Mapping[State, int]

    @property
    def total(self) -> int:
        """How many of its sites are selected."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one page shows.

    Attributes:
        selection: what was asked for, on a page that there is.
        groups: in their order.
        total: how many sites are selected, on all pages.
        pages: how many pages there are, one at least.
        first: the number of the first row of this page, from 1 on.
    """

    selection: Selection
    groups: tuple[Group, ...]
    total: int
    pages: int
    first: int

    @property
    def rows(self) -> list[Seen]:
        """All rows of this page."""
        return [row for group in self.groups for row in group.rows]


def choose(seen: Sequence[Seen], selection: Selection) -> Chosen:
    """Choose what one page shows.

    Args:
        seen: all sites, in the order of the configuration.
        selection: what is asked for.
    """
    steps = choosing(seen, selection)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("Chosen", end.value)


def choosing(seen: Sequence[Seen], selection: Selection) -> Generator[None, None, Chosen]:
    """Do the same in steps of a millisecond, between which others should get a turn."""
    runs: defaultdict[str | None, list[list[Seen]]] = defaultdict(list)
    states: defaultdict[str | None, Counter[State]] = defaultdict(Counter)
    wanted, rank = selection.text.casefold(), _RANKINGS[selection.sort]
    for start in range(0, len(seen), SITES_A_STEP):
        step: defaultdict[str | None, list[Seen]] = defaultdict(list)
        for one in seen[start : start + SITES_A_STEP]:
            site, state = one.site, one.latest.standing.state
            if selection.state not in {None, state} or selection.group not in {None, site.group}:
                continue
            if wanted and not _has(site, wanted):
                continue
            states[site.group][state] += 1
            step[site.group].append(one)
        for name, rows in step.items():
            rows.sort(key=rank)
            runs[name].append(rows)
        yield
    # The group with the worst site comes first; of those as bad, by their names, and what has no group last.
    ranks = {name: _rank_of_group(min(rank(run[0]) for run in of_one), selection.sort) for name, of_one in runs.items()}
    total = sum(counts.total() for counts in states.values())
    pages = max(1, -(-total // PAGE_ROWS))
    page = min(selection.page, pages)
    left, first = PAGE_ROWS, (page - 1) * PAGE_ROWS
    groups, skip = [], first
    for name in sorted(runs, key=lambda name: (ranks[name], not name, name or "")):
        counts = states[name]
        shown = []
        if left and skip < counts.total():
            for number, one in enumerate(islice(merge(*runs[name], key=rank), skip + left)):
                if number >= skip:
                    shown.append(one)
                if number % SITES_A_STEP == SITES_A_STEP - 1:
                    yield
        skip = max(0, skip - counts.total())
        left -= len(shown)
        if shown:
            groups.append(Group(name, tuple(shown), {state: counts[state] for state in WORST_FIRST if counts[state]}))
    return Chosen(replace(selection, page=page), tuple(groups), total, pages, first + 1 if total else 0)


def _has(site: Site, wanted: str) -> bool:
    return any(wanted in text.casefold() for text in (site.name, site.group, site.address) if text)


def matches(site: Site, text: str, group: str | None) -> bool:
    """Tell whether a site is asked for.

    Args:
        site: as the viewer may see it.
        text: what must be in its name, group or address; empty for all.
        group: None for all.
    """
    if group is not None and site.group != group:
        return False
    return not text or _has(site, text.casefold())


def page_number(query: Mapping[str, str]) -> int:
    """Read the number of a page from the query of an address; what is none is the first."""
    page = query.get("page", "")
    is_number = page.isascii() and page.isdigit() and len(page) < len(str(MAX_PAGE))
    return max(1, int(page)) if is_number else 1


_RANKINGS: dict[str, Callable[[Seen], tuple[Any, ...]]] = {
    "worst": lambda one: (_RANKS[one.latest.standing.state], one.site.name.casefold()),
    "name": lambda one: (one.site.name.casefold(),),
    "slowest": lambda one: (-(one.latest.duration_seconds or 0.0), one.site.name.casefold()),
}


def _rank_of_group(rank: tuple[Any, ...], sort: str) -> Any:
    return 0 if sort == "name" else rank[0]

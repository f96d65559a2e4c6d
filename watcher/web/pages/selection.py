"""Which sites a viewer asked for, and in which order: read from the address of the page, and written to it; pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.recording.board import Latest
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


class Seen(NamedTuple):
    """A site, and what is known of it now."""

    site: Site
    latest: Latest

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.latest.standing.state


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
        state, sort, page = query.get("state", ""), query.get("sort", ""), query.get("page", "")
        is_number = page.isascii() and page.isdigit() and len(page) < len(str(MAX_PAGE))
        return cls(
            text=query.get("q", "")[:MAX_QUERY_CHARS].strip(),
            state=State(state) if state in set(State) else None,
            group=query.get("group") or None,
            sort=sort if sort in SORTS else "worst",
            page=max(1, int(page)) if is_number else 1,
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
    chosen = [one for one in seen if _is_selected(one, selection)]
    by_group: dict[str | None, list[tuple[tuple[Any, ...], Seen]]] = {}
    for one in chosen:
        by_group.setdefault(one.site.group, []).append((_rank(one, selection.sort), one))
    for rows in by_group.values():
        rows.sort(key=lambda pair: pair[0])
    # The group with the worst site comes first; of those as bad, by their names, and what has no group last.
    ordered = sorted(by_group, key=lambda name: (_rank_of_group(by_group[name], selection.sort), not name, name or ""))
    pages = max(1, -(-len(chosen) // PAGE_ROWS))
    page = min(selection.page, pages)
    left, first = PAGE_ROWS, (page - 1) * PAGE_ROWS
    groups, skip = [], first
    for name in ordered:
        rows = by_group[name]
        shown = tuple(one for _, one in rows[skip : skip + left])
        skip = max(0, skip - len(rows))
        left -= len(shown)
        if shown:
            counts = Counter(one.state for _, one in rows)
            groups.append(Group(name, shown, {state: counts[state] for state in WORST_FIRST if counts[state]}))
    return Chosen(replace(selection, page=page), tuple(groups), len(chosen), pages, first + 1 if chosen else 0)


def _is_selected(one: Seen, selection: Selection) -> bool:
    if selection.state is not None and one.state is not selection.state:
        return False
    site = one.site
    if selection.group is not None and site.group != selection.group:
        return False
    wanted = selection.text.casefold()
    return not wanted or any(wanted in text.casefold() for text in (site.name, site.group, site.address) if text)


def _rank(one: Seen, sort: str) -> tuple[Any, ...]:
    name = one.site.name.casefold()
    if sort == "slowest":
        return -(one.latest.duration_seconds or 0.0), name
    return (name,) if sort == "name" else (_RANKS[one.state], name)


def _rank_of_group(rows: Sequence[tuple[tuple[Any, ...], Seen]], sort: str) -> Any:
    return 0 if sort == "name" else rows[0][0][0]

"""The incidents that a viewer selected: parses the address of the page, and writes it; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from watcher.history.calendar import DAY
from watcher.web.pages.selection import MAX_QUERY_CHARS, matches, page_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from watcher.history.incidents import Flapping, Incident
    from watcher.web.sites import Site

PAGE_ENTRIES = 50
SINCE = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY, "1y": 365 * DAY}
SINCE_WORDS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days", "1y": "a year"}
USUAL_SINCE = "90d"
OPEN, ENDED = "open", "ended"
STATES = {"": "Open and ended", OPEN: "Open", ENDED: "Ended"}


@dataclass(frozen=True, slots=True)
class IncidentSelection:
    """The selection in the address of the page.

    Attributes:
        text: searched for in the name, group or address of the site; empty for all.
        group: None for all.
        state: one of STATES.
        since: how far back, one of SINCE.
        page: from 1 on.
    """

    text: str = ""
    group: str | None = None
    state: str = ""
    since: str = USUAL_SINCE
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> IncidentSelection:
        """Parse the query of an address; invalid values are ignored."""
        state, since = query.get("state", ""), query.get("since", "")
        return cls(
            text=query.get("q", "")[:MAX_QUERY_CHARS].strip(),
            group=query.get("group") or None,
            state=state if state in STATES else "",
            since=since if since in SINCE else USUAL_SINCE,
            page=page_number(query),
        )

    @property
    def length(self) -> timedelta:
        """The period that it covers."""
        return SINCE[self.since]

    def address(self, **changes: Any) -> str:
        """Return the query of this selection with changes; of the first page, unless a page is given."""
        changed = replace(self, **{"page": 1, **changes})
        parts = {
            "q": changed.text,
            "group": changed.group or "",
            "state": changed.state,
            "since": "" if changed.since == USUAL_SINCE else changed.since,
            "page": "" if changed.page == 1 else changed.page,
        }
        query = urlencode({name: value for name, value in parts.items() if value}, errors="replace")
        return f"?{query}" if query else ""

    def has_site(self, site: Site) -> bool:
        """Return whether incidents of this site are selected."""
        return matches(site, self.text, self.group)

    def has_entry(self, entry: Incident | Flapping) -> bool:
        """Return whether an incident or a time of flapping has the selected state, open or ended."""
        return not self.state or (self.state == OPEN) == (entry.end is None)

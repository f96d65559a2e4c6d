"""The handlers of the pages: they gather what a page shows, and have it written. They are trio-flavoured."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import trio
from starlette.responses import Response
from starlette.routing import Route

from watcher.model.places import COMBINED
from watcher.postgres.errors import StorageError
from watcher.reporting.page_history import RANGES, read_entries, read_row_histories, read_target_history
from watcher.web.pages.events import Events
from watcher.web.pages.glance import Seen, glancing
from watcher.web.pages.incident_selection import PAGE_ENTRIES, IncidentSelection
from watcher.web.pages.incidents import FEED_ENTRIES, IncidentsView, all_told, feed_atom, incidents_page, pages_of
from watcher.web.pages.overview import Overview, overview_page
from watcher.web.pages.rendering import static_file
from watcher.web.pages.rows import RowHistories, past_of
from watcher.web.pages.selection import Selection, choosing
from watcher.web.pages.target import TargetView, missing_page, target_page
from watcher.web.serving.shared import Shared
from watcher.web.serving.turns import in_turns
from watcher.web.silencing import Forms, Silencing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
    from datetime import datetime

    from starlette.requests import Request

    from watcher.postgres.db import Database
    from watcher.reporting.page_history import RowHistory
    from watcher.web.pages.glance import Row
    from watcher.web.pages.rendering import Look
    from watcher.web.pages.rows import Past
    from watcher.web.sites import Sites
    from watcher.web.standings import Standings

Result = TypeVar("Result")

HISTORY_SECONDS = 0.8  # a page without its past is better than none within a second

_STATIC_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FOR_A_YEAR = {"Cache-Control": "public, max-age=31536000, immutable"}  # their addresses have digests
_FOR_NOW = {"Cache-Control": "no-cache"}
_LOGO_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@dataclass(slots=True)
class Pages:
    """What the pages are made of.

    Attributes:
        present: the states of targets.
        sites: returns what a viewer may see, by whether it is the public's view.
        look: returns what is the same on all pages of this viewer.
        database: returns where the past is read; None while PostgreSQL is away.
        clock: returns the time, UTC.
        location: whose checks count.
        shared: keeps what many ask for.
        turn: of whatever takes long.
        is_public: tells whether the public hears of changes of a target, by its name.
        origin: scheme and host of the page as people reach it; None for what the request names.
        silencing: what is known of silences and acks.
        history_lost_at: since when the past cannot be read.
    """

    present: Standings
    sites: Callable[[bool], Awaitable[Sites]]
    look: Callable[[Request], Look]
    database: Callable[[], Database | None]
    clock: Callable[[], datetime]
    location: str
    shared: Shared = field(default_factory=Shared)
    turn: trio.Lock = field(default_factory=trio.Lock)
    origin: str | None = None
    is_public: Callable[[str], bool] = lambda _target: True
    silencing: Silencing = field(default_factory=Silencing)
    history_lost_at: datetime | None = field(default=None, init=False)
    _row_histories: dict[bool, RowHistories] = field(init=False)  # by whether they are the public's
    _events: Events = field(init=False)

    def __post_init__(self) -> None:
        """Make what tells viewers of changes."""
        self._events = Events(self.present, self.is_public, lambda: self.silencing.present.changes)
        self._row_histories = {public: RowHistories() for public in (False, True)}

    def routes(self) -> list[Route]:
        """Return the routes to be mounted."""
        return [
            Route("/", self._shared(self.overview), methods=["GET"]),
            Route("/targets/{key}", self._shared(self.target), methods=["GET"]),
            *Forms(self.silencing, self.sites, self.clock).routes(),
            Route("/incidents", self._shared(self.incidents), methods=["GET"]),
            Route("/feed.atom", self._shared(self.feed), methods=["GET"]),
            Route("/events", self._events),
            Route("/static/logo", self.logo, methods=["GET"]),
            Route("/static/{name}", static, methods=["GET"]),
        ]

    def _shared(self, page: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            look = self.look(request)
            # Whoever has sent a form sees at once what has become of it.
            version = self._events.version(public=look.public), self.silencing.present.changes, look
            return await self.shared.response(request, lambda: page(request), version)

        return answer

    async def overview(self, request: Request) -> Response:
        """Answer with the page of all sites."""
        look, now = self.look(request), self.clock()
        glance = await in_turns(glancing(await self.sites(look.public), self.present), self.turn)
        chosen = await in_turns(choosing(glance, Selection.of(request.query_params)), self.turn)
        pasts = await self._pasts_of(chosen.rows, now, public=look.public)
        silences = [] if look.public else self.silencing.silences(now)
        view = Overview(glance, chosen, pasts, self.history_lost_at, now, silences)
        return await self._answer(overview_page(view, look))

    async def missing(self, request: Request) -> Response:
        """Answer that there is no such page."""
        return await self._answer(missing_page(self.look(request), self.clock()), 404)

    async def target(self, request: Request) -> Response:
        """Answer with the page of one site; of a key that nobody has, or that this viewer may not see, 404."""
        look, now = self.look(request), self.clock()
        site = (await self.sites(look.public)).with_key(request.path_params["key"])
        latest = None if site is None else self.present.latest_of(site)
        if site is None or latest is None:
            return await self.missing(request)
        name = request.query_params.get("range", "")
        range_name = name if name in RANGES else "24h"
        flips_at = COMBINED if self.present.is_combined(site) else self.location
        history = await self._read(
            lambda database: read_target_history(
                database, site.target, self.location, now, RANGES[range_name], flips_at=flips_at
            )
        )
        silences, acks = (
            ((), ()) if look.public else (self.silencing.silences_of(site, now), self.silencing.acks_of(site))
        )
        seen = Seen(site, latest, self.present.places_of(site))
        view = TargetView(seen, history, range_name, self.history_lost_at, now, silences, acks, self.location)
        return await self._answer(target_page(view, look))

    async def incidents(self, request: Request) -> Response:
        """Answer with the page of incidents."""
        look, selection = self.look(request), IncidentSelection.of(request.query_params)
        return await self._answer(incidents_page(await self._incidents(selection, look, PAGE_ENTRIES), look))

    async def feed(self, request: Request) -> Response:
        """Answer with the incidents as an Atom feed; without the past there is none, which readers try again."""
        look, selection = self.look(request), replace(IncidentSelection.of(request.query_params), page=1)
        view = await self._incidents(selection, look, FEED_ENTRIES)
        if view.told is None:
            return Response("the history cannot be read now\n", 503, {"Retry-After": "60"}, "text/plain")
        origin = self.origin or f"{request.url.scheme}://{request.url.netloc}"
        return await self._answer(feed_atom(view, look, origin), media_type="application/atom+xml")

    async def logo(self, request: Request) -> Response:
        """Answer with the operator's logo; a script in it would run for nobody, also where it is opened by itself."""
        logo = self.look(request).logo
        if logo is None:
            return Response("not found\n", 404, media_type="text/plain")
        is_new = request.query_params.get("v") == logo.digest
        headers = {**(_FOR_A_YEAR if is_new else _FOR_NOW), "Content-Security-Policy": _LOGO_POLICY}
        return Response(logo.content, media_type=logo.media_type, headers=headers)

    async def _incidents(self, selection: IncidentSelection, look: Look, limit: int) -> IncidentsView:
        now, sites = self.clock(), await self.sites(look.public)
        wanted = {site.target: site for site in sites.all if selection.has_site(site)}
        names, since = list(wanted), now - selection.length
        combined = self.present.combined_among(wanted.values())
        found = await self._read(lambda database: read_entries(database, names, self.location, since, now, combined))
        chosen = [pair for pair in found or () if selection.has_entry(pair[1])]
        selection = replace(selection, page=min(selection.page, pages_of(len(chosen))))
        first = (selection.page - 1) * limit
        told = None if found is None else all_told(chosen[first : first + limit], wanted, public=look.public)
        return IncidentsView(told, len(chosen), selection, sites.groups, self.history_lost_at, now)

    async def _pasts_of(self, rows: Sequence[Row], now: datetime, *, public: bool) -> dict[str, Past] | None:
        """Return the past of rows; None where it cannot be read."""
        histories = self._row_histories[public]
        known = histories.known(rows, trio.current_time())
        names = [one.site.target for one in rows if one.site.target not in known]
        if not names and self.database() is not None:
            return known
        combined = self.present.combined_among(one.site for one in rows)
        read = await self._read(lambda database: read_row_histories(database, names, self.location, now, combined))
        if read is None:
            return None
        written = await in_turns(_pasts(read, with_causes=not public), self.turn)
        histories.keep(written, rows, trio.current_time())
        return {**known, **written}

    async def _answer(self, pieces: Iterator[str], status_code: int = 200, media_type: str = "text/html") -> Response:
        """Have a page written."""
        written = await in_turns(_gathered(pieces), self.turn)
        return Response("".join(written).encode("utf-8", "replace"), status_code, _FOR_NOW, media_type)

    async def _read(self, read: Callable[[Database], Awaitable[Result]]) -> Result | None:
        """Read the past; None where the database does not answer in time."""
        database = self.database()
        result: Result | None = None
        with trio.move_on_after(HISTORY_SECONDS):
            try:
                if database is not None:
                    result = await read(database)
            except StorageError:
                result = None
        self.history_lost_at = None if result is not None else self.history_lost_at or self.clock()
        return result


def _pasts(histories: Mapping[str, RowHistory], *, with_causes: bool) -> Generator[None, None, dict[str, Past]]:
    written = {}
    for name, history in histories.items():
        written[name] = past_of(history, with_causes=with_causes)
        yield
    return written


def _gathered(pieces: Iterator[str]) -> Generator[None, None, list[str]]:
    written = []
    for piece in pieces:
        written.append(piece)
        yield
    return written


async def static(request: Request) -> Response:
    """Answer with a file that pages load."""
    name = request.path_params["name"]
    try:
        content = static_file(name)
    except KeyError:
        return Response("not found\n", 404, media_type="text/plain")
    return Response(content, media_type=_STATIC_TYPES[name.rpartition(".")[2]], headers=_FOR_A_YEAR)
